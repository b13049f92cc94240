"""What every segmenter keeps to, whatever is inside: one test body for all of them."""

import numpy as np

from camvid.artifacts import U8, Frames, ObjectMasks
from camvid.models.protocols import Segmenter
from tests.models.crossing_scene import clip_of


def segment(segmenter: Segmenter, rgb: U8) -> ObjectMasks:
    """The objects of images [T, H, W, 3], checked against everything the Protocol promises."""
    before = rgb.copy()
    masks = segmenter.segment(clip_of(rgb), Frames(rgb=rgb))
    np.testing.assert_array_equal(rgb, before)
    assert masks.object_id.dtype == np.uint16
    assert masks.object_id.shape == rgb.shape[:3]
    listed = [item.object_id for item in masks.objects]
    assert sorted(listed) == sorted(set(np.unique(masks.object_id).tolist()) - {0})
    assert all(item.label and 0 <= item.score <= 1 for item in masks.objects)
    return masks


def assert_contract(segmenter: Segmenter, rgb: U8) -> ObjectMasks:
    """Shapes, types, determinism, no frame, one, odd sizes, nothing to see; gives what it found."""
    masks = segment(segmenter, rgb)
    again = segment(segmenter, rgb)
    np.testing.assert_array_equal(masks.object_id, again.object_id)
    assert masks.objects == again.objects
    assert segment(segmenter, rgb[:0]).objects == ()
    segment(segmenter, rgb[:1])
    segment(segmenter, np.ascontiguousarray(rgb[:2, 3:-2, : rgb.shape[2] // 3]))  # upright
    segment(segmenter, np.full((2, 49, 95, 3), 128, np.uint8))
    assert all(weight.sha256 and weight.licence for weight in segmenter.weights)
    return masks
