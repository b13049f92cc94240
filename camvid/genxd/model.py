"""The GenXD UNet (arXiv:2411.02319) with the tensors and the function of the released model."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from camvid.errors import ConfigError
from camvid.genxd.blocks import DownLevel, LevelShape, MiddleLevel, UpLevel
from camvid.genxd.context import Context
from camvid.genxd.fusing import with_zero_gradients
from camvid.outcome import INDICATOR

_DOWN = ("CrossAttnDownBlockMVCascadeTemporal",) * 3 + ("DownBlockMVCascadeTemporal",)
_UP = ("UpBlockMVCascadeTemporal",) + ("CrossAttnUpBlockMVCascadeTemporal",) * 3
# Options of the released configuration file that this model knows in one setting only.
_FIXED = {
    "cross_attention_dim": None,
    "camera_embedding_dim": -1,
    "ray_condition": True,
    "camera_add_time": False,
    "scale_add_time": False,
    "uncertainty_condition": False,
    "motion_condition": True,
}

NUM_RAY_CHANNELS = 6  # see `rays`
CAMERA_CONDITIONS = ("rays", "cross_attention")
_CAMERA_GRID = 4  # tokens of a frame along each side


class GenXDUNet(ModelMixin, ConfigMixin):
    """Denoises the frames of a sample together: views of a scene, a video, or both at once.

    The arguments are the keys of the released configuration file; the defaults are its values.
    `num_frames` and `sample_size` shape nothing. The last two are ours, for the paper's ablations:
    not `disentangled`, every kind of sample is fused as 4D is; with `camera_condition` of
    `cross_attention` the rays are attended to instead of standing in the input's channels.
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        sample_size: int = 96,
        in_channels: int = 15,
        out_channels: int = 4,
        down_block_types: Sequence[str] = _DOWN,
        up_block_types: Sequence[str] = _UP,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        addition_time_embed_dim: int = 256,
        projection_class_embeddings_input_dim: int = 512,
        layers_per_block: int = 2,
        cross_attention_dim: None = None,
        transformer_layers_per_block: int = 1,
        num_attention_heads: Sequence[int] = (5, 10, 20, 20),
        num_frames: int = 8,
        camera_embedding_dim: int = -1,
        ray_condition: bool = True,
        uncertainty_condition: bool = False,
        camera_add_time: bool = False,
        scale_add_time: bool = False,
        motion_condition: bool = True,
        disentangled: bool = True,
        camera_condition: str = "rays",
    ) -> None:
        super().__init__()
        _check_config(self.config)
        first, emb_channels = block_out_channels[0], 4 * block_out_channels[0]
        self.conv_in = nn.Conv2d(in_channels, first, 3, padding=1)
        self.time_proj = Timesteps(first, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(first, emb_channels)
        self.add_time_proj = Timesteps(
            addition_time_embed_dim, flip_sin_to_cos=True, downscale_freq_shift=0
        )
        self.add_embedding = TimestepEmbedding(projection_class_embeddings_input_dim, emb_channels)
        self.motion_embedding = TimestepEmbedding(first, emb_channels)
        if camera_condition == "cross_attention":
            self.camera_embedding = nn.Linear(NUM_RAY_CHANNELS, first)
        self._build_levels(layers_per_block)
        self.conv_norm_out = nn.GroupNorm(32, first, eps=1e-5)
        self.conv_out = nn.Conv2d(first, out_channels, 3, padding=1)

    def _build_levels(self, num_layers: int) -> None:
        widths = list(self.config["block_out_channels"])
        deepest = len(widths) - 1
        inputs = [widths[0], *widths]  # what level i is given
        self.down_blocks = nn.ModuleList(
            DownLevel(
                # The released model has another eps at the coarsest resolution.
                self._shape(i, attends="CrossAttn" in kind, eps=1e-6 if i < deepest else 1e-5),
                inputs[i],
                num_layers=num_layers,
                downsample=i < deepest,
            )
            for i, kind in enumerate(self.config["down_block_types"])
        )
        self.mid_block = MiddleLevel(self._shape(deepest, attends=True, eps=1e-5))
        self.up_blocks = nn.ModuleList(
            UpLevel(
                self._shape(i, attends="CrossAttn" in kind, eps=1e-6),
                widths[min(i + 1, deepest)],
                # Deepest first: own layers, then what the level above handed down.
                [*[widths[i]] * num_layers, inputs[i]],
                upsample=i > 0,
            )
            for i, kind in zip(range(deepest, -1, -1), self.config["up_block_types"], strict=True)
        )

    def _shape(self, level: int, *, attends: bool, eps: float) -> LevelShape:
        config = self.config
        return LevelShape(
            channels=config["block_out_channels"][level],
            emb_channels=4 * config["block_out_channels"][0],
            num_heads=config["num_attention_heads"][level] if attends else None,
            num_transformer_layers=config["transformer_layers_per_block"],
            eps=eps,
            camera_channels=config["block_out_channels"][0]
            if config["camera_condition"] == "cross_attention"
            else None,
        )

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        added_time_ids: Tensor,
        indicator: Tensor,
        motion_ids: Tensor | None = None,
    ) -> Tensor:
        """Predicts v, [B, F, 4, H, W], in the dtype of the weights.

        Args:
            sample: [B, F, 15, H, W], see `conditioning`; H and W divide by 8.
            timestep: a scalar or [B], ln(sigma) / 4.
            added_time_ids: [B, F, 2], or [B, 2] for all frames.
            indicator: [B], 0 for 3D (views of one instant), 1 for videos without cameras, 2 for 4D.
                On the CPU it is looked at without waiting for the accelerator.
            motion_ids: [B], motion strengths in the model's scale, or None: then the temporal
                branch is given the diffusion time instead.
        """
        self._check_inputs(sample, added_time_ids, indicator, motion_ids)
        if not self.config["disentangled"]:
            indicator = torch.full_like(indicator, INDICATOR["4d"])
        context = self._context(sample, timestep, added_time_ids, indicator, motion_ids)
        if self.config["camera_condition"] == "cross_attention":
            sample, camera = self._split_camera(sample)
            context = context._replace(camera=camera)
        x_NCHW = self.conv_in(sample.to(self.conv_in.weight.dtype).flatten(0, 1))
        skips = (x_NCHW,)
        for level in self.down_blocks:
            skips += level(skips[-1], context)
        x_NCHW = self.mid_block(skips[-1], context)
        num_layers = self.config["layers_per_block"] + 1
        for level in self.up_blocks:
            x_NCHW = level(x_NCHW, skips[-num_layers:], context)
            skips = skips[:-num_layers]
        x_NCHW = self.conv_out(functional.silu(self.conv_norm_out(x_NCHW)))
        return x_NCHW.unflatten(0, sample.shape[:2])

    def _context(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        added_time_ids: Tensor,
        indicator_B: Tensor,
        motion_ids: Tensor | None,
    ) -> Context:
        num_samples, num_frames = sample.shape[:2]
        dtype, device = self.conv_in.weight.dtype, sample.device
        all_3d = not bool(indicator_B.any())
        time_B = torch.as_tensor(timestep, device=device).reshape(-1).expand(num_samples)
        time_emb_BE = self.time_embedding(self.time_proj(time_B).to(dtype))
        ids_B1E = self.add_time_proj(added_time_ids.flatten()).to(dtype)
        ids_BFE = ids_B1E.view(num_samples, -1, ids_B1E.shape[-1] * added_time_ids.shape[-1])
        emb_BFE = time_emb_BE[:, None] + self.add_embedding(ids_BFE)
        emb_BFE = functional.silu(emb_BFE).expand(-1, num_frames, -1)
        temporal_emb_BFE = emb_BFE
        if motion_ids is None or all_3d:
            emb_BFE = with_zero_gradients(emb_BFE, self.motion_embedding.parameters())
        else:
            motion_BE = self.time_proj(motion_ids.flatten()).to(dtype)
            temporal_emb_BFE = functional.silu(self.motion_embedding(motion_BE))[:, None]
        return Context(emb_BFE, temporal_emb_BFE, indicator_B.to(device), num_frames, all_3d)

    def _split_camera(self, sample: Tensor) -> tuple[Tensor, Tensor]:
        """The input without its rays, and those as tokens [N, 16, E] of each frame."""
        first = 2 * self.config["out_channels"]
        before, rays, mask = sample.tensor_split((first, first + NUM_RAY_CHANNELS), dim=2)
        pooled = functional.adaptive_avg_pool2d(rays.flatten(0, 1), _CAMERA_GRID)
        tokens = pooled.flatten(2).transpose(1, 2).to(self.conv_in.weight.dtype)
        without = torch.cat([before, torch.zeros_like(rays), mask], dim=2)
        return without, self.camera_embedding(tokens)

    def _check_inputs(
        self,
        sample: Tensor,
        added_time_ids: Tensor,
        indicator: Tensor,
        motion_ids: Tensor | None,
    ) -> None:
        divisor = 2 ** (len(self.down_blocks) - 1)
        if sample.ndim != 5 or any(side % divisor for side in sample.shape[-2:]):
            raise ValueError(
                "sample must be [B, F, C, H, W] with H and W multiples of"
                f" {divisor} latent pixels, got {tuple(sample.shape)}"
            )
        num_samples, num_frames = sample.shape[:2]
        if added_time_ids.shape not in ((num_samples, 2), (num_samples, num_frames, 2)):
            raise ValueError(
                f"added_time_ids must be [{num_samples}, {num_frames}, 2] or [{num_samples}, 2],"
                f" got {tuple(added_time_ids.shape)}"
            )
        if indicator.shape != (num_samples,):
            raise ValueError(f"indicator must be [{num_samples}], got {tuple(indicator.shape)}")
        if motion_ids is not None and motion_ids.numel() != num_samples:
            raise ValueError(
                f"motion_ids must be one strength per sample, [{num_samples}],"
                f" got {tuple(motion_ids.shape)}"
            )


def _check_config(config: Any) -> None:
    for name, value in _FIXED.items():
        if config[name] != value:
            raise ConfigError(f"{name} must be {value}, as in the released model: {config[name]}")
    if config["camera_condition"] not in CAMERA_CONDITIONS:
        raise ConfigError(
            f"camera_condition must be of {', '.join(CAMERA_CONDITIONS)},"
            f" got {config['camera_condition']}"
        )
    num_levels = len(config["block_out_channels"])
    for name in ("num_attention_heads", "down_block_types", "up_block_types"):
        if len(config[name]) != num_levels:
            raise ConfigError(f"{name} must have {num_levels} entries, got {config[name]}")
    for name, known in (("down_block_types", _DOWN), ("up_block_types", _UP)):
        if unknown := set(config[name]) - set(known):
            raise ConfigError(f"{name} must be of {sorted(set(known))}, got {sorted(unknown)}")
