"""RF-DETR-Seg: instances with labels in every frame, at a rate near real time, then linked."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import RfDetrForInstanceSegmentation

from camvid.artifacts import U8, Clip, Frames, ObjectMasks
from camvid.models.checkpoints import locate
from camvid.models.segmenters.images import image_settings, normalised, resized_plainly
from camvid.models.segmenters.instances import Instance
from camvid.models.segmenters.labelled import instances_of, logits_at, named
from camvid.models.segmenters.linking import link
from camvid.models.segmenters.movable import movable_classes
from camvid.models.segmenters.options import RfDetrSegOptions
from camvid.models.torch_runtime import BatchSize, device, in_batches, inference, load_pretrained
from camvid.weights import Weight


class RfDetrSeg:
    """Masks what belongs to a class that may move."""

    def __init__(self, options: RfDetrSegOptions) -> None:
        self._options = options
        located = locate(options.checkpoint, licence=options.licence)
        self.weights: tuple[Weight, ...] = (located.weight,)
        self._device = device(options.device)
        self._model: Any = load_pretrained(
            RfDetrForInstanceSegmentation, located.path, self._device
        )
        self._settings = image_settings(located.path)
        self._side_px = input_side(
            options.side_px or self._settings.size.get("height", 0), self._model.config
        )
        self._names = movable_classes(self._model.config.id2label, options.movable, located.path)
        self._batch_size = BatchSize(options.batch_size)

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        if len(frames.rgb) == 0:
            return ObjectMasks.none(*frames.rgb.shape[:3])
        with inference():
            found = in_batches(self.look, list(frames.rgb), size=self._batch_size)
        return link(found, frames.rgb, clip.fps, self._options.link)

    def look(self, rgb: Sequence[U8]) -> list[list[Instance]]:
        """Instances of each of a batch of images."""
        images = resized_plainly(rgb, (self._side_px, self._side_px), self._device)
        seen = self._model(pixel_values=normalised(images, self._settings, self._model.dtype))
        return [
            read_out(classes, masks, rgb[0].shape[:2], self._names, self._options.min_score)
            for classes, masks in zip(seen.logits, seen.pred_masks, strict=True)
        ]


def input_side(asked_px: int, config: Any) -> int:
    """The nearest side that the network's windows divide; 0 asks for the one it was trained at.

    The input is a square: transformers confuses rows and columns of windows in any other.
    """
    backbone = config.backbone_config
    patch, trained = (
        value if isinstance(value, int) else value[0]
        for value in (backbone.patch_size, backbone.image_size)
    )
    step = patch * backbone.num_windows
    return max(1, round((asked_px or trained) / step)) * step


def read_out(
    class_logits: torch.Tensor,
    mask_logits: torch.Tensor,
    size: tuple[int, int],
    names: Mapping[int, str],
    min_score: float,
) -> list[Instance]:
    """Instances of one frame of `size` (height, width) from the logits of Q queries.

    `class_logits` [Q, C], of which each speaks for itself; `mask_logits` [Q, h, w].
    """
    probability = class_logits.float().sigmoid()
    num_queries, num_classes = probability.shape
    best, place = probability.flatten().topk(num_queries)
    classes, queries = place % num_classes, place // num_classes
    kept = (best > min_score) & named(classes, names)
    masks = logits_at(mask_logits[queries[kept]], size) > 0
    return instances_of(masks, best[kept], classes[kept], names)
