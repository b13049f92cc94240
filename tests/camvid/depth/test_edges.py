"""Depth edges that follow those of the picture."""

import numpy as np

from camvid.artifacts import F32, U8
from camvid.depth.edges import EdgeOptions, snap
from camvid.depth.static_scene import Layer

OPTIONS = EdgeOptions()
SHAPE = (60, 80)
NOWHERE = np.zeros(SHAPE, bool)


def picture() -> U8:
    """A red box on a green, speckled wall."""
    noise = np.random.default_rng(0).integers(0, 40, (*SHAPE, 1))
    rgb = np.where(np.zeros((*SHAPE, 3)) == 0, (60, 160, 60), 0) + noise
    rgb[20:40, 30:50] = (190, 50, 40)
    return rgb.astype(np.uint8)


def box(grown_px: int) -> F32:
    inv_depth = np.full(SHAPE, 0.2, np.float32)
    inv_depth[20 - grown_px : 40 + grown_px, 30 - grown_px : 50 + grown_px] = 0.4
    return inv_depth


def snapped(inv_depth: F32) -> Layer:
    return snap(Layer(inv_depth, np.zeros_like(inv_depth)), picture(), NOWHERE, OPTIONS)


def test_a_near_thing_gives_back_what_it_carried_along() -> None:
    wrong = (box(3) != box(0)).sum()
    found = snapped(box(3)).inv_depth
    assert (np.abs(found - box(0)) > 0.05).sum() < 0.2 * wrong


def test_right_edges_stay_and_are_told_to_be_less_sure() -> None:
    found = snapped(box(0))
    assert (np.abs(found.inv_depth - box(0)) > 0.02).sum() < 0.02 * found.inv_depth.size
    assert found.sigma[30, 29] == np.float32(OPTIONS.step_sigma)
    assert found.sigma[5, 5] == 0


def test_a_slanted_plane_has_no_steps() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    plane = (0.1 + 0.01 * y + 0.002 * x).astype(np.float32)
    found = snapped(plane)
    np.testing.assert_array_equal(found.inv_depth[8:-8, 8:-8], plane[8:-8, 8:-8])


def test_what_movers_hide_is_left_as_it_is() -> None:
    hidden = np.zeros(SHAPE, bool)
    hidden[10:50, 20:60] = True
    wrong = box(3)
    found = snap(Layer(wrong, np.zeros_like(wrong)), picture(), hidden, OPTIONS)
    np.testing.assert_array_equal(found.inv_depth[hidden], wrong[hidden])
