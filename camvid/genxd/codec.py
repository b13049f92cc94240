"""Images <-> latents, an eighth as wide and high: Stable Video Diffusion's VAE, or a stand-in.

PatchCodec.fit(sample.rgb for sample in samples).save("patches.safetensors")
codec = load_codec("patches.safetensors")  # or the folder of a VAE
"""

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from camvid.artifacts import F32
from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import LATENT_FACTOR
from camvid.genxd.data.sample import Sample
from camvid.genxd.data.shards import PACKED_CODEC, ShardIndex, is_local, open_filesystem
from camvid.run_files import RunFiles

PATCH_CODEC = "camvid linear patch codec (PCA)"  # the label in its files
NUM_PATCH_VALUES = 3 * LATENT_FACTOR**2


class LatentCodec(nn.Module):
    """Encodes and decodes without gradients; latents have about unit variance."""

    num_channels: int

    @abstractmethod
    def encode(self, rgb_BFCHW: Tensor) -> Tensor:
        """Images [B, F, 3, H, W] in [-1, 1] to latents [B, F, C, H / 8, W / 8]."""

    @abstractmethod
    def decode(self, latents_BFCHW: Tensor) -> Tensor:
        """Latents to images, clamped to [-1, 1]."""

    @property
    def device(self) -> torch.device:
        return next(iter(self.state_dict().values())).device

    def identity(self) -> str:
        """sha256 of all that decides the latents: names, types and values of the weights."""
        digest = hashlib.sha256(type(self).__name__.encode())
        for name, tensor in self.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().cpu().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def load_codec(path: str | Path) -> LatentCodec:
    """A saved `PatchCodec`, or the VAE in a folder (of its own, or of a pipeline)."""
    if Path(path).is_dir():
        return TemporalVae(path)
    return PatchCodec.load(path)


def load_codec_at(address: str) -> LatentCodec:
    """As `load_codec`, of a path, or of a file at any fsspec URI."""
    if Path(address).exists():
        return load_codec(address)
    folder, _, name = address.rpartition("/")
    store = RunFiles(folder or ".")
    if not store.exists(name):
        raise BackendUnavailable(
            f"a codec must be at {address}, but is not: fit a PatchCodec, or name a VAE's folder"
        )
    with store.open_local(name) as local:
        return load_codec(local)


def codec_of_pack(index: ShardIndex) -> LatentCodec | None:
    """What a pack's latents were encoded by, where it lies beside its shards."""
    if not index.latents:
        return None
    folder = PurePosixPath(index.shards[0].path).parent
    filesystem = open_filesystem(index.root)[0]
    address = str(folder / PurePosixPath(PACKED_CODEC).name)
    if not filesystem.exists(address):
        return None
    return load_codec_at(address if is_local(filesystem) else filesystem.unstrip_protocol(address))


def fit_on_shards(
    dataset: ClipDataset, *, num_samples: int = 64, num_channels: int = 4
) -> "PatchCodec":
    """A `PatchCodec` of the first samples of training: the same shards and seed give the same."""
    order = dataset.order()
    return PatchCodec.fit(
        (_images(dataset[order.pick(number)]) for number in range(num_samples)),
        num_channels=num_channels,
        fitted_on=f"{num_samples} samples of shards {dataset.index.digest()}",
    )


def _images(sample: Sample) -> F32:
    if sample.rgb is None:
        raise ConfigError("a codec is fitted on images, got a dataset of cached latents")
    return sample.rgb


