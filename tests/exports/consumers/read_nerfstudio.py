"""Scenes as nerfstudio's parser reads them, as arrays: python read_nerfstudio.py FOLDER OUT.npz"""

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
    arrays: dict[str, Any] = {}
    for path in sorted(Path(folder).glob("*/transforms.json")):
        config = parsers.NerfstudioDataParserConfig(
            data=path.parent,
            orientation_method="none",
            center_method="none",
            auto_scale_poses=False,
            downscale_factor=1,
            eval_mode="all",
        )
        found = read(config.setup().get_dataparser_outputs("train"))
        arrays |= {f"{path.parent.name}/{name}": array for name, array in found.items()}
    np.savez(out, **arrays)


def read(scene: Any) -> dict[str, Any]:
    cameras = scene.cameras
    lens = (cameras.fx, cameras.fy, cameras.cx, cameras.cy)
    return {
        "world_from_cam": cameras.camera_to_worlds.numpy(),
        "lens": np.stack([number[:, 0].numpy() for number in lens]),
        "size_px": [int(cameras.width[0]), int(cameras.height[0])],
        "images": [str(path) for path in scene.image_filenames],
        "masks": [str(path) for path in scene.mask_filenames],
        "depths": [str(path) for path in scene.metadata["depth_filenames"]],
        "depth_unit": scene.metadata["depth_unit_scale_factor"],
        "applied": scene.dataparser_transform.numpy(),
    }


main(*sys.argv[1:])
