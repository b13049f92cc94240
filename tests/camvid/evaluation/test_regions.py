"""J and F of DAVIS on masks whose scores are worked out by hand."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import Clip, ObjectMasks
from camvid.errors import ConfigError
from camvid.evaluation.regions import (
    at_source,
    boundary,
    f_of,
    j_of,
    read_mask,
    region_scores,
    scored_frames,
)
from tests.factories import make_clip


def square(x: int, y: int, side: int, shape: tuple[int, int] = (100, 120)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def f_by_disk(found: np.ndarray, true: np.ndarray) -> float:
    """The slow way: boundaries grown by a disk, as the official code does."""
    radius = int(np.ceil(0.008 * np.linalg.norm(true.shape)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    edges, true_edges = boundary(found), boundary(true)
    grown = cv2.dilate(edges.astype(np.uint8), disk) > 0
    true_grown = cv2.dilate(true_edges.astype(np.uint8), disk) > 0
    precision = (edges & true_grown).sum() / edges.sum()
    recall = (true_edges & grown).sum() / true_edges.sum()
    return 2 * precision * recall / (precision + recall)


def test_the_same_mask_scores_one() -> None:
    mask = square(30, 20, 40)
    assert j_of(mask, mask) == f_of(mask, mask) == 1.0


@pytest.mark.parametrize("shift", [1, 2, 5, 10, 40, 60])
def test_j_of_a_shifted_square(shift: int) -> None:
    both = max(0, 40 - shift) * 40
    expected = both / (2 * 1600 - both)
    assert j_of(square(10 + shift, 20, 40), square(10, 20, 40)) == pytest.approx(expected)


def test_f_forgives_two_pixels_of_a_small_image() -> None:
    true = square(30, 20, 40)  # 100 x 120: 0.008 of the diagonal, rounded up, is 2 px
    assert f_of(square(32, 20, 40), true) == 1.0
    # 3 px off, the two upright sides miss, and of the level ones 3 px at one end less 2 for reach
    assert f_of(square(33, 20, 40), true) == pytest.approx(f_by_disk(square(33, 20, 40), true))
    assert 0.45 < f_of(square(33, 20, 40), true) < 0.55


def test_f_is_what_growing_by_a_disk_gives() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        found, true = (
            cv2.GaussianBlur(rng.random((90, 140), np.float32), (0, 0), 4) > 0.5 for _ in range(2)
        )
        assert f_of(found, true) == pytest.approx(f_by_disk(found, true), abs=1e-12)


def test_empty_masks() -> None:
    empty, mask = np.zeros((100, 120), bool), square(30, 20, 40)
    assert j_of(empty, empty) == f_of(empty, empty) == 1.0
    assert j_of(empty, mask) == f_of(empty, mask) == j_of(mask, empty) == f_of(mask, empty) == 0.0


def test_a_boundary_lies_within_above_and_left() -> None:
    mask = np.zeros((4, 4), bool)
    mask[2, 2] = True
    expected = np.zeros((4, 4), bool)
    expected[1:3, 1:3] = True  # each differs from its neighbour right, below or aslant
    np.testing.assert_array_equal(boundary(mask), expected)


@pytest.fixture
def wide_clip(clip: Clip) -> Clip:
    """Source 72 x 48, bars of 4 px cut off above and below, shown at half the size."""
    video = replace(clip.video, width_px=72, height_px=48)
    return replace(clip, video=video, width_px=36, height_px=20, crop_px=(0, 4, 72, 40))


def test_masks_go_back_to_the_source_as_they_were_cut(wide_clip: Clip) -> None:
    mask = np.zeros((20, 36), bool)
    mask[0, :3] = True
    expected = np.zeros((48, 72), bool)
    expected[4:6, :6] = True
    np.testing.assert_array_equal(at_source(mask, wide_clip, (48, 72)), expected)
    # truth at another size than the source
    np.testing.assert_array_equal(at_source(mask, wide_clip, (24, 36)), expected[::2, ::2])


def write_truth(folder: Path, masks: list[np.ndarray]) -> dict[int, Path]:
    paths = {k: folder / f"{k:05d}.png" for k in range(len(masks))}
    for k, mask in enumerate(masks):
        cv2.imwrite(str(paths[k]), 255 * mask.astype(np.uint8))
    return paths


def test_a_clip_is_scored_without_its_sources_first_and_last_frame(tmp_path: Path) -> None:
    clip = make_clip("c" * 16)  # 6 frames of 32 x 24
    true = [square(4, 4, 10, (24, 32))] * 6
    ids = np.zeros((6, 24, 32), np.uint16)
    ids[:, 4:14, 4:14] = 1
    ids[:, 18:22, 20:24] = 2  # 16 px beside it that stand still
    ids[3] = 0
    ids[0] = ids[5] = 2  # wrong, and not looked at
    found = ObjectMasks(object_id=ids, objects=())
    scores = region_scores(found, (1,), clip, write_truth(tmp_path, true))
    assert scores.num_frames == 4
    assert scores.j_moving == pytest.approx(3 / 4)
    assert scores.f_moving == pytest.approx(3 / 4)
    assert scores.j_all == pytest.approx(3 / 4 * 100 / 116)
    assert region_scores(found, (), clip, write_truth(tmp_path, true)).j_moving == 0.0


def test_frames_are_matched_by_their_index_in_the_source(tmp_path: Path) -> None:
    index = np.array([0, 2, 4, 5, 8, 9], np.int32)
    clip = replace(make_clip("c" * 16), source_frame_index=index)
    truth = write_truth(tmp_path, [square(k, 4, 8, (24, 32)) for k in range(10)])
    ids = np.zeros((6, 24, 32), np.uint16)
    for t, k in enumerate(index):
        ids[t, 4:12, k : k + 8] = 1
    assert [t for t, _ in scored_frames(clip, truth)] == [1, 2, 3, 4]
    scores = region_scores(ObjectMasks(object_id=ids, objects=()), (1,), clip, truth)
    assert (scores.num_frames, scores.j_moving) == (4, 1.0)


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "00001.png").write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"readable image: .*00001\.png"):
        read_mask(tmp_path / "00001.png")