class PatchCodec(LatentCodec):
    """The principal components of 8x8 patches, each scaled to unit variance.

    No generative model: a linear map that is fitted in seconds, so that training runs where no
    VAE is at hand. 4 channels keep about 23 dB, 16 about 30 dB of natural images. Its latents
    are not those of Stable Video Diffusion: weights trained on the ones do not serve the others.
    """

    mean: Tensor  # [192] of a patch: all red, then all green, then all blue values, row by row
    basis: Tensor  # [C, 192], orthonormal rows
    std: Tensor  # [C]

    def __init__(self, *, mean: Tensor, basis: Tensor, std: Tensor, fitted_on: str = "") -> None:
        super().__init__()
        self.num_channels, self.fitted_on = len(basis), fitted_on
        for name, tensor in (("mean", mean), ("basis", basis), ("std", std)):
            self.register_buffer(name, tensor.float())

    @torch.no_grad()
    def encode(self, rgb_BFCHW: Tensor) -> Tensor:
        patches = pixel_unshuffle(rgb_BFCHW.to(self.mean.dtype), LATENT_FACTOR)
        centred = patches - self.mean[:, None, None]
        return torch.einsum("cp,bfphw->bfchw", self.basis / self.std[:, None], centred)

    @torch.no_grad()
    def decode(self, latents_BFCHW: Tensor) -> Tensor:
        values = latents_BFCHW.to(self.mean.dtype) * self.std[:, None, None]
        patches = torch.einsum("cp,bfchw->bfphw", self.basis, values)
        return pixel_shuffle(patches + self.mean[:, None, None], LATENT_FACTOR).clamp(-1, 1)

    @classmethod
    def fit(
        cls,
        images: Iterable[Tensor | NDArray[np.float32]],
        *,
        num_channels: int = 4,
        fitted_on: str = "",
    ) -> "PatchCodec":
        """Fits on all patches of images [..., 3, H, W] in [-1, 1], seen one item at a time.

        `fitted_on` says in the saved file what they were.
        """
        count, total = 0, torch.zeros(NUM_PATCH_VALUES, dtype=torch.float64)
        products = torch.zeros(NUM_PATCH_VALUES, NUM_PATCH_VALUES, dtype=torch.float64)
        for image in images:
            patches = pixel_unshuffle(torch.as_tensor(image), LATENT_FACTOR)
            rows = patches.movedim(-3, -1).reshape(-1, NUM_PATCH_VALUES).double()
            count += len(rows)
            total += rows.sum(dim=0)
            products += rows.T @ rows
        if not 1 <= num_channels <= min(count, NUM_PATCH_VALUES):
            raise ConfigError(
                f"num_channels must be from 1 to {min(count, NUM_PATCH_VALUES)}"
                f" for {count} patches, got {num_channels}"
            )
        mean = total / count
        basis, std = _principal(products / count - mean.outer(mean), num_channels)
        return cls(mean=mean, basis=basis, std=std, fitted_on=fitted_on)

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file that says what it is."""
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        label = {"kind": PATCH_CODEC, "version": "1", "fitted_on": self.fitted_on}
        partial = Path(f"{path}.part")
        partial.write_bytes(save(tensors, metadata=label))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: str | Path) -> "PatchCodec":
        """Reads what `save` wrote; ConfigError where it is something else."""
        if not Path(path).is_file():
            raise BackendUnavailable(
                f"a codec must be at {path}, but is not: fit a PatchCodec, or name a VAE's folder"
            )
        try:
            with safe_open(str(path), framework="pt") as file:
                label: dict[str, str] = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except SafetensorError as error:
            raise ConfigError(f"{path} must be a safetensors file: {error}") from error
        if label.get("kind") != PATCH_CODEC or label.get("version") != "1":
            raise ConfigError(f"{path} must hold a {PATCH_CODEC} of version 1, is labelled {label}")
        return cls(**tensors, fitted_on=label["fitted_on"])


class TemporalVae(LatentCodec):
    """Stable Video Diffusion's VAE from a folder of diffusers' layout; nothing is downloaded.

    Latents are the mode of the distribution times the VAE's scaling factor, as the released
    GenXD has them. The decoder mixes the frames it is given together.
    """

    def __init__(self, folder: str | Path, *, max_frames: int = 16) -> None:
        """`max_frames` images at a time bound the memory."""
        super().__init__()
        config = _vae_config(Path(folder))
        from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import (
            AutoencoderKLTemporalDecoder,
        )

        vae: Any = AutoencoderKLTemporalDecoder.from_pretrained(
            str(config.parent), local_files_only=True
        )
        self.vae: Any = vae.requires_grad_(False).eval()
        self.num_channels = int(vae.config.latent_channels)
        self.max_frames = max_frames

    def identity(self) -> str:
        scaled = f"{super().identity()} times {self.vae.config.scaling_factor}"
        return hashlib.sha256(scaled.encode()).hexdigest()

    @torch.no_grad()
    def encode(self, rgb_BFCHW: Tensor) -> Tensor:
        flat = rgb_BFCHW.flatten(0, 1).to(self.vae.dtype)
        latents = [self.vae.encode(part).latent_dist.mode() for part in flat.split(self.max_frames)]
        scaled = torch.cat(latents) * self.vae.config.scaling_factor
        return scaled.unflatten(0, rgb_BFCHW.shape[:2])

    @torch.no_grad()
    def decode(self, latents_BFCHW: Tensor) -> Tensor:
        scaled = latents_BFCHW.to(self.vae.dtype) / self.vae.config.scaling_factor
        clips = [
            torch.cat(
                [
                    self.vae.decode(part, num_frames=len(part)).sample
                    for part in clip.split(self.max_frames)
                ]
            )
            for clip in scaled
        ]
        return torch.stack(clips).clamp(-1, 1)


def _vae_config(folder: Path) -> Path:
    """config.json of the VAE in a folder, or in its `vae` folder."""
    for config in (folder / "config.json", folder / "vae" / "config.json"):
        if config.is_file():
            name = json.loads(config.read_text()).get("_class_name")
            if name == "AutoencoderKLTemporalDecoder":
                return config
    raise BackendUnavailable(
        f"{folder} must hold a VAE (config.json of an AutoencoderKLTemporalDecoder), but does not"
    )


def _principal(covariance: Tensor, num_channels: int) -> tuple[Tensor, Tensor]:
    """The first principal directions [C, 192], and the standard deviations [C] along them."""
    variance, vectors = torch.linalg.eigh(covariance)
    basis = vectors.flip(1).T[:num_channels]
    # An eigenvector may come out as its negative: the largest entry is made positive.
    largest = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True))
    # A floor, for images so plain that later directions carry nothing.
    std = variance.flip(0)[:num_channels].clamp(min=1e-8).sqrt()
    return basis * largest.sign(), std
