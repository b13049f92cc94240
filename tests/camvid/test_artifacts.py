"""Artifacts refuse what they cannot mean."""

import numpy as np
import pytest

from camvid.artifacts import (
    Clip,
    MaskedObject,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.outcome import Reason


def test_arrays_are_read_only_but_the_callers_is_not() -> None:
    mine = np.zeros((2, 3, 4), np.uint16)
    masks = ObjectMasks(object_id=mine, objects=())
    with pytest.raises(ValueError, match="read-only"):
        masks.object_id[0, 0, 0] = 1
    mine[0, 0, 0] = 1


def test_shapes_must_agree_across_fields() -> None:
    with pytest.raises(ValueError, match=r"PointTracks.visible must have shape \(5, 3\), got"):
        PointTracks(
            xy_px=np.zeros((5, 3, 2), np.float32),
            visible=np.zeros((5, 4), bool),
            object_id=np.zeros(3, np.uint16),
            query_frame=np.zeros(3, np.int32),
        )


def test_dtype_and_finiteness() -> None:
    with pytest.raises(ValueError, match="must be a uint16 array, got int64"):
        ObjectMasks(object_id=np.zeros((1, 2, 2), np.int64), objects=())
    with pytest.raises(ValueError, match="xy_px must be finite"):
        PointTracks(
            xy_px=np.full((1, 1, 2), np.nan, np.float32),
            visible=np.ones((1, 1), bool),
            object_id=np.zeros(1, np.uint16),
            query_frame=np.zeros(1, np.int32),
        )


def test_object_ids_are_distinct_and_positive() -> None:
    twice = (MaskedObject(1, "a", 1.0), MaskedObject(1, "b", 1.0))
    with pytest.raises(ValueError, match="distinct ids above 0"):
        ObjectMasks(object_id=np.zeros((1, 2, 2), np.uint16), objects=twice)


def test_degenerate_camera_has_no_trajectory(reconstruction: Reconstruction) -> None:
    fixed = Reconstruction.without_trajectory(
        "fixed", 4, quality=ReconstructionQuality(), reasons=(Reason("camera_fixed"),)
    )
    assert not fixed.has_trajectory
    with pytest.raises(ValueError, match="a rotating camera must have no trajectory"):
        Reconstruction(
            **{
                name: getattr(reconstruction, name)
                for name in Reconstruction.__slots__
                if name != "camera"
            },
            camera="rotating",
        )


def test_timestamps_increase(clip: Clip) -> None:
    with pytest.raises(ValueError, match="must increase strictly"):
        Clip(
            **{n: getattr(clip, n) for n in Clip.__slots__ if n != "timestamps_s"},
            timestamps_s=np.zeros(clip.num_frames),
        )


def test_reasons_are_read_back_from_their_text() -> None:
    for reason in (Reason("camera_fixed"), Reason("min_a", 0.25, 3.0), Reason("seen", 2.0)):
        assert str(Reason.parse(str(reason))) == str(reason)
