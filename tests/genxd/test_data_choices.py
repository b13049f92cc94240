"""Frames, crops and condition views of a training sample, and the options for them."""

from typing import Any

import numpy as np
import pytest

from camvid.errors import ClipError, ConfigError
from camvid.genxd.data.choices import choose_frames, choose_framing, choose_given
from camvid.genxd.data.options import DataOptions
from camvid.geometry import cam_from_img, img_from_cam
from camvid.outcome import Kind
from workflows.configs import load_training_config


@pytest.mark.parametrize("fit", ["random_crop", "centre_crop", "pad"])
@pytest.mark.parametrize("image_hw", [(360, 640), (640, 360), (200, 256), (90, 50)])
def test_K_goes_with_the_image(fit: Any, image_hw: tuple[int, int]) -> None:
    """A spot stays where K projects its point, whatever the framing."""
    options = DataOptions(height_px=256, width_px=192, fit=fit)
    K = np.array([[300.0, 0, image_hw[1] / 2], [0, 310.0, image_hw[0] / 2 - 4], [0, 0, 1]])
    y, x = np.mgrid[: image_hw[0], : image_hw[1]] + 0.5
    spot_xy = np.array([image_hw[1] * 0.53, image_hw[0] * 0.46])
    spot = np.exp(-((x - spot_xy[0]) ** 2 + (y - spot_xy[1]) ** 2) / (2 * 4.0**2))
    image = np.repeat(np.uint8(255 * spot)[..., None], 3, axis=2)
    num_seen = 0
    for seed in range(8):
        framing = choose_framing(image_hw, options, np.random.default_rng(seed))
        framed = framing.of_image(image, (256, 192)).astype(np.float64)[..., 0]
        assert framed.shape == (256, 192)
        K_framed = framing.of_K(K, (256, 192))
        wanted, _ = img_from_cam(K_framed, cam_from_img(K, spot_xy, np.array(1.0)))
        if not (25 < wanted[0] < 192 - 25):
            continue  # a random crop may leave the spot out
        rows, columns = np.mgrid[:256, :192] + 0.5
        seen = np.array([(framed * columns).sum(), (framed * rows).sum()]) / framed.sum()
        np.testing.assert_allclose(seen, wanted, atol=0.1)
        num_seen += 1
    assert num_seen >= 3


def test_crops_fill_the_image_and_padding_keeps_all_of_it() -> None:
    white = np.full((90, 160, 3), 255, np.uint8)
    for fit, share in (("random_crop", 1.0), ("centre_crop", 1.0), ("pad", 90 / 160)):
        options = DataOptions(height_px=128, width_px=128, fit=fit)  # type: ignore[arg-type]
        framing = choose_framing((90, 160), options, np.random.default_rng(0))
        framed = framing.of_image(white, (128, 128))
        assert framed.mean() / 255 == pytest.approx(share, abs=1e-3)
    lefts = {
        choose_framing((90, 160), DataOptions(), np.random.default_rng(s)).x_px for s in range(200)
    }
    assert min(lefts) == 0
    assert max(lefts) == 160 - 90


def test_what_is_not_padding_is_known() -> None:
    options = DataOptions(height_px=64, width_px=64, fit="pad")
    for image_hw in ((90, 160), (160, 90), (97, 101)):
        framing = choose_framing(image_hw, options, np.random.default_rng(0))
        framed = framing.of_image(np.full((*image_hw, 3), 200, np.uint8), (64, 64))
        rows, columns = framing.content(image_hw, (64, 64))
        assert (framed[rows, columns] == 200).all()
        outside = np.ones((64, 64), bool)
        outside[rows, columns] = False
        assert (framed[outside] < 200).mean() > 0.9
        assert framed[rows, columns].shape[:2] == pytest.approx(
            np.array(image_hw) * 64 / max(image_hw), abs=2
        )


