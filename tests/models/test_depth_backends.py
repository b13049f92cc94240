"""Depth backends: the contract, the models' own preprocessing, pixel centres, scale and shift."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from camvid.artifacts import F32, U8, Frames, ObjectMasks
from camvid.errors import BackendUnavailable
from camvid.models.depth.geometric import GeometricDepth
from camvid.models.depth.options import DepthAnythingOptions, DepthProOptions
from camvid.models.protocols import DepthEstimator
from tests.models.backend_contracts import check_depth_estimator, seen_by_cameras

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from camvid.models.depth import depth_anything, depth_pro  # noqa: E402
from camvid.models.depth.monocular import InverseDepthNetwork, MonocularDepth  # noqa: E402
from tests.models.depth_checkpoints import write_depth_anything, write_depth_pro  # noqa: E402

SCALE, SHIFT = 0.7, 0.05
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("depth")
    return {
        "depth_anything": write_depth_anything(root / "depth_anything"),
        "depth_pro": write_depth_pro(root / "depth_pro"),
    }


def build(name: str, folders: dict[str, Path]) -> DepthEstimator:
    if name == "depth_anything":
        options = DepthAnythingOptions(checkpoint=str(folders[name]), device="cpu", batch_size=3)
        return depth_anything.DepthAnything(options)
    if name == "depth_pro":
        options = DepthProOptions(checkpoint=str(folders[name]), device="cpu")
        return depth_pro.DepthPro(options)
    return GeometricDepth()


@pytest.mark.parametrize("name", ["geometric", "depth_anything", "depth_pro"])
def test_contract(name: str, folders: dict[str, Path]) -> None:
    check_depth_estimator(build(name, folders))


# ---- preprocessing -----------------------------------------------------------------------------

PICTURE = np.random.default_rng(2).integers(0, 256, (45, 81, 3), dtype=np.uint8)


def test_depth_anything_prepares_images_as_its_own_processor(folders: dict[str, Path]) -> None:
    from transformers import AutoImageProcessor

    own = AutoImageProcessor.from_pretrained(folders["depth_anything"], backend="pil")
    wanted = own(images=PICTURE, return_tensors="pt")["pixel_values"][0]
    ours = depth_anything.Preprocessing(folders["depth_anything"])(PICTURE)
    assert ours.shape == (3, 56, 98)  # multiples of its patches, of 14 pixels
    assert torch.equal(ours, wanted)


def test_depth_pro_prepares_images_as_its_own_processor(folders: dict[str, Path]) -> None:
    """Its class needs torchvision; without, its steps: rescale, normalise, then resize."""
    ours = depth_pro.Preprocessing(folders["depth_pro"])(PICTURE)
    if importlib.util.find_spec("torchvision"):
        from transformers import AutoImageProcessor

        own = AutoImageProcessor.from_pretrained(folders["depth_pro"])
        assert torch.equal(ours, own(images=PICTURE, return_tensors="pt")["pixel_values"][0])
    scaled = torch.from_numpy(PICTURE).permute(2, 0, 1).float() / 255
    wanted = torch.nn.functional.interpolate(
        ((scaled - 0.5) / 0.5)[None], (128, 128), mode="bilinear", align_corners=False
    )[0]
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-6)


# ---- what comes out lies where it should -------------------------------------------------------


class ReadsInverseDepth:
    """A stand-in network: brightness is inverse depth, seen with noise and outlier pixels."""

    def __init__(self, noise: float = 0.0, outlier_share: float = 0.0) -> None:
        self._noise, self._outlier_share = noise, outlier_share
        self._random = torch.Generator().manual_seed(0)

    def __call__(self, *, pixel_values: "torch.Tensor") -> SimpleNamespace:
        seen = pixel_values.mean(dim=1)
        seen = seen + self._noise * torch.randn(seen.shape, generator=self._random)
        wrong = torch.rand(seen.shape, generator=self._random) < self._outlier_share
        anything = 2 * torch.rand(seen.shape, generator=self._random)
        return SimpleNamespace(predicted_depth=torch.where(wrong, anything, seen))


def network(model: ReadsInverseDepth, size: tuple[int, int]) -> InverseDepthNetwork:
    """The stand-in, which works at `size` (width, height)."""

    def shrink(rgb: U8) -> "torch.Tensor":
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        return torch.from_numpy(small).permute(2, 0, 1).float() / 255

    return InverseDepthNetwork(model, shrink, where=CPU, batch_size=2, upsampling="bicubic")


@pytest.mark.parametrize(("height", "width"), [(96, 128), (75, 101)])
def test_a_spot_stays_in_its_place(height: int, width: int) -> None:
    """Half a pixel of shift, or x and y swapped, fails here."""
    x_px, y_px = 0.3 * width, 0.62 * height
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    spot = np.exp(-((column - x_px) ** 2 + (row - y_px) ** 2) / (2 * 6.0**2))
    rgb = np.repeat((255 * spot).astype(np.uint8)[..., None], 3, axis=2)
    (seen,) = network(ReadsInverseDepth(), (64, 48))([rgb])
    assert seen.shape == (height, width)
    weight = np.clip(seen - 0.05, 0, None)
    assert (weight * column).sum() / weight.sum() == pytest.approx(x_px, abs=0.15)
    assert (weight * row).sum() / weight.sum() == pytest.approx(y_px, abs=0.15)


def relief(num_frames: int, height: int, width: int) -> tuple[Frames, F32]:
    """Smooth inverse depth in [0, 1] as brightness, and the same to 8 bits as numbers."""
    column, row = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
    phases = np.arange(num_frames)[:, None, None] / 3
    brightness = np.round(127.5 + 120 * np.sin(column + phases) * np.cos(row - phases))
    rgb = np.repeat(brightness.astype(np.uint8)[..., None], 3, axis=3)
    return Frames(rgb=rgb), (brightness / 255).astype(np.float32)


def test_scale_and_shift_are_recovered_from_a_noisy_network_with_outliers() -> None:
    frames, relative = relief(4, 120, 160)
    true_inv_depth = np.float32(SCALE) * relative + np.float32(SHIFT)
    reconstruction = seen_by_cameras(true_inv_depth, points_per_frame=200)
    masks = ObjectMasks(object_id=np.zeros(relative.shape, np.uint16), objects=())
    model = ReadsInverseDepth(noise=0.01, outlier_share=0.3)
    estimator = MonocularDepth(network(model, (160, 120)), "robust_inverse_depth")
    maps = estimator.estimate(frames, masks, reconstruction, ())
    np.testing.assert_allclose(maps.scale, SCALE, rtol=0.05)
    np.testing.assert_allclose(maps.shift, SHIFT, atol=0.02)
    error = np.abs(maps.depth * true_inv_depth - 1)[maps.valid]
    assert maps.valid.mean() > 0.95
    assert np.median(error) < 0.05
    assert maps.source == "mono"
    assert (maps.confidence[maps.valid] > 100).all()


def test_metric_networks_get_a_scale_and_no_shift() -> None:
    frames, relative = relief(3, 120, 160)
    reconstruction = seen_by_cameras(np.float32(SCALE) * (relative + np.float32(0.01)))
    masks = ObjectMasks(object_id=np.zeros(relative.shape, np.uint16), objects=())
    model = ReadsInverseDepth(noise=0.005, outlier_share=0.3)
    alignment = DepthProOptions().alignment
    maps = MonocularDepth(network(model, (160, 120)), alignment).estimate(
        frames, masks, reconstruction, ()
    )
    np.testing.assert_allclose(maps.scale, SCALE, rtol=0.06)
    assert (maps.shift == 0).all()


# ---- checkpoints that are not what they should be ----------------------------------------------


def test_metric_depth_anything_is_refused(tmp_path: Path) -> None:
    folder = write_depth_anything(tmp_path / "metric", kind="metric")
    with pytest.raises(BackendUnavailable, match="must be a relative Depth Anything"):
        depth_anything.DepthAnything(DepthAnythingOptions(checkpoint=str(folder), device="cpu"))


def test_a_checkpoint_of_another_model_is_refused(folders: dict[str, Path]) -> None:
    options = DepthAnythingOptions(checkpoint=str(folders["depth_pro"]), device="cpu")
    with pytest.raises(BackendUnavailable, match=r"must hold every weight of DepthAnything"):
        depth_anything.DepthAnything(options)


def test_a_missing_preprocessor_config_is_named(tmp_path: Path) -> None:
    folder = write_depth_anything(tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackendUnavailable, match="must hold a preprocessor_config"):
        depth_anything.DepthAnything(DepthAnythingOptions(checkpoint=str(folder), device="cpu"))
