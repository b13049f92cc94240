"""Nerfstudio's: a folder for each clip with `transforms.json`, images, masks and depth.

Cameras are camera-to-world with OpenGL axes (y up, z backward), as nerfstudio and instant-ngp read
them. Depth is in thousandths of the unit of the cameras, which is nerfstudio's default, and 0 where
it is not known or beyond 65.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from camvid.artifacts import F64, U16
from camvid.exports.format import Entry
from camvid.exports.image_folder import ImageFolders, static_masks, write_images, write_pngs
from camvid.exports.view import View
from camvid.geometry import invert_rigid

_DEPTH_UNIT = 1e-3
_POINTS = "sparse_pc.ply"


class Nerfstudio(ImageFolders):
    """A nerfstudio folder a clip."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        scene = folder / view.clip.clip_id
        names = write_images(view, scene / "images")
        pngs = [Path(name).with_suffix(".png").name for name in names]
        write_pngs(static_masks(view), pngs, scene / "masks")
        write_pngs(_depth_codes(view), pngs, scene / "depths")
        _write_ply(view, scene / _POINTS)
        frames = [
            {
                "file_path": f"images/{name}",
                "mask_path": f"masks/{png}",
                "depth_file_path": f"depths/{png}",
                "transform_matrix": matrix.tolist(),
            }
            for name, png, matrix in zip(names, pngs, opengl_poses(view), strict=True)
        ]
        # Where the file has intrinsics for all, nerfstudio looks at no frame's own.
        if view.zooms:
            frames = [frame | _intrinsics(K) for frame, K in zip(frames, view.K, strict=True)]

        described: dict[str, Any] = {
            "camera_model": "OPENCV",
            "w": view.width_px,
            "h": view.height_px,
            **({} if view.zooms else _intrinsics(view.K[0])),
            **dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0),
            "ply_file_path": _POINTS,
            "frames": frames,
        }
        (scene / "transforms.json").write_text(json.dumps(described, indent=1))
        return view.entry()


def opengl_poses(view: View) -> F64:
    """World-from-camera [F, 4, 4] of cameras that look along -z, with y up."""
    poses = np.tile(np.eye(4), (view.num_frames, 1, 1))
    poses[:, :3] = invert_rigid(view.cam_from_world)
    poses[:, :3, 1:3] *= -1
    return poses


def _intrinsics(K: F64) -> dict[str, float]:
    names = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    return {name: float(value) for name, value in names.items()}


def _depth_codes(view: View) -> U16:
    codes = np.rint(view.depth() / _DEPTH_UNIT)
    return np.where(codes < 2**16, codes, 0).astype(np.uint16)


def _write_ply(view: View, path: Path) -> None:
    points = np.zeros(
        len(view.points_world),
        [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")],
    )
    for column, axis in enumerate("xyz"):
        points[axis] = view.points_world[:, column]
    for column, colour in enumerate(("red", "green", "blue")):
        points[colour] = view.clip.point_rgb[:, column]
    properties = [f"property float {axis}" for axis in "xyz"]
    properties += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    text = "\n".join([*header, *properties, "end_header", ""])
    path.write_bytes(text.encode() + points.tobytes())
