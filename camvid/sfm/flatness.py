"""Is all that is seen one flat image that slides, as a scrolled page or a photograph panned over?

Such a sheet, always square to the view, only shifts, turns and grows: a similarity maps any frame
to any other. Cameras that travel along it explain that with any focal length. A wall that a camera
walks past, seen at a slant or over a wide angle, obeys homographies but no similarity: there the
focal length shows, so that one plane in the scene is no reason against its cameras.
"""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from camvid.artifacts import F64, PointTracks
from camvid.sfm.camera_motion import Pair, noise_px, widest_pairs
from camvid.sfm.observations import Observations

_SIGMAS = 5.0  # of the noise of a track: what is off by more, a similarity does not explain


def off_flat_image(tracks: PointTracks, size_px: tuple[int, int]) -> float:
    """Share of static tracks that no flat image explains, in the median of the widest pairs.

    1 where no two frames share enough tracks to tell.
    """
    shares = [_share_off_similarity(pair) for pair in widest_pairs(tracks, size_px)]
    return float(np.median(shares)) if shares else 1.0


def seen_static(tracks: PointTracks, observations: Observations) -> PointTracks:
    """The tracks as far as cameras explain them: visible in those observations alone."""
    visible = np.zeros_like(tracks.visible)
    visible[observations.frame, observations.track] = True
    return replace(tracks, visible=visible)


def _share_off_similarity(pair: Pair) -> float:
    limit_px = _SIGMAS * noise_px(pair)
    first, second = (np.ascontiguousarray(places) for places in (pair.first, pair.second))
    found: Any  # None where there is no model, whatever the stubs say
    found, _ = cv2.estimateAffinePartial2D(
        first, second, method=cv2.RANSAC, ransacReprojThreshold=limit_px
    )
    if found is None:
        return 1.0
    similarity = np.asarray(found, np.float64)
    off: F64 = first @ similarity[:, :2].T + similarity[:, 2] - second
    return float(np.mean(np.linalg.norm(off, axis=1) > limit_px))
