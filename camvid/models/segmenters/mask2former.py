"""Mask2Former, the paper's own choice: instances with labels in every frame, then linked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import Mask2FormerForUniversalSegmentation
from transformers.image_transforms import get_size_with_aspect_ratio

from camvid.artifacts import U8, Clip, Frames, ObjectMasks
from camvid.models.checkpoints import locate
from camvid.models.segmenters.images import image_settings, normalised, resized
from camvid.models.segmenters.instances import Instance
from camvid.models.segmenters.labelled import instances_of, logits_at, named
from camvid.models.segmenters.linking import link
from camvid.models.segmenters.movable import movable_classes
from camvid.models.segmenters.options import Mask2FormerOptions
from camvid.models.torch_runtime import BatchSize, device, in_batches, inference, load_pretrained
from camvid.weights import Weight

_STRIDE = 32  # the backbone halves the image five times
_EDGES = {"shortest_edge": 800, "longest_edge": 1333}  # of COCO's training, if not told otherwise


class Mask2Former:
    """Masks what belongs to a class that may move."""

    def __init__(self, options: Mask2FormerOptions) -> None:
        self._options = options
        located = locate(options.checkpoint, licence=options.licence)
        self.weights: tuple[Weight, ...] = (located.weight,)
        self._device = device(options.device)
        self._model: Any = load_pretrained(
            Mask2FormerForUniversalSegmentation, located.path, self._device
        )
        self._settings = image_settings(located.path)
        self._names = movable_classes(self._model.config.id2label, options.movable, located.path)
        self._batch_size = BatchSize(options.batch_size)

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        if len(frames.rgb) == 0:
            return ObjectMasks.none(*frames.rgb.shape[:3])
        with inference():
            found = in_batches(self._look, list(frames.rgb), size=self._batch_size)
        return link(found, frames.rgb, clip.fps, self._options.link)

    def _look(self, rgb: Sequence[U8]) -> list[list[Instance]]:
        size = rgb[0].shape[:2]
        images = resized(rgb, input_size(size, self._settings.size or _EDGES), self._device)
        seen = self._model(pixel_values=normalised(images, self._settings, self._model.dtype))
        return [
            read_out(classes, masks, size, self._names, self._options.min_score)
            for classes, masks in zip(
                seen.class_queries_logits, seen.masks_queries_logits, strict=True
            )
        ]


def input_size(size: tuple[int, int], wanted: Mapping[str, int]) -> tuple[int, int]:
    """(height, width) for the network, whose sides the backbone can halve.

    The image is stretched by that little, not padded: nothing has to be cut off again.
    """
    if "shortest_edge" in wanted:
        size = get_size_with_aspect_ratio(size, wanted["shortest_edge"], wanted.get("longest_edge"))
    else:
        size = (wanted["height"], wanted["width"])
    height, width = (math.ceil(side / _STRIDE) * _STRIDE for side in size)
    return height, width


def read_out(
    class_logits: torch.Tensor,
    mask_logits: torch.Tensor,
    size: tuple[int, int],
    names: Mapping[int, str],
    min_score: float,
) -> list[Instance]:
    """Instances of one frame of `size` (height, width) from the logits of Q queries.

    `class_logits` [Q, C + 1], the last for "nothing"; `mask_logits` [Q, h, w]. A score is the
    probability of the class times that of the mask's own pixels.
    """
    probability = class_logits.float().softmax(dim=-1)[:, :-1]
    num_queries, num_classes = probability.shape
    best, place = probability.flatten().topk(num_queries)
    classes, queries = place % num_classes, place // num_classes
    kept = (best >= min_score) & named(classes, names)
    logits = logits_at(mask_logits[queries[kept]], size)
    masks = logits > 0
    area = masks.flatten(1).sum(dim=1)
    scores = best[kept] * (logits.sigmoid() * masks).flatten(1).sum(dim=1) / (area + 1e-6)
    sure = scores >= min_score
    return instances_of(masks[sure], scores[sure], classes[kept][sure], names)
