"""Measures against known values, by hand and by other implementations."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

from scipy.linalg import sqrtm  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.metrics import (  # noqa: E402
    NetworkWeights,
    Scorer,
    frechet_distance,
    psnr_db,
    ssim,
)

SCRIPTED = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def clip(seed: int, num_frames: int = 5) -> np.ndarray:
    """Smooth images [F, 32, 48, 3] of 8 bits."""
    noise = np.random.default_rng(seed).normal(size=(num_frames, 32, 48, 3))
    return np.clip(128 + 300 * gaussian_filter(noise, (0, 2, 2, 0)), 0, 255).astype(np.uint8)


def planes(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2)))


def ssim_by_hand(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Wang et al. 2004 on one image [H, W, 3]; what a window sees beyond the edge is left out."""

    def blur(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (1.5, 1.5, 0), truncate=5 / 1.5)[5:-5, 5:-5]

    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def test_psnr_of_known_noise() -> None:
    grey = np.full((2, 32, 48, 3), 100, np.uint8)
    off_by = grey.copy()
    off_by[0] += 1
    off_by[1, :, ::2] += 10
    expected = [20 * np.log10(255), 10 * np.log10(255**2 / 50)]
    measured = [psnr_db(a, b) for a, b in zip(grey, off_by, strict=True)]
    np.testing.assert_allclose(measured, expected, rtol=1e-9)
    assert psnr_db(grey[0], grey[0]) == np.inf
    sigma = 7.0
    noise = np.random.default_rng(0).normal(0, sigma, (512, 512, 3))
    noisy = np.rint(128 + noise).astype(np.uint8)
    of_noise = psnr_db(noisy, np.full_like(noisy, 128))
    # Rounding adds a variance of 1/12 to that of the noise.
    assert of_noise == pytest.approx(10 * np.log10(255**2 / (sigma**2 + 1 / 12)), abs=0.02)


def test_ssim_is_that_of_the_paper() -> None:
    a = clip(0)
    for b in (clip(1), a, np.clip(a * 0.8 + 20, 0, 255).astype(np.uint8)):
        for ours, theirs in zip(a, b, strict=True):
            assert ssim(ours, theirs) == pytest.approx(ssim_by_hand(ours, theirs), abs=1e-6)


@pytest.mark.parametrize(("num_ours", "num_theirs"), [(12, 15), (200, 12), (200, 300)])
def test_frechet_distance_is_the_textbook_one(num_ours: int, num_theirs: int) -> None:
    rng = np.random.default_rng(num_ours)
    ours = rng.normal(size=(num_ours, 24)) @ rng.normal(size=(24, 24))
    theirs = rng.normal(0.5, 2, size=(num_theirs, 24))
    covariances = [np.cov(x, rowvar=False) for x in (ours, theirs)]
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    expected = np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(
        sum(covariances) - 2 * root
    )
    assert frechet_distance(ours, theirs) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(ours, ours) == pytest.approx(0, abs=1e-6 * np.square(ours).sum())
    assert frechet_distance(ours, ours + 2) == pytest.approx(4 * 24)


class Images(nn.Module):
    """Answers as the field's Inception file does, with random features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, width)

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        return self.linear(x.float().mean(dim=[2, 3]))


class Perceptual(nn.Module):
    def forward(self, x: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        return x.mean(dim=[2, 3])


class Videos(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 400)

    def forward(
        self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> Tensor:
        return self.linear(x.mean(dim=[2, 3, 4]))


def save(network: nn.Module, path: Path) -> str:
    torch.jit.script(network).save(str(path))
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> NetworkWeights:
    torch.manual_seed(0)
    return NetworkWeights(
        lpips=save(Perceptual(), tmp_path / "vgg.pt"),
        fid=save(Images(2048), tmp_path / "inception.pt"),
        fvd=save(Videos(), tmp_path / "i3d.pt"),
    )


def test_without_weights_nothing_is_called_by_their_name() -> None:
    scorer = Scorer(NetworkWeights())
    scorer.add(clip(0), clip(1))
    measures = {m.name: m for m in scorer.measures()}
    assert measures["PSNR"].count == measures["SSIM"].count == 5
    for name in ("LPIPS", "FID", "FVD"):
        assert measures[name].value is None
        assert measures[name].note == f"not measured: needs --{name.lower()}-weights PATH"


@SCRIPTED
def test_networks_measure_and_are_named(files: NetworkWeights) -> None:
    scorer = Scorer(files)
    pairs = [(clip(i), clip(i + 50)) for i in range(3)]
    judged = np.array([False, True, True, True, True])
    for made, true in pairs:
        scorer.add(made, true, judged)
    measures = {m.name: m for m in scorer.measures()}
    apart = [(a[1:] / 1.0).mean((1, 2)) - b[1:].mean((1, 2)) for a, b in pairs]
    expected = np.square(np.concatenate(apart)).sum(axis=1).mean()
    assert measures["LPIPS"].value == pytest.approx(expected, rel=1e-4)
    networks: Any = [torch.jit.load(files.fid), torch.jit.load(files.fvd)]
    images = [np.concatenate([p[k][1:] for p in pairs]) for k in (0, 1)]
    features = [networks[0](planes(x)).detach().double().numpy() for x in images]
    assert measures["FID"].value == pytest.approx(frechet_distance(*features), rel=1e-6)
    videos = [torch.stack([planes(p[k]).float().transpose(0, 1) for p in pairs]) for k in (0, 1)]
    features = [networks[1](x).detach().double().numpy() for x in videos]
    assert measures["FVD"].value == pytest.approx(frechet_distance(*features), rel=1e-3)
    assert [measures[n].count for n in ("PSNR", "LPIPS", "FID", "FVD")] == [12, 12, 12, 3]
    digest = hashlib.sha256(Path(files.fid).read_bytes()).hexdigest()
    assert measures["FID"].note == f"inception.pt sha256 {digest[:16]}"


@SCRIPTED
def test_one_clip_is_no_distribution(files: NetworkWeights) -> None:
    scorer = Scorer(NetworkWeights(fvd=files.fvd))
    scorer.add(clip(0), clip(1))
    assert scorer.measures()[-1].note == "not measured: needs 2 or more to compare"


@SCRIPTED
def test_other_networks_are_refused(files: NetworkWeights, tmp_path: Path) -> None:
    with pytest.raises(
        BackendUnavailable, match="--fid-weights must be a TorchScript file, got no"
    ):
        Scorer(NetworkWeights(fid="no.pt"))
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(ConfigError, match=r"--fvd-weights must be a TorchScript file: .*text\.pt"):
        Scorer(NetworkWeights(fvd=str(tmp_path / "text.pt")))
    narrow = save(Images(64), tmp_path / "narrow.pt")
    with pytest.raises(ConfigError, match=r"must give \[N, 2048\] features, got \[5, 64\]"):
        Scorer(NetworkWeights(fid=narrow)).add(clip(0), clip(1))
    with pytest.raises(ConfigError, match="called with images, rescale, resize, return_features"):
        Scorer(NetworkWeights(fvd=files.fid)).add(clip(0), clip(1))
    with pytest.raises(ConfigError, match="must have the truth's shape"):
        Scorer(NetworkWeights()).add(clip(0), clip(1, num_frames=4))
