"""Boards in a constructed world: what is called true of semi-real scenes follows by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from semi_real import SETS, control_lines, scene_table, seeds_of
from semi_real_cutouts import ACTORS, Cutout, frames_shown, soften
from semi_real_kitchen import plane_of, seen_by
from semi_real_render import Board, compose, nearest_where_unknown
from semi_real_routes import on_ground
from semi_real_scenes import TURNS, matched, semi_real_scene
from semi_real_worlds import World, frame_of, ground_under

from camvid.artifacts import F64
from camvid.evaluation.objects import ObjectScores
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.trajectory import TrajectoryError
from camvid.evaluation.truth import find_truths, read_truth
from camvid.geometry import camera_centers
from camvid.scenes.fairness import Observable
from camvid.scenes.files import load_truth, write_scene
from camvid.scenes.truth import SceneTruth, true_motion_strength

SHARED = Path(__file__).parents[3] / "shared"
FOCAL_PX, WIDTH, HEIGHT, FPS, NUM_FRAMES = 100.0, 160, 120, 12.0, 6
WALL_M, BOARD_M, CAMERA_HEIGHT_M = 10.0, 4.0, 1.0
STEP_M = 0.1  # of the camera, to the right, per frame
GREY, RED = 200, (180.0, 20.0, 30.0)


@pytest.fixture
def world() -> World:
    """A wall 10 m off, a ground 1 m below, a camera that slides to the right."""
    cam_from_world = np.tile(np.eye(3, 4), (NUM_FRAMES, 1, 1))
    cam_from_world[:, 0, 3] = -STEP_M * np.arange(NUM_FRAMES)
    up, forward = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    return World(
        name="wall",
        rgb=np.full((NUM_FRAMES, HEIGHT, WIDTH, 3), GREY, np.uint8),
        depth=np.full((NUM_FRAMES, HEIGHT, WIDTH), WALL_M, np.float32),
        K=np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]]),
        cam_from_world=cam_from_world,
        world_from_ground=frame_of(np.array([0, CAMERA_HEIGHT_M, 0]), forward, up),
        fps=FPS,
        hides=True,
    )


def rectangle() -> Cutout:
    """40 cm wide, 80 cm tall, red, standing on the middle of its lower edge."""
    rgba = np.zeros((NUM_FRAMES, 90, 50, 4), np.float32)
    rgba[:, 5:85, 5:45] = (*RED, 1)
    return Cutout(name="rectangle", rgba=rgba, foot_px=(25.0, 85.0), m_per_px=0.01)


def board(world: World, speed: float = 0.0, turn: float = 0.0, x_m: float = 0.0) -> Board:
    """4 m ahead of where the camera starts, facing it, going to the right."""
    times_s = np.arange(NUM_FRAMES) / FPS
    pose = on_ground(np.array([x_m, BOARD_M]), np.array([speed, 0]), turn, times_s, -np.pi / 2)
    return Board(
        name="mover_0" if speed else "still_0",
        cutout=rectangle(),
        world_from_board=world.world_from_ground @ pose,
    )


def scene(world: World, *boards: Board) -> SceneTruth:
    return compose(world, boards, "constructed", ("made",), seed=0)


def test_a_board_lands_where_a_pinhole_puts_it(world: World) -> None:
    truth = scene(world, board(world))
    for t in range(NUM_FRAMES):
        rows, columns = np.nonzero(truth.object_id[t])
        middle = WIDTH / 2 - FOCAL_PX * STEP_M * t / BOARD_M
        half = FOCAL_PX * 0.2 / BOARD_M
        assert columns.min() == pytest.approx(middle - half, abs=0.51)
        assert columns.max() + 1 == pytest.approx(middle + half, abs=0.51)
        assert rows.max() + 1 == HEIGHT / 2 + FOCAL_PX * CAMERA_HEIGHT_M / BOARD_M
        assert rows.min() == HEIGHT / 2 + FOCAL_PX * (CAMERA_HEIGHT_M - 0.8) / BOARD_M
        np.testing.assert_allclose(truth.depth[t][truth.object_id[t] == 1], BOARD_M, rtol=1e-5)
        assert truth.rgb[t, 75, int(middle)].tolist() == list(RED)


def test_what_is_nearer_hides_a_board_and_what_is_farther_does_not(world: World) -> None:
    near = world.depth.copy()
    near[:, :, : WIDTH // 2] = 2.0
    truth = scene(replace(world, depth=near), board(world))
    assert not truth.object_id[0, :, : WIDTH // 2].any()
    assert truth.object_id[0, 70, WIDTH // 2 : WIDTH // 2 + 5].all()
    assert (truth.rgb[0, 70, : WIDTH // 2 - 3] == GREY).all()
    np.testing.assert_array_equal(truth.depth[0, :, : WIDTH // 2], 2.0)


def test_the_nearer_of_two_boards_is_seen(world: World) -> None:
    behind = board(world, x_m=0.05)
    shift = np.eye(4)
    shift[1, 3] = 1.0
    ground = world.world_from_ground
    farther = replace(
        behind, world_from_board=ground @ shift @ np.linalg.inv(ground) @ behind.world_from_board
    )
    truth = scene(world, board(world), farther)
    assert truth.object_id[0, 75, WIDTH // 2] == 1
    assert truth.depth[0, 75, WIDTH // 2] == pytest.approx(BOARD_M, rel=1e-5)


def test_a_board_that_stands_has_strength_0_though_the_camera_moves(world: World) -> None:
    truth = scene(world, board(world))
    assert true_motion_strength(truth, 1 / 12) == {1: 0.0}
    assert (truth.kind, truth.camera, truth.moving_ids) == ("3d", "moving", ())


def test_the_strength_of_a_moving_board_is_that_computed_by_hand(world: World) -> None:
    speed = 0.6
    truth = scene(world, board(world, speed=speed))
    by_hand = FOCAL_PX * (speed / FPS) / BOARD_M / WIDTH
    assert true_motion_strength(truth, 1 / 12)[1] == pytest.approx(by_hand, rel=1e-6)
    assert (truth.kind, truth.moving_ids) == ("4d", (1,))


def test_an_arc_keeps_its_distance_from_its_centre_and_turns_with_it() -> None:
    times_s = np.linspace(-1, 1, 9)
    speed, turn = 0.5, 0.4
    pose = on_ground(np.array([1.0, 2.0]), np.array([speed, 0]), turn, times_s, 0.3)
    centre = np.array([1.0, 2.0 + speed / turn])
    np.testing.assert_allclose(
        np.linalg.norm(pose[:, :2, 3] - centre, axis=1), speed / turn, rtol=1e-9
    )
    facing = np.arctan2(pose[:, 1, 2], pose[:, 0, 2])
    np.testing.assert_allclose(facing, 0.3 + turn * times_s, atol=1e-9)
    rotation = pose[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (9, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


def test_a_shadow_lies_at_the_foot_and_only_on_the_ground(world: World) -> None:
    rows = np.arange(HEIGHT) + 0.5
    ground = np.where(rows > HEIGHT / 2, FOCAL_PX / np.maximum(rows - HEIGHT / 2, 0.1), WALL_M)
    depth = np.minimum(ground, WALL_M).astype(np.float32)
    on_floor = replace(world, depth=np.tile(depth[:, None], (NUM_FRAMES, 1, WIDTH)))
    wide = board(world)  # 2 m: its shadow reaches 35 cm forward, 2 px here
    wide = replace(wide, cutout=replace(wide.cutout, m_per_px=0.05))
    truth = scene(on_floor, wide)
    foot = int(HEIGHT / 2 + FOCAL_PX * CAMERA_HEIGHT_M / BOARD_M)
    assert (truth.rgb[0, foot, WIDTH // 2] < 0.6 * GREY).all()
    assert (truth.rgb[0, foot + 12, WIDTH // 2] > 0.95 * GREY).all()
    assert truth.object_id[0, foot, WIDTH // 2] == 0, "a shadow is not the object"
    np.testing.assert_array_equal(scene(world, wide).rgb[0, foot + 1 :], GREY)


def test_evaluation_reads_a_scene_as_it_reads_generated_ones(world: World, tmp_path: Path) -> None:
    truth = scene(world, board(world, speed=0.6))
    write_scene(truth, tmp_path / "semi")
    read = read_truth(find_truths(tmp_path)["semi"])
    assert read.scene is not None
    assert (read.scene.kind, read.scene.ingredients) == ("4d", ("made",))
    again = true_motion_strength(load_truth(tmp_path / "semi"), 1 / 12)
    assert again[1] == pytest.approx(true_motion_strength(truth, 1 / 12)[1], rel=1e-3)


def test_holes_in_depth_count_as_the_nearest_surface_around_them() -> None:
    depth = np.full((20, 30), 5.0, np.float32)
    depth[:, 15:] = 2.0
    depth[5:9, 12:18] = 0
    filled = nearest_where_unknown(depth)
    assert (filled[6:8, 14:18] == 2.0).all()
    assert (filled[depth > 0] == depth[depth > 0]).all()
    assert np.isinf(nearest_where_unknown(np.zeros((4, 4), np.float32))).all()


def test_depth_as_another_camera_sees_it() -> None:
    K = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
    depth = np.full((48, 64), 2.0, np.float32)
    depth[10:20, 30:40] = 1.0
    np.testing.assert_array_equal(seen_by(depth, K, K, np.eye(3, 4)), depth)
    beside = np.eye(3, 4)
    beside[0, 3] = 0.04  # the other camera is 4 cm to the right: 4 px at 1 m, 2 px at 2 m
    seen = seen_by(depth, K, K, beside)
    assert (seen[12:18, 26:36] == 1.0).all()
    assert (seen[12:18, 40:60] == 2.0).all()


def test_the_plane_most_points_lie_on_is_found_among_others() -> None:
    rng = np.random.default_rng(1)
    flat = np.column_stack([rng.uniform(-1, 1, 400), rng.uniform(-1, 1, 400), np.full(400, 0.3)])
    clutter = rng.uniform(-1, 1, (200, 3))
    looking_down = np.array([[1.0, 0, 0, 0], [0, -0.6, -0.8, 0], [0, 0.8, -0.6, 2.0]])
    frame = plane_of(np.concatenate([flat, clutter]), looking_down)
    np.testing.assert_allclose(frame[:3, 2], [0, 0, 1], atol=0.01)
    assert frame[2, 3] == pytest.approx(0.3, abs=0.01)
    assert np.linalg.det(frame[:3, :3]) == pytest.approx(1)


def test_the_ground_lies_under_the_path_whatever_the_pitch_of_the_camera() -> None:
    pitch = 0.05
    down = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    along = np.column_stack([np.zeros(20), np.zeros(20), np.arange(20.0)])
    world_from_cam = np.concatenate([np.tile(down, (20, 1, 1)), along[..., None]], axis=2)
    frame = ground_under(world_from_cam, height_m=1.65)
    np.testing.assert_allclose(frame[:3, 2], [0, -1, 0], atol=1e-9)
    np.testing.assert_allclose(frame[:3, 3], [0, 1.65, 0], atol=1e-9)
    np.testing.assert_allclose(frame[:3, 1], [0, 0, 1], atol=1e-9)


def test_a_soft_edge_shows_nothing_of_the_old_background() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 12:28] = True
    rgb = np.repeat(np.where(mask[..., None], 60, 255).astype(np.uint8), 3, axis=2)
    rgba = soften(rgb, mask)
    np.testing.assert_allclose(rgba[..., :3], 60 * np.repeat(rgba[..., 3:], 3, 2), atol=1e-3)
    assert rgba[20, 20, 3] == pytest.approx(1)
    assert 0 < rgba[10, 20, 3] < 1
    assert rgba[5, 5, 3] == 0


def test_a_cutout_becomes_as_light_as_its_world_and_grey_where_that_is(world: World) -> None:
    rgba = matched(rectangle(), world).rgba
    assert np.ptp(rgba[0, 40, 25, :3]) == pytest.approx(0, abs=1e-3)
    assert rgba[0, 40, 25, 0] == pytest.approx(np.mean(RED) * 1.3, rel=1e-3), "gain has a limit"


def test_frames_go_to_and_fro_within_an_actors_own_and_a_control_is_frozen() -> None:
    actor = ACTORS[5]
    shown = frames_shown(actor, 60, 24.0, start=3, frozen=False)
    assert set(shown) == set(range(actor.first, actor.last + 1))
    assert (np.abs(np.diff(shown)) == 1).all()
    assert set(frames_shown(actor, 60, 24.0, start=3, frozen=True)) == {actor.first + 3}


def test_seeds_are_24_and_hold_every_turn_in_both_halves() -> None:
    dev, published = seeds_of("dev"), seeds_of("published")
    assert (dev, published) == (SETS["dev"], SETS["published"])
    assert len({*dev, *published}) == 24
    for half in (dev, published):
        assert {seed % len(TURNS) for seed in half} == set(range(len(TURNS)))
    assert {route for _, route in TURNS} == {"line", "arc", "approach", "along", "still"}


def test_a_control_counts_as_judged_still_only_where_cameras_were_found() -> None:
    path = TrajectoryError(path_length=1.0, travels=True, registered_fraction=1.0)
    on_control = ObjectScores(
        object_id=1,
        true_name="still_dog_0",
        share=0.9,
        motion_strength=0.01,
        true_motion_strength=0,
    )
    moving = ClipScores(
        name="moving",
        clip_id="a",
        ingredients=("table", "still_control"),
        observable=Observable(camera=True, motion=True),
        kind="4d",
        true_kind="3d",
        camera="moving",
        true_camera="moving",
        trajectory=path,
        motion_strength=0.01,
        objects=(on_control,),
    )
    static = replace(moving, name="static", kind="3d", objects=())
    refused = replace(static, name="refused", kind="none", camera="unknown", motion_strength=0.0)
    clips = [moving, static, refused]
    ends = [line.split()[-1] for line in scene_table(clips, 0.003).splitlines()[2:]]
    assert ends == ["moving", "yes", "-"]
    lines = control_lines(clips, 0.003)
    assert "in 1 of 2 scenes with cameras (3 have controls)" in lines
    assert "1 of 3 scenes" in lines


@pytest.fixture
def shared() -> Path:
    for name in ("real/gt_kitti_street", "real/davis_car_roundabout"):
        if not (SHARED / name).exists():
            pytest.skip(f"needs ../shared/{name}")
    return SHARED


def test_a_still_thing_in_a_real_street_is_one_and_stays_in_its_place(
    shared: Path, tmp_path: Path
) -> None:
    truth = semi_real_scene(5, shared, tmp_path)
    assert truth.kind == "3d"
    assert set(true_motion_strength(truth, 1 / 12).values()) == {0.0}
    assert truth.object_id.any(axis=(1, 2)).mean() > 0.8
    assert np.linalg.norm(np.diff(camera_centers(truth.cam_from_world), axis=0), axis=1).min() > 0.5
    assert _nearest(truth) > 5.0


def _nearest(truth: SceneTruth) -> float:
    depth: F64 = truth.depth[truth.object_id > 0].astype(np.float64)
    return float(depth.min())
