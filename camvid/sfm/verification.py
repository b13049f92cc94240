"""Do tracks agree with the cameras over the whole clip? What does not is no static point."""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, I32, PointTracks, Reconstruction
from camvid.geometry import img_from_cam, transform_points
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import observations_of
from camvid.sfm.triangulation import triangulate

_MIN_NOISE_PX = 0.05  # tracks of rendered pictures agree better than real ones ever do
_MIN_CONTROL_TRACKS = 20
_RAYLEIGH_MEDIAN = 1.1774  # median length of a 2D error, over its deviation along one axis


class TrackCheck(NamedTuple):
    """Every track of N against the static point that explains it best, whatever its depth.

    A track that no static point explains has a large residual: it moves, or it was lost. A point
    that moves along its epipolar lines shows too, as its depth differs from one part of the clip
    to the next, unless it moves just as the camera does: such a one looks like a point very far
    away, so distrust what has hardly any triangulation angle.
    """

    num_frames: I32  # [N] posed frames that see the track
    residual_px: F64  # [N] deviation along one axis; infinite where no point in front explains it
    sigmas: F64  # [N] residual over the noise of the tracks
    agreeing_share: F64  # [N] of its sightings within 3 sigma; 0 where it was hardly seen
    angle_deg: F64  # [N] widest angle between its rays: how well depth is known
    xyz_world: F64  # [N, 3] NaN where a track was seen less than twice
    noise_px: float  # deviation along one axis, of the median track on the background


def check_tracks(tracks: PointTracks, reconstruction: Reconstruction) -> TrackCheck:
    """How well each track, used by the solver or not, agrees with the cameras.

    The noise is that of the tracks put on the background (object 0), most of which must be
    static; where they are too few, that of the sightings in the reconstruction.
    """
    cameras = Cameras(reconstruction.K, reconstruction.cam_from_world, reconstruction.zoom)
    num_tracks = tracks.visible.shape[1]
    seen = observations_of(tracks, np.ones(num_tracks, bool))
    seen = seen.where(reconstruction.registered[seen.frame])
    points = triangulate(cameras, seen, num_tracks)
    num_frames = np.bincount(seen.track, minlength=num_tracks)
    squares = np.bincount(seen.track, points.error_px**2, num_tracks)
    freedom = 2 * num_frames - 3  # two numbers per sighting, three went into the point
    residual_px = np.sqrt(squares / np.maximum(freedom, 1))
    residual_px[num_frames < 2] = np.inf
    control = (tracks.object_id == 0) & (num_frames >= 3)
    if control.sum() >= _MIN_CONTROL_TRACKS:
        noise_px = float(np.median(residual_px[control]))
    else:
        noise_px = _noise_of_sightings(reconstruction)
    noise_px = max(noise_px, _MIN_NOISE_PX)
    close = points.error_px <= 3 * noise_px
    num_close = np.bincount(seen.track[close], minlength=num_tracks)
    return TrackCheck(
        num_frames=num_frames.astype(np.int32),
        residual_px=residual_px,
        sigmas=residual_px / noise_px,
        agreeing_share=np.where(num_frames < 2, 0.0, num_close / np.maximum(num_frames, 1)),
        angle_deg=points.angle_deg,
        xyz_world=points.xyz_world,
        noise_px=noise_px,
    )


def _noise_of_sightings(reconstruction: Reconstruction) -> float:
    """Deviation in px, along one axis, of the sightings that made the reconstruction."""
    if not len(reconstruction.observation_frame):
        return _MIN_NOISE_PX
    pose = reconstruction.cam_from_world[reconstruction.observation_frame]
    point = reconstruction.points_world[reconstruction.observation_point]
    seen = transform_points(pose, point[:, None])[:, 0]
    xy_px, _ = img_from_cam(reconstruction.K, seen)
    center_px = reconstruction.K[:2, 2]
    zoom = reconstruction.zoom[reconstruction.observation_frame, None]
    xy_px = (xy_px - center_px) * zoom + center_px
    error_px = np.linalg.norm(xy_px - reconstruction.observation_xy_px, axis=1)
    return float(np.median(error_px)) / _RAYLEIGH_MEDIAN
