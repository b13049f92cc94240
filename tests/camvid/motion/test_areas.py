"""How much of its object each track speaks for."""

import numpy as np
import pytest

from camvid.artifacts import MaskedObject, ObjectMasks, PointTracks
from camvid.motion.areas import area_shares
from camvid.motion.objects import trimmed_mean

PAIRS = np.array([[0, 1]], np.int32)


def crowded() -> tuple[ObjectMasks, PointTracks]:
    """An object 40 px wide: 18 tracks crowd on its left half, 2 lie on its right, 1 lies off it."""
    object_id = np.zeros((2, 30, 60), np.uint16)
    object_id[:, 5:25, 10:50] = 3
    rng = np.random.default_rng(0)
    left = np.column_stack([rng.uniform(11, 29, 18), rng.uniform(6, 24, 18)])
    xy_px = np.vstack([left, [[40, 10], [40, 20], [55, 2]]]).astype(np.float32)
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(3, "object", 1.0),))
    tracks = PointTracks(
        xy_px=np.stack([xy_px, xy_px]),
        visible=np.ones((2, 21), bool),
        object_id=np.array([3] * 20 + [0], np.uint16),
        query_frame=np.zeros(21, np.int32),
    )
    return masks, tracks


def test_few_tracks_speak_for_as_much_of_an_object_as_many() -> None:
    masks, tracks = crowded()
    shares = area_shares(masks, tracks, PAIRS, np.ones(21, bool))
    assert shares.shape == (1, 21)
    assert shares[0, :20].sum() == pytest.approx(1)
    assert shares[0, 18:20].sum() == pytest.approx(0.5, abs=0.15)
    assert shares[0, 20] == 0


def test_a_track_that_tells_nothing_leaves_its_part_to_others() -> None:
    masks, tracks = crowded()
    tells = np.arange(21) != 19
    shares = area_shares(masks, tracks, PAIRS, tells)
    assert shares[0, 19] == 0
    assert shares[0, :20].sum() == pytest.approx(1)


def test_the_mean_over_an_object_is_over_its_area() -> None:
    masks, tracks = crowded()
    weight = area_shares(masks, tracks, PAIRS, np.ones(21, bool))[0]
    values = np.where(np.arange(21) >= 18, 3.0, 1.0)
    values[20] = np.nan
    assert trimmed_mean(values, 0.1) == pytest.approx(1.0, abs=0.1)
    assert trimmed_mean(values, 0.1, weight) == pytest.approx(2.0, abs=0.35)


def test_with_equal_weights_the_trimmed_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(size=40)
    assert trimmed_mean(values, 0.1, np.ones(40)) == pytest.approx(trimmed_mean(values, 0.1))
    assert np.isnan(trimmed_mean(values, 0.1, np.zeros(40)))
