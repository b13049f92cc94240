"""Motion arrows: where a keypoint went, minus where the camera alone would have carried it."""

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8, Bool, DepthMaps, PointTracks, Reconstruction
from camvid.geometry import cam_from_img, img_from_cam, invert_rigid, transform_points
from camvid.report.colours import RGB

_SHIFT = 4  # OpenCV draws in 1/16 px


def camera_predicted(
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    from_frame: int,
    to_frame: int,
) -> F64:
    """Where static points at the keypoints of one frame are seen in another: [N, 2] in pixels.

    NaN where the keypoint is not visible in either frame, has no depth, or a camera is missing.
    """
    predicted = np.full((tracks.xy_px.shape[1], 2), np.nan)
    pair = [from_frame, to_frame]
    seen = np.flatnonzero(tracks.visible[pair].all(axis=0))
    if not (reconstruction.registered[pair].all() and len(seen)):
        return predicted
    xy_px = tracks.xy_px[from_frame, seen].astype(np.float64)
    z, valid = _depth_at(depth, from_frame, xy_px)
    world = transform_points(
        invert_rigid(reconstruction.cam_from_world[from_frame]),
        cam_from_img(reconstruction.K_of(from_frame), xy_px, z),
    )
    cam = transform_points(reconstruction.cam_from_world[to_frame], world)
    moved, z_there = img_from_cam(reconstruction.K_of(to_frame), cam)
    good = valid & (z_there > 0)
    predicted[seen[good]] = moved[good]
    return predicted


def draw_arrows(
    image: U8,
    observed_xy_px: F32 | F64,
    predicted_xy_px: F32 | F64 | None,
    colours: list[RGB],
    *,
    min_length_px: float = 1.5,
) -> None:
    """Draws arrows [N] from predicted to observed into `image`; none without predictions.

    Shorter ones than `min_length_px` are noise to the eye and left out.
    """
    if predicted_xy_px is None:
        return
    length = np.linalg.norm(observed_xy_px - predicted_xy_px, axis=1)
    for n in np.flatnonzero(length >= min_length_px):  # NaN compares false
        tail, tip = fixed_point(predicted_xy_px[n]), fixed_point(observed_xy_px[n])
        head = float(np.clip(5.0 / length[n], 0.15, 0.6))
        for colour, width in (((0, 0, 0), 3), (colours[n], 1)):
            cv2.arrowedLine(
                image, tail, tip, colour, width, cv2.LINE_AA, shift=_SHIFT, tipLength=head
            )


def fixed_point(xy_px: F32 | F64) -> tuple[int, int]:
    """A position for OpenCV's drawing: pixel centres from 0, in 1/16 px."""
    x, y = np.rint((np.clip(xy_px, -4096, 4096) - 0.5) * (1 << _SHIFT)).astype(int)
    return int(x), int(y)


def _depth_at(depth: DepthMaps, frame: int, xy_px: F64) -> tuple[F64, Bool]:
    """Depth [N] of the nearest pixel, and whether it is known."""
    height, width = depth.depth.shape[1:]
    column = np.clip(np.floor(xy_px[:, 0]).astype(int), 0, width - 1)
    row = np.clip(np.floor(xy_px[:, 1]).astype(int), 0, height - 1)
    valid = depth.valid[frame, row, column]
    return np.where(valid, depth.depth[frame, row, column], 1.0).astype(np.float64), valid
