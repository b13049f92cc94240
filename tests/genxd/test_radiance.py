"""A radiance field of a scene whose every view is known: two walls, one behind the other."""

import numpy as np
import pytest

pytest.importorskip("torch")

from camvid.artifacts import F32, F64
from camvid.genxd.radiance import FieldOptions, fit_field

SIDE, FOCAL_PX = 24, 24.0
QUICK = FieldOptions(num_cells=32, num_depths=32, near=0.5, num_steps=150, rays_per_step=512)
K = np.array([[FOCAL_PX, 0, SIDE / 2], [0, FOCAL_PX, SIDE / 2], [0, 0, 1]])


def camera(x: float) -> F64:
    return np.concatenate([np.eye(3), [[-x], [0.0], [0.0]]], axis=1)


def view(x: float) -> F32:
    """From a camera at x: a wall at depth 1 to the left of the world's x = 0, another at 2."""
    centres = (np.arange(SIDE) + 0.5 - SIDE / 2) / FOCAL_PX
    right, down = np.meshgrid(centres, centres)
    is_near = x + right < 0
    depth = np.where(is_near, 1.0, 2.0)
    place = x + right * depth
    waves = [np.sin(7 * place + shift) * np.cos(5 * down * depth) for shift in (0, 1, 2)]
    return np.stack([0.6 * wave + 0.3 * is_near for wave in waves]).astype(np.float32)


def psnr_db(fitted_to: list[float], seen_from: float) -> float:
    cameras = np.stack([camera(x) for x in fitted_to])
    views = np.stack([view(x) for x in fitted_to])
    field = fit_field(views, cameras, np.stack([K] * len(fitted_to)), QUICK)
    made = field.render(camera(seen_from), K, (SIDE, SIDE))
    return float(10 * np.log10(4 / np.square(made - view(seen_from)).mean()))


def test_more_views_show_more_of_what_no_fit_has_seen() -> None:
    """Well above the nearest view itself, whose parallax is wrong."""
    copied = float(10 * np.log10(4 / np.square(view(0.0) - view(0.1)).mean()))
    few, more = psnr_db([-0.3, 0.3], 0.1), psnr_db([-0.3, 0.3, 0.0, -0.15, 0.2], 0.1)
    assert few < more - 2
    assert more > copied + 5
    assert more > 24
