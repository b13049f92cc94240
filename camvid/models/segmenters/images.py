"""Frames -> what the networks take: resized, scaled and normalised on their device.

transformers' own processors do the same arithmetic, but need torchvision; tests compare the two.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from camvid.artifacts import U8
from camvid.errors import BackendUnavailable

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How a checkpoint wants its images; values of colours count from 0 to 1."""

    size: Mapping[str, int]  # as the checkpoint spells it: height and width, or edges; may be empty
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD


def image_settings(folder: Path) -> ImageSettings:
    """What the processor's file in a checkpoint's folder says; ImageNet's colours without one."""
    settings = _processor_file(folder)
    return ImageSettings(
        size=dict(settings.get("size") or {}),
        mean=tuple(settings.get("image_mean") or _IMAGENET_MEAN),
        std=tuple(settings.get("image_std") or _IMAGENET_STD),
    )


def _processor_file(folder: Path) -> dict[str, Any]:
    for name in ("preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if path.is_file():
            try:
                settings = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise BackendUnavailable(f"{path} must be JSON: {error}") from error
            return settings.get("image_processor", settings)
    return {}


def resized(rgb: Sequence[U8], size: tuple[int, int], where: torch.device) -> torch.Tensor:
    """Images [H, W, 3] at `size` (height, width), as [B, 3, h, w] of whole numbers 0 to 255.

    Bilinear, smoothed where it shrinks. On the CPU and in bytes, as torchvision does it: the same
    whatever the device, and but for a grey level here and there what PIL gives.
    """
    small = functional.interpolate(
        _batch(rgb), size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return small.to(where).float()


def resized_plainly(rgb: Sequence[U8], size: tuple[int, int], where: torch.device) -> torch.Tensor:
    """The same without smoothing or rounding, as RF-DETR was trained."""
    images = _batch(rgb).to(where).float()
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _batch(rgb: Sequence[U8]) -> torch.Tensor:
    """[B, 3, H, W] bytes."""
    return torch.from_numpy(np.stack(rgb)).permute(0, 3, 1, 2)


def normalised(images: torch.Tensor, settings: ImageSettings, dtype: torch.dtype) -> torch.Tensor:
    """Values 0 to 255 [B, 3, h, w] as the network takes them."""
    mean = torch.tensor(settings.mean, device=images.device)[:, None, None]
    std = torch.tensor(settings.std, device=images.device)[:, None, None]
    return ((images / 255 - mean) / std).to(dtype)
