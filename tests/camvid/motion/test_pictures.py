"""Tracks against pictures: what slides along edges or jumps about has not been seen to move."""

from typing import NamedTuple

import cv2
import numpy as np
import pytest

from camvid.artifacts import (
    F64,
    U8,
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Video,
)
from camvid.motion import MotionOptions, measure_motion

WIDTH, HEIGHT, NUM_FRAMES, FPS = 320, 240, 25, 24
FOCAL_PX, DEPTH = 300.0, 6.0
STEP_PX = 2  # by which the camera moves the whole picture to the left, every frame
BOX = np.s_[70:170, 110:230]  # where the object is masked: rows, columns
K = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]])


class World(NamedTuple):
    """A wall seen by a camera that slides sideways, and tracks on a part that is masked."""

    rgb: U8
    own_px: F64  # [T, n, 2] tracks of the object


def blobs(seed: int, shape: tuple[int, int]) -> F64:
    noise = np.random.default_rng(seed).normal(size=shape)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return 128 + 40 * soft / soft.std()


def slats(shape: tuple[int, int]) -> F64:
    """Slanted bars with a little grain."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return 128 + 60 * np.sin((y + 0.35 * x) / 3.0) + (blobs(5, shape) - 128) * 0.02


def filmed(picture: F64, inset: tuple[F64, F64] | None = None) -> U8:
    """The wall frame by frame; `inset` is a texture pasted onto the box, moved by (dx, dy) each."""
    rng = np.random.default_rng(1)
    frames: list[U8] = []
    for t in range(NUM_FRAMES):
        frame = picture[:, STEP_PX * t : STEP_PX * t + WIDTH].copy()
        if inset is not None:
            texture, step = inset
            moved = np.array([[1, 0, step[0] * t], [0, 1, step[1] * t]])
            frame[BOX] = cv2.warpAffine(texture, moved, (120, 100), borderMode=cv2.BORDER_WRAP)
        noisy = frame + rng.normal(0, 1, frame.shape)
        frames.append(np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return np.stack(frames)


def moving_points(step_px: tuple[float, float], *, jitter_px: float = 0.0) -> F64:
    """Tracks [T, n, 2] that start on a grid in the box and move by the same step every frame."""
    rng = np.random.default_rng(2)
    x, y = np.meshgrid(np.arange(165, 215, 8.0), np.arange(95, 140, 8.0))
    start = np.stack([x, y], axis=-1).reshape(-1, 2)
    since = np.arange(NUM_FRAMES)[:, None, None]
    points = start + since * np.array(step_px)
    return points + rng.normal(0, max(jitter_px, 0.03), points.shape)


def measure(world: World, *, look: bool) -> MotionReport:
    object_id = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint16)
    object_id[:, *BOX] = 1
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "thing", 1.0),))
    return measure_motion(
        clip(),
        masks,
        cameras(),
        depth(masks),
        tracks(world.own_px),
        MotionOptions(),
        Frames(rgb=world.rgb) if look else None,
    )


def tracks(own_px: F64) -> PointTracks:
    x, y = np.meshgrid(np.arange(70, 310, 20.0), np.arange(10, 65, 9.0))
    wall = np.stack([x, y], axis=-1).reshape(-1, 2)
    wall_px = wall - np.arange(NUM_FRAMES)[:, None, None] * np.array([STEP_PX, 0])
    xy_px = np.concatenate([wall_px, own_px], axis=1).astype(np.float32)
    inside = (xy_px > 8).all(axis=2) & (xy_px < (WIDTH - 8, HEIGHT - 8)).all(axis=2)
    num_wall = wall_px.shape[1]
    return PointTracks(
        xy_px=xy_px,
        visible=np.asarray(inside, bool),
        object_id=np.repeat([0, 1], [num_wall, own_px.shape[1]]).astype(np.uint16),
        query_frame=np.zeros(xy_px.shape[1], np.int32),
    )


def cameras() -> Reconstruction:
    poses = np.tile(np.eye(3, 4), (NUM_FRAMES, 1, 1))
    poses[:, 0, 3] = -STEP_PX * DEPTH / FOCAL_PX * np.arange(NUM_FRAMES)
    return Reconstruction(
        camera="moving",
        K=K,
        cam_from_world=poses,
        registered=np.ones(NUM_FRAMES, bool),
        points_world=np.zeros((0, 3), np.float32),
        point_rgb=np.zeros((0, 3), np.uint8),
        observation_frame=np.zeros(0, np.int32),
        observation_point=np.zeros(0, np.int32),
        observation_xy_px=np.zeros((0, 2), np.float32),
        quality=ReconstructionQuality(),
    )


def depth(masks: ObjectMasks) -> DepthMaps:
    shape = masks.object_id.shape
    return DepthMaps(
        depth=np.full(shape, DEPTH, np.float32),
        valid=np.ones(shape, bool),
        confidence=np.where(masks.object_id > 0, 15, 255).astype(np.uint8),
        scale=np.ones(NUM_FRAMES),
        shift=np.zeros(NUM_FRAMES),
        residual=np.zeros(NUM_FRAMES),
        source="geometric",
    )


def clip() -> Clip:
    video = Video(
        video_id="v", uri="", sha256="", width_px=WIDTH, height_px=HEIGHT, fps=FPS,
        num_frames=NUM_FRAMES, duration_s=1.0,
    )  # fmt: skip
    return Clip(
        clip_id="c",
        video=video,
        start_s=0.0,
        end_s=1.0,
        timestamps_s=np.arange(NUM_FRAMES) / FPS,
        source_frame_index=np.arange(NUM_FRAMES, dtype=np.int32),
        width_px=WIDTH,
        height_px=HEIGHT,
        crop_px=(0, 0, WIDTH, HEIGHT),
    )


WIDE = (HEIGHT, WIDTH + STEP_PX * NUM_FRAMES)
STILL, MOVING = 0.001, 0.003  # what the world calls still, and where the policy sees motion


def test_tracks_that_slide_along_slats_are_not_heard() -> None:
    """Where the tracks are, the bars look as they should: the slide is along them."""
    slide = np.array([-STEP_PX, 0.0]) + 1.5 * np.array([1.0, -0.35])
    world = World(filmed(slats(WIDE)), moving_points((slide[0], slide[1])))
    assert measure(world, look=False).motion_strength > MOVING
    seen = measure(world, look=True)
    assert seen.motion_strength == 0
    assert "min_object_pairs" in [reason.name for reason in seen.reasons]


def test_tracks_that_jump_about_on_a_still_thing_do_not_decide() -> None:
    world = World(filmed(blobs(3, WIDE)), moving_points((-STEP_PX, 0.0), jitter_px=3.0))
    assert measure(world, look=False).motion_strength > MOVING
    assert measure(world, look=True).motion_strength < STILL


def test_a_still_thing_is_still() -> None:
    world = World(filmed(blobs(3, WIDE)), moving_points((-STEP_PX, 0.0)))
    assert measure(world, look=True).motion_strength < STILL


@pytest.mark.parametrize("step_px", [(-2.0, 0.5), (-1.5, 1.0), (-2.0, -1.5)])
def test_what_the_pictures_show_to_move_moves(step_px: tuple[float, float]) -> None:
    """0.4 to 1.3 percent of the side per pair gap; `look` may cost no strength."""
    texture = blobs(4, (100, 120))
    world = World(
        filmed(blobs(3, WIDE), inset=(texture, np.array(step_px))), moving_points(step_px)
    )
    taken, seen = measure(world, look=False), measure(world, look=True)
    assert seen.motion_strength > MOVING
    assert seen.motion_strength == pytest.approx(taken.motion_strength, rel=0.05)
    assert seen.confidence > 0.8


def test_the_same_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    step_px = (-1.5, 1.0)
    inset = (blobs(4, (100, 120)), np.array(step_px))
    world = World(filmed(blobs(3, WIDE), inset=inset), moving_points(step_px))
    series: list[F64] = []
    for threads in ("1", "3"):
        monkeypatch.setenv("CAMVID_THREADS", threads)
        series.append(measure(world, look=True).pair_strength)
    np.testing.assert_array_equal(series[0], series[1])
