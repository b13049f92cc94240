"""The embedded segmenter on generated clips: textured squares over a moving textured ground."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import I32, U8, Bool, Clip, Frames, MaskedObject, ObjectMasks, Video
from camvid.models.segmenters.saliency_motion import SaliencyMotion, SaliencyMotionOptions
from camvid.segmentation.objects import keep_objects

FPS = 24.0
NUM_FRAMES = 16


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path))


def texture(height_px: int, width_px: int, seed: int) -> U8:
    """Blobs of several sizes: something for optical flow to hold on to."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height_px, width_px, 3), np.float32)
    for cell in (4, 8, 16):
        size = (height_px // cell + 2, width_px // cell + 2, 3)
        noise = rng.uniform(0, 85, size).astype(np.float32)
        image += cv2.resize(noise, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


def scene(
    velocities_px: list[tuple[float, float]],
    *,
    num_frames: int = NUM_FRAMES,
    height_px: int = 180,
    width_px: int = 320,
    camera_px: float = 1.5,
) -> tuple[U8, list[Bool]]:
    """rgb [T, H, W, 3], and per square its true mask [T, H, W].

    The ground drifts by `camera_px` a frame; square k starts at the left, right, ... and moves.
    """
    ground = texture(height_px + 40, width_px + 40 + int(camera_px * num_frames), 0)
    side = height_px // 4
    starts = [(width_px * 0.15, height_px * 0.2), (width_px * 0.65, height_px * 0.5)]
    rgb = np.zeros((num_frames, height_px, width_px, 3), np.uint8)
    truth = [np.zeros(rgb.shape[:3], np.bool_) for _ in velocities_px]
    for t in range(num_frames):
        shift = np.array([[1, 0, -20 - camera_px * t], [0, 1, -20]], np.float32)
        rgb[t] = cv2.warpAffine(ground, shift, (width_px, height_px))
        for k, (vx, vy) in enumerate(velocities_px):
            x, y = starts[k][0] + vx * t, starts[k][1] + vy * t
            place = np.array([[1, 0, x], [0, 1, y]], np.float32)
            square = cv2.warpAffine(texture(side, side, 10 + k), place, (width_px, height_px))
            solid = cv2.warpAffine(np.full((side, side), 255, np.uint8), place, rgb.shape[2:0:-1])
            truth[k][t] = solid > 127
            rgb[t][truth[k][t]] = square[truth[k][t]]
    return rgb, truth


def clip_of(rgb: U8) -> Clip:
    num_frames, height_px, width_px = rgb.shape[:3]
    duration_s = num_frames / FPS
    video = Video(
        video_id="v",
        uri="v.mp4",
        sha256="0",
        width_px=width_px,
        height_px=height_px,
        fps=FPS,
        num_frames=num_frames,
        duration_s=duration_s,
    )
    return Clip(
        clip_id="c",
        video=video,
        start_s=0.0,
        end_s=duration_s,
        timestamps_s=np.arange(num_frames) / FPS,
        source_frame_index=np.arange(num_frames, dtype=np.int32),
        width_px=width_px,
        height_px=height_px,
        crop_px=(0, 0, width_px, height_px),
    )


def segment(rgb: U8) -> ObjectMasks:
    return SaliencyMotion(SaliencyMotionOptions()).segment(clip_of(rgb), Frames(rgb=rgb))


def main_id(masks: ObjectMasks, truth: Bool) -> int:
    """The id that covers most of a true mask."""
    counts = np.bincount(masks.object_id[truth])
    counts[0] = 0
    return int(counts.argmax())


def iou(mask: Bool, truth: Bool) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def test_a_mover_is_found_by_motion_alone_and_keeps_one_id() -> None:
    rgb, (truth,) = scene([(4.0, 1.0)])
    masks = segment(rgb)
    found = main_id(masks, truth)
    assert iou(masks.object_id == found, truth) >= 0.7
    per_frame = [iou(m == found, g) for m, g in zip(masks.object_id, truth, strict=True)]
    assert min(per_frame) >= 0.5
    assert {o.object_id: o.label for o in masks.objects}[found] == "moving"


def test_a_mover_keeps_its_id_behind_a_pillar() -> None:
    rgb, (truth,) = scene([(6.0, 0.0)], num_frames=32)
    pillar = slice(120, 190)  # wider than the square: for some frames nothing of it is seen
    rgb[:, :, pillar] = texture(rgb.shape[1], 70, 5)
    truth[:, :, pillar] = False
    assert any(not frame.any() for frame in truth)
    masks = segment(rgb)
    hidden = next(t for t, frame in enumerate(truth) if not frame.any())
    assert main_id(masks, truth) == main_id(masks, truth & (np.arange(32) > hidden)[:, None, None])
    before = truth & (np.arange(32) < hidden)[:, None, None]
    assert main_id(masks, truth) == main_id(masks, before)


def labelled(labels: I32, *, salient: bool = True) -> dict[int, MaskedObject]:
    """What is kept of labels [T, h, w] that all move."""
    seen = [np.where(x > 0, 255, 0).astype(np.uint8) for x in labels]
    saliency = seen if salient else [np.zeros_like(x) for x in seen]
    return keep_objects(list(labels), saliency, seen, FPS)


@pytest.mark.parametrize(("salient", "kept"), [(True, 1), (False, 0)])
def test_only_a_sure_mover_may_cover_most_of_the_image(salient: bool, kept: int) -> None:
    labels = np.zeros((24, 90, 160), np.int32)
    labels[:, :, :100] = 1
    assert len(labelled(labels, salient=salient)) == kept


def test_an_object_is_large_solid_and_lasting() -> None:
    labels = np.zeros((24, 180, 320), np.int32)
    labels[:, 20:50, 20:32] = 1  # a pedestrian
    labels[:, 20:170, 60:63] = 2  # a sliver at an edge
    labels[:4, 20:50, 100:130] = 3  # a flash
    labels[:, 20:25, 200:205] = 4  # a speck
    assert list(labelled(labels)) == [1]


def test_two_movers_have_two_ids() -> None:
    rgb, truths = scene([(4.0, 1.0), (-4.0, -1.0)])
    masks = segment(rgb)
    first, second = (main_id(masks, truth) for truth in truths)
    assert first != second
    assert iou(masks.object_id == first, truths[0]) >= 0.7
    assert iou(masks.object_id == second, truths[1]) >= 0.7


def test_a_mover_is_found_under_a_fixed_camera() -> None:
    rgb, (truth,) = scene([(2.0, 0.0)], camera_px=0.0)
    masks = segment(rgb)
    assert iou(masks.object_id == main_id(masks, truth), truth) >= 0.7


@pytest.mark.parametrize("camera_px", [0.0, 2.0])
def test_a_still_scene_is_left_alone(camera_px: float) -> None:
    rgb, _ = scene([], camera_px=camera_px)
    assert (segment(rgb).object_id > 0).mean() < 0.01


def test_every_id_is_listed_once_from_one() -> None:
    rgb, _ = scene([(4.0, 1.0), (-4.0, -1.0)])
    masks = segment(rgb)
    ids = sorted(o.object_id for o in masks.objects)
    assert ids == list(range(1, len(ids) + 1))
    assert set(np.unique(masks.object_id)) - {0} <= set(ids)
    assert all(0 < o.score <= 1 for o in masks.objects)


def test_missing_weights_warn_once_and_are_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="camvid.models.segmenters.saliency_motion"):
        segmenter = SaliencyMotion(SaliencyMotionOptions())
    assert segmenter.weights == ()
    assert "camvid models fetch u2netp" in caplog.text


def test_the_thread_count_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb, _ = scene([(4.0, 1.0)], num_frames=8)
    results: list[ObjectMasks] = []
    for threads in ("1", "2", "2"):
        monkeypatch.setenv("CAMVID_THREADS", threads)
        results.append(segment(rgb))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].object_id, other.object_id)
        assert results[0].objects == other.objects


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_very_short_clips(num_frames: int) -> None:
    rgb, _ = scene([(4.0, 1.0)], num_frames=num_frames)
    assert segment(rgb).object_id.shape == rgb.shape[:3]


@pytest.mark.parametrize(("height_px", "width_px"), [(359, 637), (37, 65), (201, 97)])
def test_odd_sizes(height_px: int, width_px: int) -> None:
    rgb, _ = scene([(2.0, 0.0)], num_frames=5, height_px=height_px, width_px=width_px)
    assert segment(rgb).object_id.shape == (5, height_px, width_px)


def test_a_blank_clip_has_no_objects() -> None:
    masks = segment(np.full((6, 90, 160, 3), 128, np.uint8))
    assert masks.objects == ()
    assert not masks.object_id.any()
