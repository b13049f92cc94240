"""Artifacts come back from their bytes as they went in."""

import io
import json
import zipfile
from dataclasses import fields, replace
from typing import Any

import cv2
import numpy as np
import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.codecs import DEPTH_STEP, decode_depth, from_bytes, stored_depth, to_bytes


def assert_same(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    for field in fields(first):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        else:
            assert repr(a) == repr(b), field.name


@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("clip", Clip),
        ("masks", ObjectMasks),
        ("reconstruction", Reconstruction),
        ("tracks", PointTracks),
        ("motion", MotionReport),
        ("verdict", Verdict),
    ],
)
def test_round_trip_is_exact(fixture: str, kind: type, request: pytest.FixtureRequest) -> None:
    artifact = request.getfixturevalue(fixture)
    data = to_bytes(artifact)
    assert_same(artifact, from_bytes(kind, data))
    assert to_bytes(from_bytes(kind, data)) == data


@pytest.mark.parametrize("num_objects", [0, 2])
def test_arrays_without_elements_keep_their_shape(motion: MotionReport, num_objects: int) -> None:
    """Below two frames in a window there is no pair to measure motion over."""
    empty = replace(
        motion,
        per_object=motion.per_object * num_objects,
        pair_frames=np.zeros((0, 2), np.int32),
        pair_strength=np.zeros((0, 1 + num_objects)),
    )
    back = from_bytes(MotionReport, to_bytes(empty))
    assert_same(empty, back)
    assert back.pair_frames.shape == (0, 2)


def test_depth_keeps_its_precision_and_its_holes(depth: DepthMaps) -> None:
    back = from_bytes(DepthMaps, to_bytes(depth))
    np.testing.assert_array_equal(back.valid, depth.valid)
    np.testing.assert_array_equal(back.confidence, depth.confidence)
    seen = depth.valid
    relative = np.abs(back.depth[seen] / depth.depth[seen] - 1)
    assert relative.max() < 0.51 * DEPTH_STEP  # half a code, whatever the depth
    assert (back.depth[~seen] == 0).all()
    assert to_bytes(back) == to_bytes(from_bytes(DepthMaps, to_bytes(back)))


def of_schema_1_5(maps: DepthMaps) -> bytes:
    """Encoded as versions before 2.0 did: inverse depth in 16 bits."""
    top = np.array([float(1 / z[ok].min()) for z, ok in zip(maps.depth, maps.valid, strict=True)])
    inverse = np.divide(1, maps.depth, out=np.zeros(maps.depth.shape), where=maps.valid)
    codes = np.rint(inverse / top[:, None, None] * 65535).astype(np.uint16)
    pngs = [cv2.imencode(".png", image)[1].tobytes() for image in (*codes, *maps.confidence)]
    arrays = {
        "blobs": np.frombuffer(b"".join(pngs), np.uint8),
        "blob_sizes": np.array([len(png) for png in pngs]),
        "top": top,
        **{name: getattr(maps, name) for name in ("scale", "shift", "residual")},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("fields.json", json.dumps({"source": maps.source}))
    return buffer.getvalue()


def test_depth_of_an_older_version_is_read_and_goes_into_shards(depth: DepthMaps) -> None:
    old = of_schema_1_5(depth)
    back = from_bytes(DepthMaps, old)
    np.testing.assert_array_equal(back.valid, depth.valid)
    np.testing.assert_array_equal(back.confidence, depth.confidence)
    np.testing.assert_allclose(back.depth, depth.depth, rtol=40 / 65535)
    stored = stored_depth(old)
    assert stored is not None
    np.testing.assert_allclose(decode_depth(*stored)[0], back.depth, rtol=0.51 * DEPTH_STEP)


def test_no_depth_costs_nothing() -> None:
    data = to_bytes(DepthMaps.none(240, 360, 640))
    assert len(data) < 20_000
    back = from_bytes(DepthMaps, data)
    assert back.depth.shape == (240, 360, 640)
    assert back.source == "none"
    assert not back.valid.any()


def test_many_objects_need_16_bits() -> None:
    object_id = np.arange(12, dtype=np.uint16).reshape(1, 3, 4) * 100
    masks = ObjectMasks(object_id=object_id, objects=())
    np.testing.assert_array_equal(from_bytes(ObjectMasks, to_bytes(masks)).object_id, object_id)
