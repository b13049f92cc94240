"""How near generated frames are to the true ones, and how alike the two sets look.

PSNR and SSIM need nothing. LPIPS, CLIP-I, FID and FVD are what they are by their networks: each is
measured only with that network's weights at a path the user gives, and is otherwise said not to be.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from camvid.artifacts import F64, U8, Bool
from camvid.errors import BackendUnavailable, ConfigError

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of its training images, published with it
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_AT_ONCE = 16  # images in a network together


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWeights:
    """TorchScript files as they are passed around in the field; empty: not at hand."""

    lpips: str = ""  # VGG16 with LPIPS heads of the StyleGAN2-ADA release (vgg16.pt)
    fid: str = ""  # its Inception network (inception-2015-12-05.pt), 2048 features
    clip: str = ""  # an image encoder of CLIP: 224 px, normalised as CLIP's, to [N, D] features
    fvd: str = ""  # the I3D network of the StyleGAN-V release (i3d_torchscript.pt), 400 logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A line of the result."""

    name: str
    value: float | None  # None: not measured
    count: int = 0  # of images, or of clips for FVD
    note: str = ""  # the weights; or what is needed to measure


class Scorer:
    """Takes clips one by one; keeps numbers and features, no images."""

    def __init__(self, weights: NetworkWeights, device: torch.device | str = "cpu") -> None:
        self._weights, self._device = weights, torch.device(device)
        self._networks = {
            field.name: _load_network(path, field.name, self._device)
            for field in fields(weights)
            if (path := getattr(weights, field.name))
        }
        self._pairs: dict[str, list[float]] = {
            name: [] for name in ("PSNR", "SSIM", "LPIPS", "CLIP-I")
        }
        self._features: dict[str, tuple[list[F64], list[F64]]] = {
            "fid": ([], []),
            "fvd": ([], []),
        }

    @torch.no_grad()
    def add(self, made: U8, true: U8, is_judged: Bool | None = None) -> None:
        """A clip [F, H, W, 3] and its truth; FVD sees all frames, the rest those judged."""
        if made.shape != true.shape:
            raise ConfigError(f"a clip must have the truth's shape {true.shape}, got {made.shape}")
        chosen = np.ones(len(made), np.bool_) if is_judged is None else is_judged
        for ours, theirs in zip(made[chosen], true[chosen], strict=True):
            self._pairs["PSNR"].append(psnr_db(ours, theirs))
            self._pairs["SSIM"].append(ssim(ours, theirs))
        images = [self._tensor(rgb[chosen]).split(_AT_ONCE) for rgb in (made, true)]
        for pair in zip(*images, strict=True):
            self._add_features(*pair)
        for kept, clip in zip(self._features["fvd"], (made, true), strict=True):
            if "fvd" in self._networks:
                kept.append(self._video_features(self._tensor(clip)))

    def measures(self) -> list[Measure]:
        """All six, measured or not."""
        return [*(self._of_pairs(name) for name in self._pairs), self._fid(), self._fvd()]

    def _add_features(self, made_NCHW: Tensor, true_NCHW: Tensor) -> None:
        if "lpips" in self._networks:
            keywords = {"resize_images": False, "return_lpips": True}
            network = self._networks["lpips"]
            a, b = (_ask(network, "lpips", x.float(), keywords) for x in (made_NCHW, true_NCHW))
            self._pairs["LPIPS"] += (a - b).square().sum(dim=1).tolist()
        if "clip" in self._networks:
            network = self._networks["clip"]
            a, b = (_ask(network, "clip", clip_input(x), {}) for x in (made_NCHW, true_NCHW))
            self._pairs["CLIP-I"] += cosine_similarity(a, b).tolist()
        for kept, x in zip(self._features["fid"], (made_NCHW, true_NCHW), strict=True):
            if "fid" in self._networks:
                found = _ask(self._networks["fid"], "fid", x, {"return_features": True}, 2048)
                kept.append(found.double().cpu().numpy())

    def _video_features(self, clip_FCHW: Tensor) -> F64:
        """[1, 400]; the network brings pixels and size to what it was trained with."""
        keywords = {"rescale": True, "resize": True, "return_features": True}
        video = clip_FCHW.float().transpose(0, 1)[None]
        return _ask(self._networks["fvd"], "fvd", video, keywords, 400).double().cpu().numpy()

    def _tensor(self, rgb: U8) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))).to(self._device)

    def _of_pairs(self, name: str) -> Measure:
        key = {"LPIPS": "lpips", "CLIP-I": "clip"}.get(name, "")
        if key and key not in self._networks:
            return _absent(name, key)
        values = self._pairs[name]
        note = _origin(getattr(self._weights, key)) if key else ""
        mean = float(np.mean(values)) if values else None
        return Measure(name=name, value=mean, count=len(values), note=note)

    def _fid(self) -> Measure:
        return self._frechet("FID", "fid", self._weights.fid)

    def _fvd(self) -> Measure:
        return self._frechet("FVD", "fvd", self._weights.fvd)

    def _frechet(self, name: str, key: str, path: str) -> Measure:
        if not path:
            return _absent(name, key)
        made, true = (np.concatenate(kept) if kept else [] for kept in self._features[key])
        if len(made) < 2:
            return Measure(name=name, value=None, note="not measured: needs 2 or more to compare")
        value = frechet_distance(np.asarray(made), np.asarray(true))
        return Measure(name=name, value=value, count=len(made), note=_origin(path))


