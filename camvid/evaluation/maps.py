"""Scores dense depth and masks against the truth, over static pixels and over movers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from camvid.artifacts import F32, NAN, U8, U16, Bool, Clip, DepthMaps, ObjectMasks
from camvid.scenes.truth import SceneTruth

DELTA = 1.25
NUM_BINS = 8  # of the depth's confidence, 0 to 255
_EVERY = 7  # of the pixels, in order, one is asked how confidence sorts errors: neighbours agree


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBin:
    """Pixels whose depth has about the same confidence: does it predict their error?"""

    low: int  # confidence from here
    high: int  # to here, both counted
    num_pixels: int
    abs_rel: float  # mean; NaN for an empty bin
    num_movers: int  # pixels of movers among them
    abs_rel_movers: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthScores:
    """After one scale per clip: SfM has no metres."""

    abs_rel_static: float = NAN
    delta_static: float = NAN
    abs_rel_movers: float = NAN
    delta_movers: float = NAN
    ause: float = NAN  # how far confidence is from sorting the pixels by error; see `ause`
    by_confidence: tuple[ConfidenceBin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskScores:
    """Over the pixels of true movers, all frames together.

    IoU and precision are of the objects that were judged to move; `covered` is the share of the
    movers under any mask, which is what keeps them out of the reconstruction.
    """

    iou: float = NAN
    precision: float = NAN
    recall: float = NAN
    covered: float = NAN


def true_maps(clip: Clip, scene: SceneTruth) -> tuple[F32, U16]:
    """True depth and object ids [T, H, W] of the clip's frames, cut and sized as the clip is."""
    x, y, width, height = clip.crop_px
    size = (clip.width_px, clip.height_px)
    frames = clip.source_frame_index

    def fit(image: np.ndarray) -> np.ndarray:
        cut = np.ascontiguousarray(image[y : y + height, x : x + width])
        return cv2.resize(cut, size, interpolation=cv2.INTER_NEAREST)

    depth = np.stack([fit(scene.depth[t]) for t in frames])
    object_id = np.stack([fit(scene.object_id[t]) for t in frames])
    return depth.astype(np.float32), object_id.astype(np.uint16)


def depth_scores(found: DepthMaps, true_depth: F32, movers: Bool) -> DepthScores:
    """AbsRel = mean |d - d*| / d*; delta = share within a factor of 1.25 of d*."""
    known = found.valid & (true_depth > 0)
    static = known & ~movers
    if not static.any():
        return DepthScores()
    scale = float(np.median(true_depth[static] / found.depth[static]))

    ratio = np.ones(true_depth.shape, np.float32)
    ratio[known] = np.float32(scale) * found.depth[known] / true_depth[known]
    abs_rel_static, delta_static = _errors(ratio[static])
    abs_rel_movers, delta_movers = _errors(ratio[known & movers])
    error = np.abs(ratio - 1)
    return DepthScores(
        abs_rel_static=abs_rel_static,
        delta_static=delta_static,
        abs_rel_movers=abs_rel_movers,
        delta_movers=delta_movers,
        ause=ause(found.confidence[known][::_EVERY], error[known][::_EVERY]),
        by_confidence=_by_confidence(found.confidence, error, known, movers),
    )


def ause(confidence: U8, error: F32) -> float:
    """Area under the sparsification error of n pixels, relative to their mean error.

    The least certain pixels are left out, a twentieth at a time, and the mean error of the rest is
    held against that after leaving out the worst instead. 0: confidence sorts as the error does.
    NaN where nothing errs.
    """
    if not error.size or not error.mean():
        return NAN
    left = np.ceil(len(error) * np.arange(1, 21) / 20).astype(int)

    def curve(ordered: F32) -> F32:
        return (np.cumsum(ordered, dtype=np.float64)[left - 1] / left).astype(np.float32)

    by_confidence = error[np.argsort(-confidence.astype(int), kind="stable")]
    return float(np.mean(curve(by_confidence) - curve(np.sort(error))) / error.mean())


def _errors(ratio: F32) -> tuple[float, float]:
    """AbsRel and delta of found over true depths."""
    if not ratio.size:
        return NAN, NAN
    within = np.maximum(ratio, 1 / ratio) < DELTA
    return float(np.abs(ratio - 1).mean()), float(within.mean())


def _by_confidence(
    confidence: U8, error: F32, known: Bool, movers: Bool
) -> tuple[ConfidenceBin, ...]:
    width = 256 // NUM_BINS
    bins = (confidence // width)[known]
    moving = movers[known]
    both = np.bincount(bins, minlength=NUM_BINS), np.bincount(bins, error[known], NUM_BINS)
    of_movers = (
        np.bincount(bins[moving], minlength=NUM_BINS),
        np.bincount(bins[moving], error[known][moving], NUM_BINS),
    )
    return tuple(
        ConfidenceBin(
            low=k * width,
            high=(k + 1) * width - 1,
            num_pixels=int(both[0][k]),
            abs_rel=_ratio(both[1][k], both[0][k]),
            num_movers=int(of_movers[0][k]),
            abs_rel_movers=_ratio(of_movers[1][k], of_movers[0][k]),
        )
        for k in range(NUM_BINS)
    )


def pool_bins(clips: Sequence[tuple[ConfidenceBin, ...]]) -> tuple[ConfidenceBin, ...]:
    """The same bins over the pixels of all clips."""
    return tuple(_pooled(same) for same in zip(*(bins for bins in clips if bins), strict=True))


def _pooled(bins: tuple[ConfidenceBin, ...]) -> ConfidenceBin:
    num_pixels, num_movers = (sum(b.num_pixels for b in bins), sum(b.num_movers for b in bins))
    error = sum(b.abs_rel * b.num_pixels for b in bins if b.num_pixels)
    movers_error = sum(b.abs_rel_movers * b.num_movers for b in bins if b.num_movers)
    return replace(
        bins[0],
        num_pixels=num_pixels,
        abs_rel=_ratio(error, num_pixels),
        num_movers=num_movers,
        abs_rel_movers=_ratio(movers_error, num_movers),
    )


def _ratio(total: float, count: float) -> float:
    return float(total / count) if count else NAN


def mask_scores(found: ObjectMasks, moving_ids: tuple[int, ...], movers: Bool) -> MaskScores:
    """Masks of the objects `moving_ids` against the pixels of true movers [T, H, W]."""
    if not movers.any():
        return MaskScores()
    judged = np.isin(found.object_id, moving_ids)
    both = float((judged & movers).sum())
    return MaskScores(
        iou=both / float((judged | movers).sum()),
        precision=both / float(judged.sum()) if judged.any() else NAN,
        recall=both / float(movers.sum()),
        covered=float((found.object_id[movers] > 0).mean()),
    )