def test_frames_are_chosen_by_time() -> None:
    times = np.arange(120) / 24
    options = DataOptions(num_frames=8, min_gap_s=0.25, max_gap_s=0.25)
    starts: set[int] = set()
    for seed in range(40):
        chosen = np.array(choose_frames(times, options, np.random.default_rng(seed)))
        assert set(np.diff(chosen)) == {6}
        starts.add(int(chosen[0]))
    assert min(starts) < 10
    assert max(starts) > 65  # to 119 - 42 = 77
    uneven = np.concatenate([times[:24], times[48:]])  # a second without frames
    chosen = choose_frames(uneven, options, np.random.default_rng(1))
    assert np.abs(np.diff(uneven[chosen]) - 0.25).max() < 1


def test_short_clips_give_smaller_gaps_and_each_frame_once() -> None:
    options = DataOptions(num_frames=8, min_gap_s=0.25, max_gap_s=1)
    rng = np.random.default_rng(0)
    assert choose_frames(np.arange(8) / 24, options, rng) == list(range(8))
    crowded = np.array([0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 5.0])
    for times in (crowded, np.sort(5 - crowded)):
        chosen = choose_frames(times, options, rng)
        assert len(set(chosen)) == 8
        assert chosen == sorted(chosen)
        assert chosen[-1] == 8  # the far one is among them
        assert 0 <= chosen[0] <= 1
    with pytest.raises(ClipError, match="num_frames must be at most the clip's usable frames, 7"):
        choose_frames(crowded[:7], options, rng)


def test_views_of_a_static_scene_lie_further_apart() -> None:
    times, options = np.arange(240) / 24, DataOptions()  # a clip of 10 s

    def spans(kind: Kind) -> list[float]:
        chosen = (
            choose_frames(times, options, np.random.default_rng(seed), kind) for seed in range(50)
        )
        return [times[frames[-1]] - times[frames[0]] for frames in chosen]

    assert max(spans("4d")) < 2.8
    assert max(spans("3d")) > 9
    assert min(spans("3d")) < 2.8
    assert np.median(spans("3d")) > 4


def test_given_views_are_those_of_the_rule() -> None:
    def places(**options: Any) -> dict[tuple[int, ...], int]:
        rng, found = np.random.default_rng(0), {}
        for _ in range(3000):
            given = tuple(np.flatnonzero(choose_given(DataOptions(**options), rng)).tolist())
            found[given] = found.get(given, 0) + 1
        return found

    released = places()
    assert set(released) == {(0,), (6,), (11,), (0, 11), (0, 5, 11)}
    assert sum(n for given, n in released.items() if len(given) == 1) / 3000 == pytest.approx(
        0.5, abs=0.05
    )
    assert released[(0, 11)] / 3000 == pytest.approx(0.25, abs=0.05)
    assert set(places(single_view_probability=1.0)) == {(0,), (6,), (11,)}
    anywhere = places(given_rule="any", max_given_views=5, single_view_probability=0.0)
    assert {len(given) for given in anywhere} == {2, 3, 4, 5}
    assert len({given[0] for given in anywhere}) > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height_px": 100}, "height_px must be a multiple of 64, above 0, got 100"),
        ({"num_frames": 1}, "num_frames must be 2 or more, got 1"),
        ({"max_gap_s": 0.01}, "max_gap_s must be at least min_gap_s, got 0.01"),
        ({"max_gap_3d_s": 0.01}, "max_gap_3d_s must be at least min_gap_s, got 0.01"),
        ({"dropout": 1.5}, r"dropout must be in \[0, 1\], got 1.5"),
        ({"share_3d": -1}, "share_3d must be 0 or more, got -1"),
        ({"max_given_views": 4}, "max_given_views must be from 1 to 3"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataOptions(**options)


def test_stages_mix_the_kinds_as_published() -> None:
    stages = {n: load_training_config(f"stage{n}", []).data.shares() for n in (1, 2, 3)}
    kinds = {n: {kind for kind, share in shares.items() if share} for n, shares in stages.items()}
    assert kinds == {1: {"3d"}, 2: {"3d", "4d"}, 3: {"3d", "4d"}}
