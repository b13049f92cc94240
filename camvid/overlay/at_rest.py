"""Objects that rest in the image though cameras say that no static point would: overlay, too.

Subtitles that come and go, or text before a scene that hardly passes, leave too little time for
their edges to stand out, and are masked as movers. Their tracks tell: they do not move at all.
"""

from dataclasses import replace

import numpy as np

from camvid.artifacts import F64, Bool, ObjectMasks, PointTracks, Rigidity
from camvid.objects import Origin
from camvid.overlay.masks import without_overlay
from camvid.tracking.tracks import owners

_MIN_SEEN_S = 0.35  # of a track: about half of the .75 s of subtitles that were taken for a mover
# RMS distance of a track from its middle. Of subtitles three quarters have .06 px or less; of all
# other objects whose tracks stray, in some 300 clips, some of them followed by the camera, no
# quarter has less than .48.
_MAX_WANDER_PX = 0.15
_MIN_PASSING_PX = 2.0  # the same of the background's tracks, in the median
_MIN_TRACKS = 8  # of an object: a trade-off, since a share of few is chance and small text has few
_MIN_SHARE = 0.7  # of an object's tracks


def objects_at_rest(
    masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity, fps: float
) -> tuple[int, ...]:
    """Ids of the objects most of whose tracks rest in the image, where the background passes.

    A static point far ahead of the camera may rest, too: only tracks count that none explains.
    """
    scene = without_overlay(masks)
    owner = owners(tracks, scene.object_id)
    long = tracks.visible.sum(axis=0) >= max(_MIN_SEEN_S * fps, 3)
    known = long & np.isfinite(rigidity.log_ratio)
    wander_px = _wander_px(tracks, known)
    background = wander_px[known & (owner == 0)]
    if not len(background) or np.median(background) < _MIN_PASSING_PX:
        return ()
    rests: Bool = (wander_px <= _MAX_WANDER_PX) & (rigidity.log_ratio > 0)
    own = {o.object_id: rests[known & (owner == o.object_id)] for o in scene.objects}
    return tuple(
        object_id
        for object_id, rest in own.items()
        if len(rest) >= _MIN_TRACKS and rest.mean() >= _MIN_SHARE
    )


def as_overlay(masks: ObjectMasks, object_ids: tuple[int, ...]) -> ObjectMasks:
    """The masks, in which these objects are overlay."""
    objects = tuple(
        replace(o, label="overlay", origin=Origin.OVERLAY) if o.object_id in object_ids else o
        for o in masks.objects
    )
    return replace(masks, objects=objects)


def _wander_px(tracks: PointTracks, known: Bool) -> F64:
    """RMS distance [N] of each track from its median place; infinite where it is not `known`."""
    found = np.full(len(known), np.inf)
    place = np.where(tracks.visible[:, known, None], tracks.xy_px[:, known], np.nan)
    apart = place - np.nanmedian(place, axis=0)
    found[known] = np.sqrt(np.nanmean((apart**2).sum(axis=-1), axis=0))
    return found
