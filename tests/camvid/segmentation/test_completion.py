"""Movers drawn anew: gaps filled, outlines sharpened, all else left alone."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import I32, U8, Bool
from camvid.segmentation.completion import complete_movers, odds_of_saliency
from camvid.segmentation.evidence import MotionEvidence, motion_evidence
from camvid.segmentation.flow import ClipFlow, clip_flow
from camvid.segmentation.objects import label_objects

FPS = 24.0
NUM_FRAMES = 24
SIDE = 40
MOVER, STILL = 1, 2
GAP = slice(9, 14)


def texture(height_px: int, width_px: int, seed: int, low: int, high: int) -> U8:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(low, high, (height_px // 6 + 2, width_px // 6 + 2, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images() -> tuple[U8, list[I32]]:
    """rgb [T, H, W, 3] and true labels: a bright square crosses a panned ground; one lies still."""
    ground = texture(180, 420, 0, 0, 160)
    ground[110 : 110 + SIDE, 200 : 200 + SIDE] = texture(SIDE, SIDE, 1, 90, 255)
    mover = texture(SIDE, SIDE, 2, 120, 255)
    rgb = np.empty((NUM_FRAMES, 180, 320, 3), np.uint8)
    truth: list[I32] = []
    for t in range(NUM_FRAMES):
        rgb[t] = ground[:, 3 * t : 3 * t + 320]
        labels = np.zeros((180, 320), np.int32)
        labels[110 : 110 + SIDE, 200 - 3 * t : 200 - 3 * t + SIDE] = STILL
        place = (slice(40, 40 + SIDE), slice(60 + 4 * t, 60 + 4 * t + SIDE))
        rgb[t][place], labels[place] = mover, MOVER
        truth.append(labels)
    return rgb, truth


@pytest.fixture(scope="module")
def seen(images: tuple[U8, list[I32]]) -> tuple[ClipFlow, MotionEvidence]:
    flow = clip_flow(images[0], 320)
    nothing = [np.zeros_like(image) for image in flow.gray]
    return flow, motion_evidence(flow, nothing, FPS)


def completed(
    labels: list[I32],
    seen: tuple[ClipFlow, MotionEvidence],
    saliency: list[U8] | None = None,
) -> list[I32]:
    flow, motion = seen
    nothing = [np.zeros(x.shape, np.uint8) for x in labels]
    return complete_movers(labels, saliency or nothing, motion, flow, FPS)


def iou(found: list[I32], truth: list[I32], frames: slice = slice(None)) -> float:
    """Of the mover, over the frames together."""
    one = np.stack(found[frames]) == MOVER
    other = np.stack(truth[frames]) == MOVER
    return float((one & other).sum() / (one | other).sum())


def test_a_mover_lost_for_some_frames_is_found_again(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    _, truth = images
    broken = [x.copy() for x in truth]
    for labels in broken[GAP]:
        labels[labels == MOVER] = 0
    found = completed(broken, seen)
    assert iou(broken, truth, GAP) == 0
    assert iou(found, truth, GAP) > 0.8
    assert iou(found, truth) > 0.85


def test_a_fat_mask_shrinks_to_the_outline(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    _, truth = images
    fat: list[I32] = []
    for labels in truth:
        around = cv2.dilate((labels == MOVER).astype(np.uint8), np.ones((11, 11), np.uint8))
        fat.append(np.where((around > 0) & (labels == 0), MOVER, labels).astype(np.int32))
    assert iou(fat, truth) < 0.7
    assert iou(completed(fat, seen), truth) > 0.85


def test_a_salient_mover_keeps_the_outline_that_saliency_gives(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    """A leg that stands on the ground while the rest walks fits the background; the eye sees it."""
    _, truth = images
    flow, motion = seen
    leg = [x.copy() for x in truth]
    for labels in leg:  # below the mover, as wide as a third of it
        rows, columns = np.nonzero(labels == MOVER)
        labels[rows.max() + 1 : rows.max() + 16, columns.min() : columns.min() + SIDE // 3] = MOVER
    unseen = iou(completed(leg, (flow, motion)), leg)
    salient = [np.where(x == MOVER, 250, 0).astype(np.uint8) for x in leg]
    assert iou(completed(leg, (flow, motion), salient), leg) > unseen + 0.02


def test_saliency_says_that_there_is_something_not_whose_it_is() -> None:
    saliency = np.array([[255, 255, 0]], np.uint8)
    others = np.array([[0.05, 0.95, 0.05]], np.float32)  # the second lies on a salient thing
    odds = odds_of_saliency(saliency, np.float32(0.95), others)[0]
    assert odds[0] > 2
    assert odds[1] == pytest.approx(0, abs=1e-6)
    assert odds[2] < -2
    assert odds_of_saliency(saliency, np.float32(0.5), others)[0, 1] < 0


def test_what_does_not_move_stays_as_it_was(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    _, truth = images
    found = completed(truth, seen)
    assert all(np.array_equal(f == STILL, t == STILL) for f, t in zip(found, truth, strict=True))


def test_a_mover_that_stops_keeps_its_mask(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    """Its mask lies on pixels that fit the background, as a waiting car's do."""
    flow, motion = seen
    halt = 14
    truth = images[1]
    still = MotionEvidence(
        strength=[s if t < halt else np.zeros_like(s) for t, s in enumerate(motion.strength)],
        error=[e if t < halt else np.zeros_like(e) for t, e in enumerate(motion.error)],
        both_sides=motion.both_sides,
    )
    assert iou(completed(truth, (flow, still)), truth, slice(halt, None)) > 0.8


