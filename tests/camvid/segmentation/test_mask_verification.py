"""Masks held against true cameras, on a rendered room with two movers among still furniture."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import (
    U8,
    U16,
    Bool,
    Clip,
    Frames,
    MaskedObject,
    ObjectMasks,
)
from camvid.models.trackers.lucas_kanade import LucasKanadeTracker
from camvid.objects import Origin
from camvid.rigidity.cameras import ClipCameras
from camvid.rigidity.estimate import estimate_rigidity
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render
from camvid.scenes.truth import SceneTruth
from camvid.segmentation import objects
from camvid.segmentation.verification import verify_masks
from camvid.tracking.tracks import owners
from tests.factories import make_clip

NUM_FRAMES = 24


def first_frames(truth: SceneTruth) -> SceneTruth:
    span = slice(NUM_FRAMES)
    return replace(
        truth,
        rgb=truth.rgb[span],
        depth=truth.depth[span],
        object_id=truth.object_id[span],
        K_per_frame=truth.K_per_frame[span],
        cam_from_world=truth.cam_from_world[span],
        world_from_part=truth.world_from_part[span],
    )


@pytest.fixture(scope="module")
def movers() -> SceneTruth:
    return first_frames(render(demo_scenes()[0]))


@pytest.fixture(scope="module")
def still() -> SceneTruth:
    return first_frames(render(demo_scenes()[1]))


def clip_of(truth: SceneTruth) -> Clip:
    _, height, width = truth.depth.shape
    return replace(
        make_clip("c" * 16),
        timestamps_s=np.arange(truth.num_frames) / truth.fps,
        source_frame_index=np.arange(truth.num_frames, dtype=np.int32),
        width_px=width,
        height_px=height,
        crop_px=(0, 0, width, height),
    )


def verified(
    truth: SceneTruth,
    masks: ObjectMasks,
    *,
    posed: bool = True,
    rgb: U8 | None = None,
) -> ObjectMasks:
    """With tracks as the stages put them, and true cameras; images `rgb` are asked, if given."""
    height, width = truth.depth.shape[1:]
    frames = Frames(rgb=truth.rgb)
    tracks = LucasKanadeTracker().track(frames, masks)
    path = truth.cam_from_world if posed else np.full_like(truth.cam_from_world, np.nan)
    rigidity = estimate_rigidity(
        tracks,
        owners(tracks, masks.object_id),
        ClipCameras(truth.K_per_frame, path),
        (width, height),
        truth.fps,
        rgb,
    )
    return verify_masks(clip_of(truth), frames, masks, tracks, rigidity)


def no_masks(truth: SceneTruth) -> ObjectMasks:
    return ObjectMasks(object_id=np.zeros(truth.depth.shape, np.uint16), objects=())


def best_iou(masks: ObjectMasks, truth: Bool) -> float:
    """Of the object that overlaps the true mover most."""

    def iou(object_id: int) -> float:
        found = masks.object_id == object_id
        return float((found & truth).sum() / (found | truth).sum())

    return max((iou(o.object_id) for o in masks.objects), default=0.0)


def test_movers_that_no_segmenter_saw_become_objects(movers: SceneTruth) -> None:
    found = verified(movers, no_masks(movers))
    assert best_iou(found, movers.object_id == 1) > 0.6
    assert best_iou(found, movers.object_id == 2) > 0.6
    strangers = (found.object_id > 0) & (movers.object_id == 0)
    assert strangers.mean() < 0.01


def test_nothing_is_added_where_nothing_moves(still: SceneTruth) -> None:
    """By its tracks alone a handful that slide along edges together would."""
    assert verified(still, no_masks(still), rgb=still.rgb).objects == ()


def test_masks_that_are_right_keep_id_and_outline(movers: SceneTruth) -> None:
    objects = tuple(MaskedObject(i, "it", 0.9, Origin.MOVING) for i in (1, 2))
    masks = ObjectMasks(object_id=movers.object_id, objects=objects)
    found = verified(movers, masks)
    assert found.objects == objects
    np.testing.assert_array_equal(found.object_id, masks.object_id)


def stuck_together(
    movers: SceneTruth, origin: Origin, width_px: int = 90
) -> tuple[ObjectMasks, U16]:
    """Mover 1 in one mask with a still part of the floor beside it, in every frame."""
    object_id = np.where(movers.object_id == 1, np.uint16(1), np.uint16(0))
    for ids, image in zip(object_id, movers.object_id, strict=True):
        rows, columns = np.nonzero(ids)
        beside = ids[rows.min() : rows.max() + 1, columns.max() : columns.max() + width_px]
        free = image[rows.min() : rows.max() + 1, columns.max() : columns.max() + width_px] == 0
        beside[free] = 1
    return ObjectMasks(
        object_id=object_id, objects=(MaskedObject(1, "it", 0.9, origin),)
    ), object_id


def test_a_nameless_thing_that_moves_in_part_is_taken_apart(movers: SceneTruth) -> None:
    masks, _ = stuck_together(movers, Origin.SALIENT)
    mover = movers.object_id == 1
    before, after = best_iou(masks, mover), best_iou(verified(movers, masks), mover)
    assert before < 0.6
    assert after > before + 0.2


def test_so_is_one_of_which_most_moves(movers: SceneTruth) -> None:
    masks, _ = stuck_together(movers, Origin.SALIENT_MOVING, width_px=36)
    mover = movers.object_id == 1
    before, after = best_iou(masks, mover), best_iou(verified(movers, masks), mover)
    assert before > 0.6
    assert after > before + 0.1


def test_a_thing_in_which_no_object_is_found_stays_as_it_is(
    movers: SceneTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_MIN_AREA_FRACTION", 1.0)
    masks, object_id = stuck_together(movers, Origin.SALIENT)
    found = verified(movers, masks)
    assert found.objects == masks.objects
    np.testing.assert_array_equal(found.object_id, object_id)


def test_a_mover_cut_in_time_is_one_again(movers: SceneTruth) -> None:
    late = (np.arange(NUM_FRAMES) >= NUM_FRAMES // 2)[:, None, None]
    object_id = np.where(movers.object_id == 1, np.where(late, 7, 3), 0).astype(np.uint16)
    objects = tuple(MaskedObject(i, "it", 0.9, Origin.MOVING) for i in (3, 7))
    found = verified(movers, ObjectMasks(object_id=object_id, objects=objects))
    np.testing.assert_array_equal(found.object_id[object_id > 0], 3)
    assert 7 not in {o.object_id for o in found.objects}


def test_a_person_whose_arm_moves_stays_one_person(movers: SceneTruth) -> None:
    masks, object_id = stuck_together(movers, Origin.CLASS)
    found = verified(movers, masks)
    np.testing.assert_array_equal(found.object_id[object_id > 0], 1)


def test_without_cameras_nothing_changes(movers: SceneTruth) -> None:
    masks = no_masks(movers)
    found = verified(movers, masks, posed=False)
    np.testing.assert_array_equal(found.object_id, masks.object_id)
