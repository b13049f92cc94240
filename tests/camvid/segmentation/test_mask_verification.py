"""Masks held against true cameras, on a rendered room with two movers among still furniture."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import (
    U16,
    Bool,
    Clip,
    Frames,
    MaskedObject,
    ObjectMasks,
    Reconstruction,
    ReconstructionQuality,
)
from camvid.geometry import cam_from_img, invert_rigid, transform_points
from camvid.objects import Origin
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render
from camvid.scenes.truth import SceneTruth
from camvid.segmentation.objects import ObjectOptions
from camvid.segmentation.verification import VerifyOptions, verify_masks
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


def true_cameras(truth: SceneTruth) -> Reconstruction:
    """The true cameras, with sparse points on a grid of static pixels of every frame."""
    height, width = truth.depth.shape[1:]
    x, y = np.meshgrid(np.arange(8, width, 24) + 0.5, np.arange(8, height, 24) + 0.5)
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    column, row = grid.astype(int).T
    points, places, frames = [], [], []
    for t in range(truth.num_frames):
        static = truth.object_id[t, row, column] == 0
        depth = truth.depth[t, row[static], column[static]].astype(np.float64)
        in_camera = cam_from_img(truth.K, grid[static], depth)
        points.append(transform_points(invert_rigid(truth.cam_from_world[t]), in_camera))
        places.append(grid[static])
        frames.append(np.full(int(static.sum()), t))
    world = np.concatenate(points).astype(np.float32)
    return Reconstruction(
        camera="moving",
        K=truth.K,
        cam_from_world=truth.cam_from_world,
        registered=np.ones(truth.num_frames, bool),
        points_world=world,
        point_rgb=np.zeros((len(world), 3), np.uint8),
        observation_frame=np.concatenate(frames).astype(np.int32),
        observation_point=np.arange(len(world), dtype=np.int32),
        observation_xy_px=np.concatenate(places).astype(np.float32),
        quality=ReconstructionQuality(),
    )


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


def verified(truth: SceneTruth, masks: ObjectMasks) -> ObjectMasks:
    frames = Frames(rgb=truth.rgb)
    return verify_masks(clip_of(truth), frames, masks, true_cameras(truth), VerifyOptions())


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
    assert verified(still, no_masks(still)).objects == ()


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
    for ids, picture in zip(object_id, movers.object_id, strict=True):
        rows, columns = np.nonzero(ids)
        beside = ids[rows.min() : rows.max() + 1, columns.max() : columns.max() + width_px]
        free = picture[rows.min() : rows.max() + 1, columns.max() : columns.max() + width_px] == 0
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


def test_a_thing_in_which_no_object_is_found_stays_as_it_is(movers: SceneTruth) -> None:
    masks, object_id = stuck_together(movers, Origin.SALIENT)
    picky = VerifyOptions(objects=ObjectOptions(min_area_fraction=1.0))
    frames = Frames(rgb=movers.rgb)
    found = verify_masks(clip_of(movers), frames, masks, true_cameras(movers), picky)
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


def test_without_a_path_nothing_changes(movers: SceneTruth) -> None:
    cameras = Reconstruction.without_trajectory(
        "unknown", movers.num_frames, quality=ReconstructionQuality(), reasons=()
    )
    masks = no_masks(movers)
    frames = Frames(rgb=movers.rgb)
    found = verify_masks(clip_of(movers), frames, masks, cameras, VerifyOptions())
    np.testing.assert_array_equal(found.object_id, masks.object_id)
