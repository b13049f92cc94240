"""Artifacts refuse what they cannot mean."""

import json

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
from camvid.errors import ConfigError
from camvid.objects import Origin
from camvid.outcome import Reason
from camvid.plain import from_plain, to_plain
from camvid.reasons import Why


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
    assert not fixed.has_cameras
    with pytest.raises(ValueError, match="a rotating camera must have no trajectory"):
        Reconstruction(
            **{
                name: getattr(reconstruction, name)
                for name in Reconstruction.__slots__
                if name != "camera"
            },
            camera="rotating",
        )


def _rotation_only(camera: str, zoom: float = 1.0) -> Reconstruction:
    rotation = np.tile(np.eye(3), (4, 1, 1))
    rotation[3] = np.nan
    return Reconstruction.rotation_only(
        camera,  # pyright: ignore[reportArgumentType]
        rotation,
        K=np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]),
        zoom=np.array([1.0, 1.0, zoom, 1.0]),
        quality=ReconstructionQuality(),
        reasons=(),
    )


def test_a_camera_that_turns_has_cameras_and_no_trajectory() -> None:
    found = _rotation_only("zooming", 1.5)
    assert found.has_cameras
    assert not found.has_trajectory
    assert found.registered.tolist() == [True, True, True, False]
    assert (found.cam_from_world[:3, :, 3] == 0).all()
    np.testing.assert_array_equal(found.K_of(2), [[150, 0, 32], [0, 150, 24], [0, 0, 1]])


def test_only_a_zooming_camera_zooms() -> None:
    with pytest.raises(ValueError, match="zoom must be above 0, and 1 unless zooming"):
        _rotation_only("rotating", 1.5)
    with pytest.raises(ValueError, match="zoom must be above 0"):
        _rotation_only("zooming", -1.0)
    with pytest.raises(ValueError, match="an unknown camera must have no registered frame"):
        _rotation_only("unknown")


def test_timestamps_increase(clip: Clip) -> None:
    with pytest.raises(ValueError, match="must increase strictly"):
        Clip(
            **{n: getattr(clip, n) for n in Clip.__slots__ if n != "timestamps_s"},
            timestamps_s=np.zeros(clip.num_frames),
        )


OLDER_REASONS = [
    ("", Reason()),
    ("camera_fixed", Reason("camera_fixed")),
    ("min_a (measured 0.25, limit 3)", Reason("min_a", 0.25, 3.0)),
    ("min_a (measured -1e-05, limit 0.5)", Reason("min_a", -1e-05, 0.5)),
    ("max_a (measured inf, limit 3)", Reason("max_a", float("inf"), 3.0)),
    ("seen (measured 2)", Reason("seen", 2.0)),
    ("odd (not a number, limit x)", Reason("odd (not a number, limit x)")),
]


@pytest.mark.parametrize(("text", "reason"), OLDER_REASONS)
def test_reasons_that_were_stored_as_text_are_read(text: str, reason: Reason) -> None:
    assert str(from_plain(Reason, text)) == str(reason)
    assert bool(from_plain(Reason, text)) == bool(text)


@pytest.mark.parametrize("reason", [Reason(Why.MIN_FPS, 0.123456789, 2.0), Reason(Why.MIN_FPS)])
def test_reasons_keep_every_digit(reason: Reason) -> None:
    again = from_plain(Reason, json.loads(json.dumps(to_plain(reason))))
    assert str(again) == str(reason)
    assert repr(again.measured) == repr(reason.measured)


@pytest.mark.parametrize(
    ("stored", "origin"),
    [
        ({"label": "salient", "kind": "movable"}, Origin.SALIENT),
        ({"label": "object", "kind": "movable"}, Origin.SALIENT_MOVING),
        ({"label": "moving", "kind": "movable"}, Origin.MOVING),
        ({"label": "dog", "kind": "movable"}, Origin.CLASS),
        ({"label": "moving"}, Origin.MOVING),
        ({"label": "overlay", "kind": "overlay"}, Origin.OVERLAY),
        ({"label": "salient", "origin": "class"}, Origin.CLASS),
    ],
)
def test_origins_that_were_given_by_the_label_are_read(
    stored: dict[str, str], origin: Origin
) -> None:
    found = from_plain(MaskedObject, {"object_id": 1, "score": 0.5, **stored})
    assert found == MaskedObject(1, stored["label"], 0.5, origin)
    assert from_plain(MaskedObject, to_plain(found)) == found


def test_an_origin_that_is_none_is_refused() -> None:
    wrong = {"object_id": 1, "label": "it", "score": 0.5, "origin": "seen"}
    with pytest.raises(ConfigError, match="`origin` must be one of 'class', 'salient'"):
        from_plain(MaskedObject, wrong)
