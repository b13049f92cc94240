"""Pinhole projection and rigid transforms in numpy; OpenCV axes, top-left pixel centre at 0.5."""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Floats = NDArray[np.floating]


def invert_rigid(transform: Floats) -> F64:
    """Inverse of [..., 3, 4] rigid transforms: `world_from_cam` of `cam_from_world`."""
    rotation, translation = transform[..., :3], transform[..., 3:]
    inverse_rotation = np.swapaxes(rotation, -1, -2)
    inverse = np.concatenate([inverse_rotation, -inverse_rotation @ translation], axis=-1)
    return np.asarray(inverse, np.float64)


def transform_points(transform: Floats, points: Floats) -> F64:
    """Applies [..., 3, 4] to points [..., N, 3]."""
    moved = points @ np.swapaxes(transform[..., :3], -1, -2)
    return np.asarray(moved + np.swapaxes(transform[..., 3:], -1, -2), np.float64)


def img_from_cam(K: Floats, points_cam: Floats) -> tuple[F64, F64]:
    """Projects points [..., 3] in the camera frame to (xy_px [..., 2], depth [...]).

    Points at or behind the camera have depth <= 0; their xy_px means nothing.
    """
    depth = np.asarray(points_cam[..., 2], np.float64)
    safe = np.where(np.abs(depth) < 1e-12, 1e-12, depth)
    x = K[0, 0] * points_cam[..., 0] / safe + K[0, 2]
    y = K[1, 1] * points_cam[..., 1] / safe + K[1, 2]
    return np.stack([x, y], axis=-1), depth


def cam_from_img(K: Floats, xy_px: Floats, depth: Floats) -> F64:
    """Back-projects pixels [..., 2] at depth [...] into the camera frame: Z K^-1 (x, y, 1)."""
    x = (xy_px[..., 0] - K[0, 2]) / K[0, 0] * depth
    y = (xy_px[..., 1] - K[1, 2]) / K[1, 1] * depth
    return np.stack([x, y, np.broadcast_to(depth, x.shape)], axis=-1).astype(np.float64)


def zoomed_K(K: Floats, zoom: Floats) -> F64:
    """K [T, 3, 3] of one camera [3, 3] under the zooms [T]: focal length over that of K."""
    factor = np.ones((len(zoom), 3, 3))
    factor[:, :2, :2] = np.asarray(zoom, np.float64)[:, None, None]
    return np.asarray(K * factor, np.float64)


def centred_K(focal_px: float, size_px: tuple[int, int]) -> F64:
    """K [3, 3] of square pixels, the principal point in the middle of the image (width, height)."""
    width_px, height_px = size_px
    return np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]])


def rescale_K(K: Floats, scale_x: float, scale_y: float) -> F64:
    """K [..., 3, 3] of the same camera after its images were resized by (scale_x, scale_y)."""
    return np.asarray(np.diag([scale_x, scale_y, 1.0]) @ K, np.float64)


def crop_K(K: Floats, x_px: float, y_px: float) -> F64:
    """K [..., 3, 3] of the same camera after (x_px, y_px) was cut off the left and the top."""
    cropped = np.array(K, np.float64)
    cropped[..., 0, 2] -= x_px
    cropped[..., 1, 2] -= y_px
    return cropped


def camera_centers(cam_from_world: Floats) -> F64:
    """Camera positions in the world, [..., 3]."""
    return invert_rigid(cam_from_world)[..., 3]


def cross_matrices(vectors: Floats) -> F64:
    """Matrices [n, 3, 3] that multiply as vectors [n, 3] x."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return np.stack(rows, axis=1, dtype=np.float64).reshape(-1, 3, 3)


def rotation_angle_deg(rotation: Floats) -> F64:
    """Angle of [..., 3, 3] rotations in degrees."""
    trace = np.trace(rotation, axis1=-2, axis2=-1)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def align_sim3(source: F64, target: F64) -> tuple[float, F64, F64]:
    """Scale s, rotation R [3, 3], translation t [3] minimising |target - (s R source + t)|^2.

    Closed form of Umeyama (1991) over points [N, 3].
    """
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred_source, centred_target = source - mean_source, target - mean_target
    rotation, singular = nearest_rotation(centred_target.T @ centred_source)
    spread = float((centred_source**2).sum())
    scale = float(singular.sum()) / spread if spread > 0 else 1.0
    return scale, rotation, mean_target - scale * rotation @ mean_source


def nearest_rotation(matrix: F64) -> tuple[F64, F64]:
    """The rotation [3, 3] nearest to a matrix, and its singular values [3] signed to match."""
    u, singular, vt = np.linalg.svd(matrix)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return u @ np.diag(signs) @ vt, singular * signs
