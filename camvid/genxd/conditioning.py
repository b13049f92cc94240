"""What the model is conditioned on: known frames, cameras, kind and motion."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

NUM_INPUT_CHANNELS = 15  # 4 latent, 4 always zero, 6 rays, 1 mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Made by `from_samples`; the fields are what the UNet is fed."""

    is_given: Tensor  # [B, F] bool: condition frames, whose latents are known
    given_latents: Tensor  # [B, F, 4, H, W], clean and scaled; 0 on target frames
    rays: Tensor  # [B, F, 6, H, W]
    added_time_ids: Tensor  # [B, F, 2]: 0, and whether there are cameras
    indicator: Tensor  # [B]
    motion_ids: Tensor  # [B]

    @classmethod
    def from_samples(
        cls,
        *,
        latents: Tensor,
        is_given: Tensor,
        rays: Tensor,
        indicator: Tensor,
        motion_ids: Tensor,
    ) -> "Conditions":
        """Conditions on the frames of `latents` that are given; the others are not read.

        Args:
            latents: [B, F, 4, H, W], VAE latents times its scaling factor.
            is_given: [B, F] bool.
            rays: [B, F, 6, H, W], see `rays.plucker_rays`; not read for indicator 1.
            indicator: [B], 0 for 3D, 1 for video without cameras, 2 for 4D.
            motion_ids: [B], motion strengths in the model's scale; have no effect on 3D.
        """
        if not bool(((indicator >= 0) & (indicator <= 2)).all()):
            raise ValueError(f"indicator must be 0, 1 or 2, got {indicator.tolist()}")
        has_camera_B = (indicator != 1).to(latents.device)
        ids_B2 = torch.stack([torch.zeros_like(has_camera_B), has_camera_B], dim=-1)
        return cls(
            is_given=is_given,
            given_latents=_only(is_given, latents),
            rays=_only(has_camera_B, rays),
            added_time_ids=ids_B2[:, None].expand(-1, is_given.shape[1], -1).float(),
            indicator=indicator,
            motion_ids=motion_ids,
        )

    def dropped(self, is_dropped_B: Tensor) -> "Conditions":
        """The same with some samples made unconditional, for guidance.

        Those keep their kind and the mask of their condition frames; all else becomes 0.
        """
        keep_B = ~is_dropped_B
        return replace(
            self,
            given_latents=_only(keep_B, self.given_latents),
            rays=_only(keep_B, self.rays),
            added_time_ids=_only(keep_B, self.added_time_ids),
            motion_ids=_only(keep_B, self.motion_ids),
        )

    def unconditional(self) -> "Conditions":
        """The same with all samples made unconditional."""
        return self.dropped(torch.ones_like(self.motion_ids, dtype=torch.bool))

    def to(self, device: torch.device | str) -> "Conditions":
        """The same on another device, less the indicator: the UNet looks at it on the CPU."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        return replace(self, **(moved | {"indicator": self.indicator}))

    def joined(self, other: "Conditions") -> "Conditions":
        """The samples of both, in one batch."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Conditions(**{name: torch.cat(pair) for name, pair in pairs.items()})

    def put_given(self, latents_BFCHW: Tensor) -> Tensor:
        """The latents with the condition frames replaced by their known ones."""
        known = self.given_latents.to(latents_BFCHW.dtype)
        return torch.where(_like(self.is_given, known), known, latents_BFCHW)

    def unet_sample(self, noisy_BFCHW: Tensor) -> Tensor:
        """[B, F, 15, H, W] from noisy latents already scaled to about unit variance."""
        latent = self.put_given(noisy_BFCHW)
        mask = _like(self.is_given, latent).to(latent.dtype).expand_as(latent[:, :, :1])
        # The second four are where Stable Video Diffusion has its condition; GenXD leaves them 0.
        rays = self.rays.to(latent.dtype)
        return torch.cat([latent, torch.zeros_like(latent), rays, mask], dim=2)


def _like(leading: Tensor, x: Tensor) -> Tensor:
    """`leading` with trailing axes of length 1, to broadcast against x."""
    return leading.view(*leading.shape, *[1] * (x.ndim - leading.ndim))


def _only(keep: Tensor, x: Tensor) -> Tensor:
    """x, and 0 where not kept: even a NaN there, as in frames that were never encoded."""
    return torch.where(_like(keep, x), x, torch.zeros_like(x))
