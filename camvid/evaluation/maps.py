"""Dense depth and masks against the truth, over static pixels and over movers apart."""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import F32, NAN, U16, Bool, Clip, DepthMaps, ObjectMasks
from camvid.scenes.truth import SceneTruth

DELTA = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthScores:
    """After one scale per clip: SfM has no metres."""

    abs_rel_static: float = NAN
    delta_static: float = NAN
    abs_rel_movers: float = NAN
    delta_movers: float = NAN


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

    def fit(picture: np.ndarray) -> np.ndarray:
        cut = np.ascontiguousarray(picture[y : y + height, x : x + width])
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

    def over(pixels: Bool) -> tuple[float, float]:
        if not pixels.any():
            return NAN, NAN
        ratio = scale * found.depth[pixels] / true_depth[pixels]
        within = np.maximum(ratio, 1 / ratio) < DELTA
        return float(np.abs(ratio - 1).mean()), float(within.mean())

    abs_rel_static, delta_static = over(static)
    abs_rel_movers, delta_movers = over(known & movers)
    return DepthScores(
        abs_rel_static=abs_rel_static,
        delta_static=delta_static,
        abs_rel_movers=abs_rel_movers,
        delta_movers=delta_movers,
    )


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
