"""What every layer of the UNet is given of the batch."""

from typing import NamedTuple

from torch import Tensor


class Context(NamedTuple):
    """Embeddings and kind of the samples; a NamedTuple, so that FSDP sees the tensors in it."""

    emb: Tensor  # [B, F, E], SiLU of diffusion time and added ids
    temporal_emb: Tensor  # [B, 1, E], motion strength where given; else emb
    indicator: Tensor  # [B], 0: 3D, 1: video without cameras, 2: 4D
    num_frames: int
    all_3d: bool  # the temporal branches have weight 0 and are left out
    camera: Tensor | None = None  # [N, 16, E], where cameras are attended to (an ablation)
