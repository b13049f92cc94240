"""Dense flow of a clip: right, and computed once however many stages ask."""

import numpy as np

from camvid.segmentation.flow import clip_flow


def sliding(num_frames: int, step_px: int, seed: int = 0) -> np.ndarray:
    """A textured wall that slides to the left; [T, H, W, 3]."""
    noise = np.random.default_rng(seed).integers(0, 255, (36, 80), np.uint8)
    wall = np.repeat(np.repeat(noise, 4, axis=0), 4, axis=1)
    views = [wall[:, t * step_px : t * step_px + 240] for t in range(num_frames)]
    return np.repeat(np.stack(views)[..., None], 3, axis=3)


def test_flow_leads_both_ways():
    flow = clip_flow(sliding(3, 2), 320)
    assert flow.forward[2] is None
    assert flow.backward[0] is None
    assert abs(float(np.median(flow.forward[0][..., 0])) + 2) < 0.1
    assert abs(float(np.median(flow.backward[1][..., 0])) - 2) < 0.1


def test_the_same_clip_is_not_computed_again():
    rgb = sliding(3, 2)
    first, again = clip_flow(rgb, 320), clip_flow(rgb.copy(), 320)
    assert again.forward[0] is first.forward[0]
    assert again.backward[2] is first.backward[2]


def test_another_clip_or_size_is():
    first = clip_flow(sliding(3, 2), 320)
    other = clip_flow(sliding(3, 3), 320)
    assert abs(float(np.median(other.forward[0][..., 0])) + 3) < 0.1
    smaller = clip_flow(sliding(3, 2), 120)
    assert smaller.forward[0].shape == (72, 120, 2)
    assert first.forward[0].shape == (144, 240, 2)


def test_what_is_shared_cannot_be_changed():
    flow = clip_flow(sliding(3, 2), 320)
    assert not flow.forward[0].flags.writeable
