"""Tracks against masks."""

from dataclasses import replace

import numpy as np

from camvid.artifacts import MaskedObject, ObjectMasks, PointTracks
from camvid.tracking.lucas_kanade import NEVER_SEED
from camvid.tracking.tracks import owners, with_owners, within_regions

PATH_PX = [[1.5, 1.5], [2.5, 1.5], [3.5, 1.5], [9.5, 1.5]]  # leaves the object at the end


def make() -> tuple[PointTracks, np.ndarray]:
    xy_px = np.zeros((4, 2, 2), np.float32)
    xy_px[:, 0] = PATH_PX
    object_id = np.zeros((4, 4, 12), np.uint16)
    object_id[:, :, :5] = 7
    tracks = PointTracks(
        xy_px=xy_px,
        visible=np.array([[True, False]] * 4),
        object_id=np.zeros(2, np.uint16),
        query_frame=np.zeros(2, np.int32),
    )
    return tracks, object_id


def test_tracks_belong_to_the_object_they_mostly_lie_on():
    tracks, object_id = make()
    assert owners(tracks, object_id).tolist() == [7, 0]
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(7, "dog", 1.0),))
    assert with_owners(tracks, masks).object_id.tolist() == [7, 0]


def test_observations_off_the_tracks_own_region_are_left_out():
    tracks, object_id = make()
    own = within_regions(tracks, owners(tracks, object_id), object_id)
    assert own.object_id.tolist() == [7], "the track that is never seen is gone"
    assert own.visible[:, 0].tolist() == [True, True, True, False]
    around = np.where(object_id == 7, object_id, np.uint16(NEVER_SEED))
    around[:, :, :3] = NEVER_SEED
    both = replace(tracks, visible=np.ones((4, 2), bool))
    few = within_regions(both, np.array([7, 7], np.uint16), around)
    assert few.visible.shape == (4, 0), "one observation says nothing"
