"""The fifteen input channels and what being unconditional means."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from camvid.genxd.conditioning import Conditions  # noqa: E402


def make_conditions(indicator: list[int]) -> Conditions:
    num_samples = len(indicator)
    is_given = torch.zeros(num_samples, 3, dtype=torch.bool)
    is_given[:, 0] = True
    latents = torch.full((num_samples, 3, 4, 8, 8), float("nan"))
    latents[is_given] = 7.0
    return Conditions.from_samples(
        latents=latents,
        is_given=is_given,
        rays=torch.full((num_samples, 3, 6, 8, 8), 3.0),
        indicator=torch.tensor(indicator),
        motion_ids=torch.full((num_samples,), 5.0),
    )


def constant_channels(frame: Tensor) -> list[float]:
    """The value of each channel of [C, H, W], all of whose pixels must be equal."""
    assert torch.equal(frame, frame[:, :1, :1].expand_as(frame))
    return frame[:, 0, 0].tolist()


def test_channels_in_the_released_order() -> None:
    sample = make_conditions([2]).unet_sample(torch.full((1, 3, 4, 8, 8), 0.5))
    assert constant_channels(sample[0, 0]) == [7] * 4 + [0] * 4 + [3] * 6 + [1]
    assert constant_channels(sample[0, 1]) == [0.5] * 4 + [0] * 4 + [3] * 6 + [0]


def test_video_has_no_cameras() -> None:
    conditions = make_conditions([0, 1, 2])
    assert conditions.added_time_ids[:, 0].tolist() == [[0, 1], [0, 0], [0, 1]]
    assert conditions.added_time_ids.shape == (3, 3, 2)
    assert not conditions.rays[1].any()
    assert conditions.rays[[0, 2]].all()


def test_unconditional_keeps_mask_and_kind() -> None:
    conditions = make_conditions([2]).unconditional()
    sample = conditions.unet_sample(torch.full((1, 3, 4, 8, 8), 0.5))
    assert constant_channels(sample[0, 0]) == [0] * 14 + [1]
    assert constant_channels(sample[0, 1]) == [0.5] * 4 + [0] * 11
    assert not conditions.added_time_ids.any()
    assert conditions.motion_ids.tolist() == [0]
    assert conditions.indicator.tolist() == [2]


def test_samples_are_dropped_one_by_one() -> None:
    conditions = make_conditions([2, 2]).dropped(torch.tensor([True, False]))
    assert conditions.motion_ids.tolist() == [0, 5]
    assert [bool(r.any()) for r in conditions.rays] == [False, True]
    assert [bool(g.any()) for g in conditions.given_latents] == [False, True]


def test_indicator_stays_on_the_cpu() -> None:
    conditions = make_conditions([0, 2]).to("meta")
    assert conditions.unet_sample(torch.zeros(2, 3, 4, 8, 8, device="meta")).is_meta
    assert conditions.motion_ids.is_meta
    assert conditions.indicator.tolist() == [0, 2]


def test_unknown_indicator_is_refused() -> None:
    with pytest.raises(ValueError, match=r"indicator must be 0, 1 or 2, got \[0, 3\]"):
        make_conditions([0, 3])
