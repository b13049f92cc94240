"""The spread of offsets of the principal point, and what it does to the focal length."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from camvid.sfm.center_wander import OffsetEquations, deviation_by_wander

NUM_FRAMES, NOISE_PX2 = 60, 0.04
FRAMES = np.arange(NUM_FRAMES, dtype=np.int32)


def equations(spread_px: float, seed: int) -> tuple[OffsetEquations, float]:
    """(equations of offsets with that spread, what they made of the focal length's logarithm)

    Most combinations of offsets are told well, some hardly, as a rotation makes up for them.
    """
    rng = np.random.default_rng(seed)
    offset = gaussian_filter1d(rng.normal(0, 1, (NUM_FRAMES, 2)), 1.5, axis=0, mode="wrap")
    offset = (spread_px * offset / offset.std()).ravel()
    axes, _ = np.linalg.qr(rng.normal(0, 1, (2 * NUM_FRAMES, 2 * NUM_FRAMES)))
    root = np.sqrt(np.geomspace(1e-3, 1e2, 2 * NUM_FRAMES))[:, None] * axes
    seen = root @ offset + rng.normal(0, NOISE_PX2**0.5, 2 * NUM_FRAMES)
    focal_per_px = rng.normal(0, 1e-3, 2 * NUM_FRAMES)
    known = OffsetEquations(root.T @ root, -root.T @ seen, focal_per_px, NOISE_PX2)
    return known, float(focal_per_px @ offset)


@pytest.mark.parametrize("spread_px", [0.5, 5.0])
def test_the_focal_length_is_as_unsure_as_wander_makes_it(spread_px):
    drawn = [equations(spread_px, seed) for seed in range(40)]
    errors = np.array([error for _, error in drawn])
    told = np.array([deviation_by_wander(known, FRAMES, 640) for known, _ in drawn])
    assert np.std(errors / told) == pytest.approx(1.0, abs=0.25)


def test_an_image_that_keeps_its_centre_makes_nothing_unsure():
    known, _ = equations(0.0, seed=1)
    assert deviation_by_wander(known, FRAMES, 640) < 1e-3
