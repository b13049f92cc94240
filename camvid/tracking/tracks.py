"""Point tracks against masks: the object that a track lies on, and where it is clear of others."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import U16, Bool, ObjectMasks, PointTracks

T = TypeVar("T", bound=np.generic)
MIN_OBSERVATIONS = 3  # of a track: two agree with nearly any cameras


def owners(tracks: PointTracks, object_id: U16) -> U16:
    """The object [N] that a track is mostly seen on, by masks [T, H, W]; 0 for none."""
    frame, track = np.nonzero(tracks.visible)
    label = label_at(tracks, object_id)[frame, track].astype(np.int64)
    num = int(object_id.max(initial=0)) + 1
    counts = np.bincount(track * num + label, minlength=tracks.visible.shape[1] * num)
    return counts.reshape(-1, num).argmax(axis=1).astype(np.uint16)


def with_owners(tracks: PointTracks, masks: ObjectMasks) -> PointTracks:
    """The tracks with the objects of these masks as `object_id`, whichever they were put on."""
    return replace(tracks, object_id=owners(tracks, masks.object_id))


def within_regions(tracks: PointTracks, owner: U16, region: U16) -> PointTracks:
    """The observations that lie in the region of their track's owner [N], as `object_id` from here.

    `region` [T, H, W] labels pixels by object, 0 for none. Tracks that are hardly ever seen there
    are left out.
    """
    visible = tracks.visible & (label_at(tracks, region) == owner)
    own = replace(tracks, visible=visible, object_id=owner)
    return tracks_of(own, visible.sum(axis=0) >= MIN_OBSERVATIONS)


def tracks_of(tracks: PointTracks, keep: Bool | NDArray[np.integer]) -> PointTracks:
    """Some of the N tracks, by a mask [N] or their numbers."""
    return PointTracks(
        xy_px=tracks.xy_px[:, keep],
        visible=tracks.visible[:, keep],
        object_id=tracks.object_id[keep],
        query_frame=tracks.query_frame[keep],
    )


def join_tracks(first: PointTracks, second: PointTracks) -> PointTracks:
    """All tracks of both, over the same frames."""
    return PointTracks(
        xy_px=np.concatenate([first.xy_px, second.xy_px], axis=1),
        visible=np.concatenate([first.visible, second.visible], axis=1),
        object_id=np.concatenate([first.object_id, second.object_id]),
        query_frame=np.concatenate([first.query_frame, second.query_frame]),
    )


def label_at(tracks: PointTracks, labels: NDArray[T]) -> NDArray[T]:
    """[T, N] of the pixels [T, H, W] that the tracks are on."""
    last = np.array(labels.shape[:0:-1]) - 1
    column, row = np.moveaxis(np.floor(tracks.xy_px).astype(np.int32).clip(0, last), -1, 0)
    return labels[np.arange(len(labels))[:, None], row, column]