def test_a_mover_that_leaves_is_not_carried_on(
    images: tuple[U8, list[I32]], seen: tuple[ClipFlow, MotionEvidence]
) -> None:
    """Labels end where the images no longer bear them out: here they sit on still ground."""
    _, truth = images
    flow, motion = seen
    nowhere = [np.zeros_like(e) for e in motion.error]
    after = [*motion.error[:12], *nowhere[12:]]
    static = [*motion.strength[:12], *(np.zeros_like(s) for s in motion.strength[12:])]
    ends = MotionEvidence(strength=static, error=after, both_sides=motion.both_sides)
    cut = [x if t < 12 else np.where(x == MOVER, 0, x) for t, x in enumerate(truth)]
    found = completed([x.astype(np.int32) for x in cut], (flow, ends))
    assert np.mean([np.count_nonzero(x == MOVER) for x in found[14:]]) < 0.1 * SIDE**2


def test_the_number_of_threads_changes_nothing(
    images: tuple[U8, list[I32]],
    seen: tuple[ClipFlow, MotionEvidence],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[list[I32]] = []
    for threads in ("1", "2"):
        monkeypatch.setenv("CAMVID_THREADS", threads)
        found.append(completed(images[1], seen))
    assert all(np.array_equal(one, two) for one, two in zip(*found, strict=True))


def test_a_rider_behind_trees_is_followed_by_motion_alone(
    real_clip: Callable[[str], Path],
) -> None:
    """A real rider, cut in two by trunks in a fast blurred pan, without any network."""
    folder = real_clip("dyn_bmx_trees_masks")
    rgb = np.stack([cv2.imread(str(f))[..., ::-1] for f in sorted((folder / "frames").iterdir())])
    flow = clip_flow(np.ascontiguousarray(rgb))
    nothing = [np.zeros_like(image) for image in flow.gray]
    motion = motion_evidence(flow, nothing, FPS)
    labels = label_objects(nothing, motion.strength, flow, FPS)
    drawn = complete_movers(labels, nothing, motion, flow, FPS)
    size = (flow.width_px, flow.height_px)
    truth = np.stack(
        [
            cv2.resize(cv2.imread(str(f), 0), size, interpolation=cv2.INTER_AREA) > 127
            for f in sorted((folder / "masks").iterdir())
        ]
    )
    before, after = overlap(np.stack(labels) > 0, truth), overlap(np.stack(drawn) > 0, truth)
    assert after > 0.5
    assert after > before + 0.05


def overlap(found: Bool, truth: Bool) -> float:
    return float((found & truth).sum() / (found | truth).sum())
