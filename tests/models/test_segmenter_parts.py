"""The parts of the segmenters, each against the model's own processor or against known answers."""

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import Mask2FormerImageProcessorPil

from camvid.artifacts import F32, U8, MaskedObject, ObjectMasks
from camvid.errors import BackendUnavailable
from camvid.models.segmenters import mask2former, rf_detr_seg
from camvid.models.segmenters.images import (
    ImageSettings,
    normalised,
    resized,
    resized_plainly,
)
from camvid.models.segmenters.instances import Instance, cut_out, shrunk
from camvid.models.segmenters.labelled import logits_at
from camvid.models.segmenters.movable import MOVABLE, movable_classes
from camvid.models.segmenters.prompts import prompts_of
from tests.models import torchvision_standin

CPU = torch.device("cpu")
NAMES = {0: "person", 1: "car"}
GREY_LEVEL = 1 / 255 / 0.224  # of the least forgiving colour channel, once normalised


def photo(height: int = 117, width: int = 161) -> U8:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def settings(**size: int) -> ImageSettings:
    return ImageSettings(size=size)


# Images


@pytest.mark.parametrize("shape", [(360, 640), (640, 360), (720, 300)])
def test_mask2former_is_shown_what_its_own_processor_shows(shape: tuple[int, int]) -> None:
    size = {"shortest_edge": 400, "longest_edge": 667}
    theirs = Mask2FormerImageProcessorPil(size=size)(photo(*shape), return_tensors="pt")
    wanted = mask2former.input_size(shape, size)
    ours = normalised(resized([photo(*shape)], wanted, CPU), settings(), torch.float32)
    assert ours.shape == theirs["pixel_values"].shape
    difference = (ours - theirs["pixel_values"]).abs()
    assert difference.max() <= 1.01 * GREY_LEVEL  # where the two round to different sides
    assert difference.mean() <= 0.3 * GREY_LEVEL


