"""The 90 % interval of a strength: wide where tracks, cameras or depth are unsure."""

import numpy as np
import pytest

from camvid.artifacts import ObjectMotion
from camvid.motion import intervals

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def every_surface_is_seen(monkeypatch):
    monkeypatch.setattr(intervals, "_SAMPLING_ERROR", 0.0)


def interval(values, *, background=0.0, depth_uncertainty=0.4, missing=0.0, **known):
    strength = float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else np.nan
    motion = ObjectMotion(
        object_id=1,
        label="",
        motion_strength=strength,
        num_tracks=1,
        num_pairs=1,
        area_fraction=0.1,
        **{"low": strength, "high": strength, "lower_bound": 0.0} | known,
    )
    found = intervals.with_interval(
        motion, values, background=background, depth_uncertainty=depth_uncertainty, missing=missing
    )
    return strength, found.interval_low, found.interval_high


def test_ninety_percent_of_intervals_hold_the_truth():
    inside = 0
    for _ in range(400):
        tracks = RNG.normal(0.02, 0.004, 25)
        _, low, high = interval(tracks + RNG.normal(0, 0.001, (12, 25)))
        inside += low <= 0.02 <= high
    assert 0.84 < inside / 400 < 0.95


def test_a_noisy_background_widens_it_whatever_the_number_of_tracks():
    values = np.full((10, 1000), 0.02)
    strength, low, high = interval(values, background=0.005)
    assert high - strength == pytest.approx(1.645 * 0.004)
    noise_length = 0.02 - np.sqrt(0.02**2 - 0.005**2)
    assert strength - low == pytest.approx(high - strength + noise_length)


def test_tracks_speak_for_the_whole_object_so_far(monkeypatch):
    monkeypatch.setattr(intervals, "_SAMPLING_ERROR", 0.1)
    strength, low, high = interval(np.full((10, 50), 0.02))
    assert (low, high) == (pytest.approx(0.9 * strength), pytest.approx(1.1 * strength))


def test_what_was_not_measured_may_have_stood_still_or_moved_twice_as_fast():
    strength, low, high = interval(np.full((10, 50), 0.02), missing=0.75)
    assert (low, high) == (pytest.approx(0.25 * strength), pytest.approx(1.75 * strength))
    # where no depth explains what was measured, it surely moved then
    _, low, _ = interval(np.full((10, 50), 0.02), missing=0.75, lower_bound=0.018)
    assert low == pytest.approx(0.018)


def test_doubtful_depth_reaches_towards_its_bounds():
    values = np.full((10, 50), 0.02)
    _, low, high = interval(values, low=0.01, high=0.05, depth_uncertainty=1.0)
    assert (low, high) == (pytest.approx(0.01), pytest.approx(0.05))
    _, low, high = interval(values, low=0.01, high=0.05, depth_uncertainty=0.5)
    assert (low, high) == (pytest.approx(0.015), pytest.approx(0.035))


def test_what_no_depth_explains_is_sure():
    values = np.full((10, 50), 0.02)
    assert interval(values, low=0.0, depth_uncertainty=1.0, lower_bound=0.018)[1] == pytest.approx(
        0.018
    )


def test_it_is_never_below_zero_and_absent_without_a_strength():
    assert interval(np.full((5, 9), 0.001), background=0.01)[1] == 0.0
    assert np.isnan(interval(np.full((5, 9), np.nan))[1:]).all()
