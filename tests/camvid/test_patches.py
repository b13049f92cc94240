"""Patches of an image found again in an image that is warped by a known map."""

import cv2
import numpy as np
import pytest

from camvid.tracking.patches import cut_patches, find_patches

TURN = cv2.getRotationMatrix2D((80, 60), 9, 1.1).astype(np.float32)  # 2x3; centres from 0


@pytest.fixture
def still() -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, (120, 160)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 20, 180, cv2.NORM_MINMAX)


@pytest.fixture
def xy() -> np.ndarray:
    return np.random.default_rng(1).uniform([45, 35], [115, 85], (200, 2)).astype(np.float32)


def search(image, patches, near):
    still = np.broadcast_to(np.eye(2, dtype=np.float32), (len(near), 2, 2))
    return find_patches(image, patches, near.astype(np.float32), still)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.6, 30.0), (1.3, -10.0)])
def test_turned_stretched_and_relit_patches_are_found(still, xy, gain, offset):
    turned = gain * cv2.warpAffine(still, TURN, (160, 120), flags=cv2.INTER_CUBIC) + offset
    truth = xy @ TURN[:, :2].T + TURN[:, 2]
    near = truth + np.random.default_rng(2).uniform(-0.7, 0.7, truth.shape)
    found = search(turned, cut_patches(still, xy), near)
    rests = found.last_step_px < 0.05
    assert rests.mean() > 0.95
    assert np.linalg.norm(found.xy - truth, axis=1)[rests].max() < 0.08
    assert found.ncc[rests].min() > 0.99
    np.testing.assert_allclose(found.warp[rests].mean(axis=0), TURN[:, :2], atol=0.01)


def test_what_is_not_there_is_not_alike(still, xy):
    other = still[::-1, ::-1].copy()
    found = search(other, cut_patches(still, xy), xy)
    assert np.quantile(np.nan_to_num(found.ncc), 0.9) < 0.8


def test_flat_patches_do_no_harm(xy):
    flat = np.full((120, 160), 90, np.float32)
    found = search(flat, cut_patches(flat, xy), xy)
    np.testing.assert_allclose(found.xy, xy, atol=1e-3)
    assert (found.ncc == 0).all()
