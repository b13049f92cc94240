"""Masks against tight masks of real footage, by the protocol of the DAVIS-2016 benchmark.

J is region similarity, F the boundary measure, frame by frame; the first and the last annotated
frame are left out (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video
Object Segmentation", CVPR 2016; official code: fperazzi/davis).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from camvid.artifacts import NAN, Bool, Clip, ObjectMasks
from camvid.errors import ConfigError
from camvid.overlay.masks import without_overlay

_TOLERANCE = 0.008  # of the diagonal: how far apart boundaries may lie, as in the official code


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionScores:
    """Means over the annotated frames of a clip, the first and last of its source left out.

    `moving` is of the union of the objects judged to move, `all` of the union of all masks.
    """

    num_frames: int = 0
    j_moving: float = NAN
    f_moving: float = NAN
    j_all: float = NAN
    f_all: float = NAN


def region_scores(
    found: ObjectMasks, moving_ids: Sequence[int], clip: Clip, truth: Mapping[int, Path]
) -> RegionScores:
    """Holds masks at the clip's size against images of masks at the source's.

    Args:
        found: of the clip's frames.
        moving_ids: the objects judged to move.
        clip: says which frames of the source it has, and what of their area.
        truth: file of the mask of each annotated frame of the source, as `read_mask` reads it.
    """
    found = without_overlay(found)
    judged = np.isin(found.object_id, moving_ids) & (found.object_id > 0)
    rows: list[tuple[float, float, float, float]] = []
    for t, path in scored_frames(clip, truth):
        true = read_mask(path)
        moving = at_source(judged[t], clip, true.shape)
        everything = at_source(found.object_id[t] > 0, clip, true.shape)
        row = [measure(mask, true) for mask in (moving, everything) for measure in (j_of, f_of)]
        rows.append((row[0], row[1], row[2], row[3]))
    if not rows:
        return RegionScores()
    means = np.mean(rows, axis=0)
    return RegionScores(
        num_frames=len(rows),
        j_moving=float(means[0]),
        f_moving=float(means[1]),
        j_all=float(means[2]),
        f_all=float(means[3]),
    )


def scored_frames(clip: Clip, truth: Mapping[int, Path]) -> list[tuple[int, Path]]:
    """Frames of the clip that count, each with the file of its true mask."""
    annotated = set(sorted(truth)[1:-1])
    indices = enumerate(clip.source_frame_index.tolist())
    return [(t, truth[index]) for t, index in indices if index in annotated]


def read_mask(path: Path) -> Bool:
    """Foreground [H, W] of an image: all that is not black."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise ConfigError(f"the true mask must be a readable image: {path}")
    return np.asarray(grey > 0, np.bool_)


def at_source(mask: Bool, clip: Clip, shape: tuple[int, ...]) -> Bool:
    """A mask at the clip's size as the source shows it: nearest pixels, empty where cut off."""
    height, width = shape
    x, y, crop_width, crop_height = clip.crop_px
    whole = np.zeros((clip.video.height_px, clip.video.width_px), np.uint8)
    small = mask.astype(np.uint8)
    inside = cv2.resize(small, (crop_width, crop_height), interpolation=cv2.INTER_NEAREST)
    whole[y : y + crop_height, x : x + crop_width] = inside
    if whole.shape != (height, width):
        whole = cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole > 0, np.bool_)


def j_of(found: Bool, true: Bool) -> float:
    """Intersection over union of two masks [H, W]; 1 where both are empty."""
    union = np.count_nonzero(found | true)
    return np.count_nonzero(found & true) / union if union else 1.0


def f_of(found: Bool, true: Bool) -> float:
    """Harmonic mean of precision and recall of the boundary pixels of two masks [H, W]."""
    radius_px = np.ceil(_TOLERANCE * np.linalg.norm(true.shape))
    edges, true_edges = boundary(found), boundary(true)
    if not edges.any() or not true_edges.any():
        # As in the official code: 1 where both are empty, 0 where one is.
        return float(edges.any() == true_edges.any())
    precision = float(_near(true_edges, radius_px)[edges].mean())
    recall = float(_near(edges, radius_px)[true_edges].mean())
    total = precision + recall
    return 2 * precision * recall / total if total > 0 else 0.0


def boundary(mask: Bool) -> Bool:
    """Pixels of [H, W] that differ from their neighbour to the right, below or aslant."""
    edges = np.zeros_like(mask)
    edges[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edges[:-1] |= mask[:-1] ^ mask[1:]
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def _near(edges: Bool, radius_px: float) -> Bool:
    """Dilation of [H, W] by a disk, by way of the distance: the time does not grow with it."""
    away = (~edges).astype(np.uint8)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius_px + 1e-3, np.bool_)
