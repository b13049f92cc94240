"""What the two networks with labels share: from masks on the device to instances."""

from collections.abc import Mapping

import torch
from torch.nn import functional

from camvid.models.segmenters.instances import Instance, cut_out


def named(classes: torch.Tensor, names: Mapping[int, str]) -> torch.Tensor:
    """[N] which of the class numbers have a name: those that may move."""
    return torch.isin(classes, torch.tensor(list(names), device=classes.device))


def logits_at(mask_logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Mask logits [N, h, w] at the frame's size (height, width), in fp32.

    Both images show the same, edge to edge: bilinear between pixel centres.
    """
    if len(mask_logits) == 0:
        return mask_logits.new_zeros((0, *size), dtype=torch.float32)
    return functional.interpolate(
        mask_logits[None].float(), size=size, mode="bilinear", align_corners=False
    )[0]


def instances_of(
    masks: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, names: Mapping[int, str]
) -> list[Instance]:
    """Instances of a frame from masks [N, H, W] bool, scores [N] and classes [N]."""
    found = [
        cut_out(mask, names[number], score)
        for mask, score, number in zip(
            masks.cpu().numpy(), scores.tolist(), classes.tolist(), strict=True
        )
    ]
    return [instance for instance in found if instance is not None]