def clip_input(images_NCHW: Tensor) -> Tensor:
    """Images of 8 bits as CLIP was trained with them: the middle square at 224 px, normalised."""
    side = min(images_NCHW.shape[-2:])
    y, x = ((size - side) // 2 for size in images_NCHW.shape[-2:])
    square = images_NCHW[..., y : y + side, x : x + side].float() / 255
    resized = interpolate(square, size=224, mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (resized.new_tensor(values)[:, None, None] for values in (_CLIP_MEAN, _CLIP_STD))
    return (resized - mean) / std


def psnr_db(made: U8, true: U8) -> float:
    """PSNR of an image of 8 bits; infinite where they are equal."""
    squared: float = np.square(made.astype(np.float64) - true).mean()
    return 10 * math.log10(255**2 / squared) if squared else math.inf


def ssim(made: U8, true: U8) -> float:
    """SSIM of an image [H, W, 3] as first published, with a Gaussian window; mean of channels."""
    similarity: Any = structural_similarity(
        made,
        true,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(similarity)


def frechet_distance(ours: F64, theirs: F64) -> float:
    """Between normal distributions fitted to features [N, D] and [M, D].

    |m1 - m2|^2 + tr(S1 + S2 - 2 sqrt(S1 S2)). With S = A^T A the last trace is the sum of the
    singular values of A1 A2^T: exact, and small where there are fewer samples than features.
    """
    roots = [_covariance_root(features) for features in (ours, theirs)]
    apart = float(np.square(ours.mean(axis=0) - theirs.mean(axis=0)).sum())
    spread = sum(float(np.square(root).sum()) for root in roots)
    common = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return apart + spread - 2 * common


def _covariance_root(features: F64) -> F64:
    """A with A^T A the covariance, and no more rows than samples or features."""
    centred = (features - features.mean(axis=0)) / math.sqrt(len(features) - 1)
    if len(centred) <= centred.shape[1]:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _load_network(path: str, name: str, device: torch.device) -> Callable[..., Tensor]:
    if not Path(path).is_file():
        raise BackendUnavailable(f"--{name}-weights must be a TorchScript file, got {path}")
    try:
        return torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--{name}-weights must be a TorchScript file: {path}: {error}"
        ) from error


def _ask(
    network: Callable[..., Tensor], name: str, x: Tensor, keywords: dict[str, bool], width: int = 0
) -> Tensor:
    """Features [N, D]; ConfigError where the network is not the one that the measure stands on."""
    try:
        features = network(x, **keywords)
    except RuntimeError as error:
        asked = ", ".join(("images", *keywords))
        raise ConfigError(
            f"--{name}-weights must be a network that is called with {asked}:"
            f" {str(error).splitlines()[-1]}"
        ) from error
    if features.ndim != 2 or (width and features.shape[1] != width):
        raise ConfigError(
            f"--{name}-weights must give [N, {width or 'D'}] features, got {[*features.shape]}"
        )
    return features


def _absent(name: str, key: str) -> Measure:
    return Measure(name=name, value=None, note=f"not measured: needs --{key}-weights PATH")


def _origin(path: str) -> str:
    """The weights by name and content."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{Path(path).name} sha256 {digest[:16]}"
