"""A view as a COLMAP reconstruction: pinhole cameras, posed images, sparse points."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camvid.exports.view import View
from camvid.sfm.colmap import pycolmap


def write_model(view: View, names: Sequence[str], folder: Path) -> None:
    """Writes cameras, images and points3D as binary files.

    One camera for all images, or one each where the lens zooms. The points carry no observations:
    shards keep none.

    Args:
        view: with cameras.
        names: of the F images.
        folder: is made.
    """
    model = pycolmap.Reconstruction()
    for number in range(view.num_frames if view.zooms else 1):
        K = view.K[number]
        camera = pycolmap.Camera(
            camera_id=number + 1,
            model="PINHOLE",
            width=view.width_px,
            height=view.height_px,
            params=[K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
        )
        model.add_camera_with_trivial_rig(camera)
    for number, (name, pose) in enumerate(zip(names, view.cam_from_world, strict=True)):
        image = pycolmap.Image(
            name=name, camera_id=number + 1 if view.zooms else 1, image_id=number + 1
        )
        cam_from_world = pycolmap.Rigid3d(pycolmap.Rotation3d(pose[:, :3]), pose[:, 3])
        model.add_image_with_trivial_frame(image, cam_from_world)
    for place, rgb in zip(view.points_world, view.clip.point_rgb, strict=True):
        model.add_point3D(place.astype(np.float64), pycolmap.Track(), rgb)
    folder.mkdir(parents=True)
    model.write_binary(str(folder))
