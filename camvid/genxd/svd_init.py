"""Initialises GenXD from the tensors of a Stable Video Diffusion UNet."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.model import GenXDUNet

_STEM = "diffusion_pytorch_model"
# The multiview branch starts as a copy of the temporal one.
_SOURCE = {
    "mv_res_block": "temporal_res_block",
    "multiview_transformer_blocks": "temporal_transformer_blocks",
}
# GenXD reads the first input channels of these; the columns beyond SVD's start at 0.
_PARTIAL = ("conv_in.weight", "add_embedding.linear_1.weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class SvdTransfer:
    """Which of the model's tensors came from where; together they are all of them."""

    taken: dict[str, str]  # model's tensor -> SVD's
    partly: dict[str, str]  # the same, where only some input channels exist on both sides
    kept: tuple[str, ...]  # left as they were: the mixers' scalars and the motion embedding
    unused: tuple[str, ...]  # SVD's own: cross attention and its mixers


@torch.no_grad()
def init_from_svd(model: GenXDUNet, source: Path | str | Mapping[str, Tensor]) -> SvdTransfer:
    """Copies an SVD UNet, given as its diffusers folder or its state dict, into the model.

    Args:
        model: on any device but `meta`; changed in place.
        source: `.../unet` with safetensors files (or its parent), or name -> tensor.
    """
    svd = source if isinstance(source, Mapping) else dict(_read_folder(Path(source)))
    parameters = dict(model.named_parameters())
    origin = {name: _source_name(name) for name in parameters}
    partly = {name: origin[name] for name in _PARTIAL}
    kept = tuple(name for name in parameters if origin[name] not in svd or _is_of_camera(name))
    _check_complete(kept)
    taken = {n: o for n, o in origin.items() if n not in partly and n not in kept}
    for name, old in taken.items():
        _copy(parameters[name], svd[old], name)
    for name, old in partly.items():
        _copy_common_inputs(parameters[name], svd[old], name)
    unused = tuple(sorted(set(svd) - set(origin.values())))
    return SvdTransfer(taken=taken, partly=partly, kept=kept, unused=unused)


def _is_of_camera(name: str) -> bool:
    """Whether it attends to cameras (an ablation), which SVD's cross attention knows nothing of."""
    block = "transformer_blocks." in name and (".attn2." in name or ".norm2." in name)
    return block or name.startswith("camera_embedding.")


def _source_name(name: str) -> str:
    return ".".join(_SOURCE.get(part, part) for part in name.split("."))


def _check_complete(kept: tuple[str, ...]) -> None:
    """SVD has all but these; anything else missing means that it is another model."""
    expected = (".time_mixer.spatial_mv_factor", ".time_mixer.gamma")
    missing = [
        name
        for name in kept
        if not (name.endswith(expected) or name.startswith("motion_embedding."))
        and not _is_of_camera(name)
    ]
    if missing:
        raise ConfigError(
            f"not a Stable Video Diffusion UNet: {len(missing)} tensors are missing,"
            f" first {_source_name(missing[0])}"
        )


def _copy(target: Tensor, value: Tensor, name: str) -> None:
    if target.shape != value.shape:
        raise ConfigError(
            f"{name} must have shape {tuple(target.shape)}, the SVD tensor has"
            f" {tuple(value.shape)}: use an SVD of the same widths"
        )
    target.copy_(value)


def _copy_common_inputs(target: Tensor, value: Tensor, name: str) -> None:
    common = min(target.shape[1], value.shape[1])
    _copy(target[:, :common], value[:, :common], name)
    target[:, common:] = 0


def _read_folder(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in _weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                yield name, file.get_tensor(name)


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a diffusers folder, in full precision where it has both."""
    for parent in (folder, folder / "unet"):
        for variant in ("", ".fp16"):
            single = parent / f"{_STEM}{variant}.safetensors"
            index = parent / f"{_STEM}.safetensors.index{variant}.json"
            if single.exists():
                return [single]
            if index.exists():
                shards = set(json.loads(index.read_text())["weight_map"].values())
                return [parent / shard for shard in sorted(shards)]
    raise BackendUnavailable(f"{folder} has no {_STEM}.safetensors: expected an SVD unet folder")
