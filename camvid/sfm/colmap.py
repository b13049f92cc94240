"""The one place that imports pycolmap, and Ceres, which solves its adjustments.

Importing pycolmap 4.2 before zlib or cv2 corrupts memory at the next zlib call, so they come first.
pyceres must be there before pycolmap hands out the problems that costs are added to.
"""

# pyright: reportUnusedImport=false
import zlib  # noqa: F401  # isort: skip

import cv2  # noqa: F401  # isort: skip
import pyceres  # isort: skip
import pycolmap  # isort: skip

SEED = 0  # of everything that it draws

__all__ = ["SEED", "pyceres", "pycolmap"]
