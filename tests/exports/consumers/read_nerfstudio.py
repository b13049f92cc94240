"""A scene as nerfstudio's parser reads it, as arrays: python read_nerfstudio.py FOLDER OUT.npz"""

import importlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np


def main(folder: str, out: str) -> None:
    # Its models import torchvision; its parsers ask nothing of it.
    for name in ("torchvision", "torchvision.transforms", "torchvision.utils"):
        sys.modules[name] = MagicMock()
    parsers: Any = importlib.import_module("nerfstudio.data.dataparsers.nerfstudio_dataparser")
    parser = parsers.NerfstudioDataParserConfig(
        data=Path(folder),
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        downscale_factor=1,
        eval_mode="all",
    ).setup()
    found = parser.get_dataparser_outputs("train")
    cameras = found.cameras
    np.savez(
        out,
        world_from_cam=cameras.camera_to_worlds.numpy(),
        lens=np.stack([n[:, 0].numpy() for n in (cameras.fx, cameras.fy, cameras.cx, cameras.cy)]),
        size_px=[int(cameras.width[0]), int(cameras.height[0])],
        images=[str(path) for path in found.image_filenames],
        masks=[str(path) for path in found.mask_filenames],
        depths=[str(path) for path in found.metadata["depth_filenames"]],
        depth_unit=found.metadata["depth_unit_scale_factor"],
        applied=found.dataparser_transform.numpy(),
    )


main(*sys.argv[1:])
