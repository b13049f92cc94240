"""Painted over, an overlay leaves nothing to see; what was measured on it is taken back."""

import numpy as np

from camvid.artifacts import DepthMaps, Frames, MaskedObject, MovableMasks, ObjectMasks, PointTracks
from camvid.codecs import from_bytes, to_bytes
from camvid.overlay.masks import overlay_of, with_overlay, without_overlay
from camvid.overlay.paint import painted_over, without_overlay_depth, without_overlay_tracks

SHAPE = (3, 40, 60)


def masks_with_overlay() -> ObjectMasks:
    object_id = np.zeros(SHAPE, np.uint16)
    object_id[:, 5:15, 5:15] = 1
    overlay = np.zeros(SHAPE[1:], bool)
    overlay[10:20, 10:30] = True
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "dog", 0.9),))
    return with_overlay(masks, overlay)


def test_paint_continues_what_lies_around() -> None:
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None] * 4, (*SHAPE, 3)).copy()
    drawn = ramp.copy()
    hidden = np.zeros(SHAPE[1:], bool)
    hidden[12:22, 20:32] = True
    drawn[:, hidden] = (255, 0, 255)
    painted = painted_over(Frames(rgb=drawn), hidden).rgb
    assert np.array_equal(painted[:, ~hidden], drawn[:, ~hidden])
    assert np.abs(painted.astype(int) - ramp)[:, hidden].max() < 30


def test_frames_without_an_overlay_are_the_same_object() -> None:
    frames = Frames(rgb=np.zeros((*SHAPE, 3), np.uint8))
    assert painted_over(frames, np.zeros(SHAPE[1:], bool)) is frames


def test_an_overlay_is_an_object_of_its_own_kind() -> None:
    masks = masks_with_overlay()
    assert [(o.object_id, o.origin) for o in masks.objects] == [(1, "class"), (2, "overlay")]
    assert overlay_of(masks).sum() == 3 * 200
    assert (masks.object_id[:, 10:15, 10:15] == 2).all()
    scene = without_overlay(masks)
    assert [o.label for o in scene.objects] == ["dog"]
    assert set(np.unique(scene.object_id)) == {0, 1}


def test_an_object_that_an_overlay_hides_is_gone() -> None:
    object_id = np.zeros(SHAPE, np.uint16)
    object_id[:, 10:12, 10:12] = 1
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "dog", 0.9),))
    overlay = np.zeros(SHAPE[1:], bool)
    overlay[5:20, 5:20] = True
    assert [o.origin for o in with_overlay(masks, overlay).objects] == ["overlay"]


def test_the_kind_of_an_object_is_stored() -> None:
    masks = masks_with_overlay()
    movable = MovableMasks(object_id=masks.object_id, objects=masks.objects)
    assert from_bytes(MovableMasks, to_bytes(movable)).objects == masks.objects


def test_tracks_are_not_seen_on_an_overlay() -> None:
    xy_px = np.array([[[12.5, 12.5], [50.5, 30.5], [35.5, 12.5]]] * 3, np.float32)
    xy_px[2, 2] = (25.5, 12.5)  # passes behind it
    tracks = PointTracks(
        xy_px=xy_px,
        visible=np.ones((3, 3), bool),
        object_id=np.zeros(3, np.uint16),
        query_frame=np.zeros(3, np.int32),
    )
    left = without_overlay_tracks(tracks, masks_with_overlay())
    assert np.array_equal(left.visible, [[True, True], [True, True], [True, False]])


def test_depth_has_no_value_on_an_overlay() -> None:
    depth = DepthMaps(
        depth=np.full(SHAPE, 2.0, np.float32),
        valid=np.ones(SHAPE, bool),
        confidence=np.full(SHAPE, 200, np.uint8),
        scale=np.ones(3),
        shift=np.zeros(3),
        residual=np.zeros(3),
        source="geometric",
    )
    masks = masks_with_overlay()
    left = without_overlay_depth(depth, masks)
    assert not left.valid[overlay_of(masks)].any()
    assert not left.depth[overlay_of(masks)].any()
    assert left.valid[~overlay_of(masks)].all()
