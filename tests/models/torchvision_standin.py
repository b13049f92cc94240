"""The few functions of torchvision that segment_anything calls, written with torch and PIL.

Where torchvision is installed tests use that. On images of PIL torchvision's own resize is PIL's,
so what a network is shown is the same to the bit.
"""

import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers.utils  # looks for torchvision when it is imported: it must not find this one
from PIL import Image

_BOUND_TO_IT = (
    "segment_anything",
    "camvid.models.segmenters.segment_anything",
    "camvid.models.segmenters.sam_loading",
    "transformers.models.rf_detr.image_processing_rf_detr",
    "transformers.models.sam2.image_processing_sam2",
)


@contextmanager
def installed() -> Iterator[None]:
    """The stand-in among the modules, unless torchvision is there; nothing of it stays."""
    assert transformers.utils
    if importlib.util.find_spec("torchvision"):
        yield
        return
    _forget()
    functions = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"to_pil_image": Image.fromarray, "resize": resize},
        "torchvision.transforms.v2": {"functional": None},  # imported, never called
    }
    for name, members in functions.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
    try:
        yield
    finally:
        _forget()


def _forget() -> None:
    for name in list(sys.modules):
        if name.startswith(("torchvision", "segment_anything.")) or name in _BOUND_TO_IT:
            del sys.modules[name]


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def box_area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Non-maximum suppression within each group, the surest box first."""
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        rivals = [j for j in kept if idxs[j] == idxs[i]]
        if not rivals or bool((_iou(boxes[i], boxes[rivals]) <= iou_threshold).all()):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


def _iou(box: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    both = (high - low).clamp(min=0).prod(dim=1)
    return both / (box_area(box[None]) + box_area(boxes) - both)