def plain_bilinear(rgb: U8, height: int, width: int) -> F32:
    """The documented arithmetic, slow and obvious: pixel centres at 0.5, no smoothing."""
    y = np.clip((np.arange(height) + 0.5) * rgb.shape[0] / height - 0.5, 0, rgb.shape[0] - 1)
    x = np.clip((np.arange(width) + 0.5) * rgb.shape[1] / width - 0.5, 0, rgb.shape[1] - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    low, right = np.minimum(top + 1, rgb.shape[0] - 1), np.minimum(left + 1, rgb.shape[1] - 1)
    v, u = (y - top)[:, None, None], (x - left)[None, :, None]
    image = rgb.astype(np.float64)
    upper = image[top][:, left] * (1 - u) + image[top][:, right] * u
    lower = image[low][:, left] * (1 - u) + image[low][:, right] * u
    return (upper * (1 - v) + lower * v).astype(np.float32)


def test_rf_detr_is_shown_what_its_processor_documents() -> None:
    """Scaled to 0 to 1, resized without smoothing, normalised."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    theirs = (plain_bilinear(photo(), 112, 112) / 255 - mean) / std
    images = resized_plainly([photo()], (112, 112), CPU)
    ours = normalised(images, settings(), torch.float32)[0].permute(1, 2, 0)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


@pytest.mark.parametrize("shrink", [resized, resized_plainly])
def test_a_ramp_stays_where_it_was(shrink: Callable[..., torch.Tensor]) -> None:
    """Equivariance: a network pixel shows the colour of the place it covers, in x and in y."""
    x = np.broadcast_to(np.arange(160, dtype=np.uint8), (120, 160))
    y = np.broadcast_to(np.arange(120, dtype=np.uint8)[:, None], (120, 160))
    small = shrink([np.stack([x, y, x], axis=-1)], (40, 32), CPU)[0, :, 2:-2, 2:-2].numpy()
    np.testing.assert_array_equal(small[0], np.tile(np.arange(2, 30) * 5.0 + 2, (36, 1)))
    np.testing.assert_array_equal(small[1], np.tile(np.arange(2, 38)[:, None] * 3.0 + 1, (1, 28)))


@pytest.mark.parametrize(("asked", "side"), [(0, 560), (432, 448), (560, 560), (20, 56)])
def test_rf_detr_sees_a_square_that_its_windows_divide(asked: int, side: int) -> None:
    backbone = SimpleNamespace(patch_size=14, image_size=[560, 560], num_windows=4)
    assert rf_detr_seg.input_side(asked, SimpleNamespace(backbone_config=backbone)) == side


# From logits to instances


def ramps(height: int, width: int, columns: float, rows: float) -> torch.Tensor:
    """Logits [2, h, w] at a quarter of the size: above 0 right of `columns`, and below `rows`."""
    x = (torch.arange(width // 4) + 0.5) * 4
    y = (torch.arange(height // 4) + 0.5) * 4
    right = (x - columns).expand(height // 4, -1)
    below = (y - rows)[:, None].expand(-1, width // 4)
    return torch.stack([right, below])


@pytest.mark.parametrize("read_out", [mask2former.read_out, rf_detr_seg.read_out])
def test_masks_lie_where_their_logits_do(read_out: Callable[..., list[Instance]]) -> None:
    """To the pixel: a mask that begins at column 61 has that column and not the one before."""
    classes = torch.tensor([[9.0, -9, -9], [-9, 9, -9]])
    found = read_out(classes, ramps(120, 160, 61, 34), (120, 160), NAMES, 0.1)
    right, below = sorted(found, key=lambda i: i.label, reverse=True)
    assert (right.x_px, right.y_px, right.mask.shape) == (61, 0, (120, 99))
    assert (below.x_px, below.y_px, below.mask.shape) == (0, 34, (86, 160))
    assert right.mask.all()
    assert below.mask.all()


def random_logits(num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(4)
    coarse = torch.randn(12, 6, 8, generator=random)
    return 3 * torch.randn(12, num_classes, generator=random), logits_at(coarse, (24, 32))


def as_rows(found: list[Instance], size: tuple[int, int]) -> dict[tuple[str, float], U8]:
    rows = {}
    for instance in found:
        whole = np.zeros(size, np.bool_)
        whole[instance.window] = instance.mask
        rows[instance.label, round(instance.score, 5)] = whole
    return rows


def test_mask2former_reads_out_what_its_own_processor_does() -> None:
    classes, masks = random_logits(4)
    outputs = SimpleNamespace(class_queries_logits=classes[None], masks_queries_logits=masks[None])
    (theirs,) = Mask2FormerImageProcessorPil().post_process_instance_segmentation(
        outputs, threshold=0.4, return_binary_maps=True
    )
    names = dict(enumerate("abc"))
    ours = as_rows(mask2former.read_out(classes, masks, (384, 384), names, 0.4), (384, 384))
    assert len(ours) == len(theirs["segments_info"]) > 2
    for row, mask in zip(theirs["segments_info"], theirs["segmentation"], strict=True):
        mine = ours[names[row["label_id"]], round(row["score"], 5)]
        np.testing.assert_array_equal(mine, mask.numpy() > 0)


def test_rf_detr_reads_out_what_its_own_processor_does() -> None:
    classes, masks = random_logits(3)
    with torchvision_standin.installed():
        module = importlib.import_module("transformers.models.rf_detr.image_processing_rf_detr")
        (theirs,) = module.RfDetrImageProcessor.post_process_instance_segmentation(
            None,
            SimpleNamespace(logits=classes[None], pred_masks=masks[None]),
            threshold=0.6,
            target_sizes=[(117, 161)],
            return_binary_maps=True,
        )
    names = dict(enumerate("abc"))
    ours = as_rows(rf_detr_seg.read_out(classes, masks, (117, 161), names, 0.6), (117, 161))
    assert len(ours) == len(theirs["segments_info"]) > 2
    for row, mask in zip(theirs["segments_info"], theirs["segmentation"], strict=True):
        mine = ours[names[row["label_id"]], round(row["score"], 5)]
        np.testing.assert_array_equal(mine, mask.numpy())


def test_sam2_masks_are_enlarged_as_by_its_own_processor() -> None:
    _, masks = random_logits(3)
    with torchvision_standin.installed():
        module = importlib.import_module("transformers.models.sam2.image_processing_sam2")
        (theirs,) = module.Sam2ImageProcessor.post_process_masks(
            None, [masks[:, None]], [(117, 161)], binarize=False
        )
    np.testing.assert_array_equal(logits_at(masks, (117, 161)).numpy(), theirs[:, 0].numpy())


def test_nothing_found_is_no_error() -> None:
    classes, masks = torch.full((3, 3), -9.0), torch.zeros(3, 6, 8)
    assert rf_detr_seg.read_out(classes, masks, (24, 32), NAMES, 0.5) == []
    assert mask2former.read_out(classes, masks, (24, 32), {}, 0.5) == []


# Classes


def test_movable_classes_are_found_by_any_of_their_names() -> None:
    labels = {0: "wall", 1: "Car, auto, automobile", 2: "person", 3: "tree", 4: "traffic light"}
    assert movable_classes(labels, MOVABLE, Path("w")) == {1: "car", 2: "person"}


def test_a_checkpoint_without_movable_classes_is_refused() -> None:
    with pytest.raises(BackendUnavailable, match=r"one class of .* named in `movable`.*'LABEL_0'"):
        movable_classes({0: "LABEL_0"}, MOVABLE, Path("w"))


# Places


def test_a_mask_made_smaller_is_looked_up_at_pixel_centres() -> None:
    mask = np.zeros((117, 161), np.bool_)
    mask[20:77, 31:90] = True
    instance = cut_out(mask, "", 1.0)
    assert instance is not None
    y = ((np.arange(58) + 0.5) * 117 / 58).astype(int)
    x = ((np.arange(80) + 0.5) * 161 / 80).astype(int)
    np.testing.assert_array_equal(shrunk(instance, (161, 117), (80, 58)), mask[np.ix_(y, x)])


def test_a_prompt_is_the_box_of_pixel_centres_and_a_point_inside() -> None:
    object_id = np.zeros((3, 20, 30), np.uint16)
    object_id[0, 5:8, 4:6] = 7
    object_id[1, 5:12, 4:15] = 7
    object_id[2] = 7  # everything merged, for a moment
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(7, "moving", 0.5),))
    (prompt,) = prompts_of(masks, 0.6)
    assert prompt.frame == 1
    assert prompt.box_px == (4.5, 5.5, 14.5, 11.5)
    assert prompt.inside_px[1] == 8.5
    assert 7.5 <= prompt.inside_px[0] <= 11.5
    assert math.isclose(prompt.item.score, 0.5)
