"""SAM: everything in every frame, linked over time; what moves is kept.

SAM's masks have no class. So evidence of motion decides which of them begin an object; others may
only continue one, so that an object stays masked when it stops, and before it starts.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from segment_anything import SamAutomaticMaskGenerator

from camvid.artifacts import U8, Clip, Frames, ObjectMasks
from camvid.errors import BackendError
from camvid.models.checkpoints import locate
from camvid.models.segmenters.instances import Instance, cut_out, shrunk
from camvid.models.segmenters.linking import link
from camvid.models.segmenters.moving import evidence_alone
from camvid.models.segmenters.options import SegmentAnythingOptions
from camvid.models.segmenters.sam_loading import load_sam
from camvid.models.torch_runtime import device, dtype, free, inference
from camvid.objects import Origin
from camvid.segmentation.flow import clip_flow
from camvid.weights import Weight

_LABEL = "moving"  # all that is known of it


class SegmentAnything:
    """Masks what moves, outlined by SAM."""

    def __init__(self, options: SegmentAnythingOptions) -> None:
        self._options = options
        located = locate(options.checkpoint, licence=options.licence)
        self.weights: tuple[Weight, ...] = (located.weight,)
        model: Any = load_sam(located.path).to(device(options.device))
        model.image_encoder = _Encoder(model.image_encoder, dtype(model.device))
        self._generator: Any = SamAutomaticMaskGenerator(
            model,
            points_per_side=options.points_per_side,
            points_per_batch=options.batch_size,
            pred_iou_thresh=options.min_predicted_iou,
            stability_score_thresh=options.min_stability,
        )

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        if len(frames.rgb) == 0:
            return ObjectMasks.none(*frames.rgb.shape[:3])
        flow = clip_flow(frames.rgb, self._options.link.working_side_px)
        evidence = evidence_alone(flow, clip.fps).strength
        size_px = (frames.rgb.shape[2], frames.rgb.shape[1])
        with inference():
            found = [
                choose(self._look(rgb), motion, size_px, self._options)
                for rgb, motion in zip(frames.rgb, evidence, strict=True)
            ]
        return link(found, frames.rgb, clip.fps, self._options.link, flow, Origin.MOVING)

    def _look(self, rgb: U8) -> list[Instance]:
        """All masks of an image [H, W, 3]; asks about fewer points at once where memory ends."""
        while True:
            try:
                records = self._generator.generate(rgb)
                break
            except torch.OutOfMemoryError as error:
                if self._generator.points_per_batch == 1:
                    raise BackendError(
                        "SAM must fit in the GPU's memory with one point at a time, but does not:"
                        " give the stage more of a GPU (resources.gpus), or set device = 'cpu'"
                    ) from error
            self._generator.points_per_batch //= 2
            free()
        found = [
            cut_out(r["segmentation"], _LABEL, min(1.0, max(0.0, r["predicted_iou"])))
            for r in records
        ]
        return [instance for instance in found if instance is not None]


class _Encoder(torch.nn.Module):
    """The image encoder, nearly all of SAM's cost, in half precision; the rest stays in fp32.

    The package's own post-processing goes through numpy, which has no bf16.
    """

    def __init__(self, encoder: Any, precision: torch.dtype) -> None:
        super().__init__()
        self.encoder = encoder.to(precision)
        self.img_size: int = encoder.img_size
        self._precision = precision

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images.to(self._precision)).float()


def choose(
    found: list[Instance], motion: U8, size_px: tuple[int, int], options: SegmentAnythingOptions
) -> list[Instance]:
    """The masks of a frame of `size_px` (width, height); those that move may begin an object.

    `motion` [h, w] is evidence, 128 at the threshold. SAM gives wholes and their parts: the masks
    that gather most moving pixels and fewest still ones come first, and what they cover begins no
    object of its own.
    """
    moving = motion >= 128
    masks = [shrunk(instance, size_px, moving.shape[::-1]) for instance in found]
    areas = np.array([max(1, mask.sum()) for mask in masks])
    moved = np.array([(mask & moving).sum() for mask in masks])
    taken = np.zeros_like(moving)
    chosen: list[Instance] = []
    for k in np.argsort(areas - 2 * moved, kind="stable"):
        if areas[k] > options.max_area_fraction * moving.size:
            continue
        covered = (masks[k] & taken).sum() > options.link.max_covered * areas[k]
        begins = bool(moved[k] >= options.min_moving_share * areas[k] and not covered)
        if begins:
            taken |= masks[k]
        chosen.append(replace(found[k], begins=begins))
    return chosen
