"""The one place that imports pycolmap.

Importing pycolmap 4.2 before zlib or cv2 corrupts memory at the next zlib call, so they come first.
"""

# pyright: reportUnusedImport=false
import zlib  # noqa: F401  # isort: skip

import cv2  # noqa: F401  # isort: skip
import pycolmap  # isort: skip

__all__ = ["pycolmap"]
