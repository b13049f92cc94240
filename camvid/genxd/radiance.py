"""A small radiance field, fitted to a few views of a static scene in seconds on a CPU.

A grid of densities and colours in the first view's frame, in x/z, y/z and 1/z, so that what is near
gets finer cells; rendered along rays as NeRF does (Mildenhall et al. 2020). It stands in for
Zip-NeRF and 3D Gaussians, by which GenXD's Table 4 measures: quick enough to compare what different
views are good for, not a method to compare with theirs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from camvid.artifacts import F32, F64
from camvid.geometry import cam_from_img, invert_rigid

_MARGIN = 2.0  # how much more than the first view's image the grid shows, to each side
_RAYS_AT_ONCE = 4096  # when rendering: what is computed of them stays in the cache
_EMPTY, _GREY = -2.0, 0.0  # before sigmoids and softplus


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOptions:
    """Depths are in the unit of the cameras: of clips as trained on, the median depth is 1."""

    num_cells: int = 64  # along each axis
    num_depths: int = 64  # points on a ray, evenly in 1/z
    near: float = 0.2
    num_steps: int = 400
    rays_per_step: int = 1024
    learning_rate: float = 0.1
    smoothness: float = 0.02  # of neighbouring cells: few views leave much open
    seed: int = 0


class RadianceField(nn.Module):
    """Density and colour on a grid [1, 4, D, H, W] before the camera `reference` [3, 4]."""

    def __init__(self, reference: F64, K: F64, image_hw: tuple[int, int], o: FieldOptions) -> None:
        super().__init__()
        self._reference, self._options = reference, o
        # How far x/z and y/z go from the axis at the image's edge.
        edges = np.array([image_hw[1] / K[0, 0], image_hw[0] / K[1, 1]]) / 2
        self._reach = torch.tensor(_MARGIN * edges, dtype=torch.float32)
        grid = torch.full((1, 4, *[o.num_cells] * 3), _GREY)
        grid[:, 3] = _EMPTY
        # The four values of a cell side by side, as they are read.
        self.grid = nn.Parameter(grid.to(memory_format=torch.channels_last_3d))

    def forward(self, origin_N3: Tensor, direction_N3: Tensor) -> Tensor:
        """Colours [N, 3] in [0, 1] along rays in the reference's frame; black where empty."""
        o = self._options
        inverse_z = torch.linspace(1 / o.near, 0.02, o.num_depths)
        z = 1 / inverse_z  # along the reference's axis, at which rays are looked at
        along = (z - origin_N3[:, 2:]) / direction_N3[:, 2:].clamp(min=0.1)
        points = origin_N3[:, None] + along[..., None] * direction_N3[:, None]
        xy = points[..., :2] / z[:, None] / self._reach
        depth = (2 * o.near * inverse_z - 1).expand(len(xy), -1)
        places = torch.cat([xy, depth[..., None]], dim=-1)[None, None]
        values = functional.grid_sample(self.grid, places, align_corners=True)[0, :, 0]
        rgb = torch.sigmoid(values[:3])
        step = functional.pad(along.diff(dim=1), (0, 1), value=1e3)
        passes = torch.exp(-functional.softplus(values[3]) * (step * (along > 0)).clamp(min=0))
        reaches = functional.pad(passes[:, :-1].cumprod(dim=1), (1, 0), value=1.0)
        return ((1 - passes) * reaches * rgb).sum(dim=-1).T

    def render(self, cam_from_world: F64, K: F64, image_hw: tuple[int, int]) -> F32:
        """An image [3, H, W] in [-1, 1] from a camera [3, 4]."""
        rays = self.rays(cam_from_world, K, image_hw)
        with torch.no_grad():
            parts = zip(*(vectors.split(_RAYS_AT_ONCE) for vectors in rays), strict=True)
            rgb = torch.cat([self(*part) for part in parts])
        return (2 * rgb.T.reshape(3, *image_hw) - 1).numpy()

    def rays(self, cam_from_world: F64, K: F64, image_hw: tuple[int, int]) -> tuple[Tensor, ...]:
        """Origins and directions [H W, 3] of all pixels of a camera."""
        x, y = (np.arange(size) + 0.5 for size in image_hw[::-1])
        xy_px = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        directions = cam_from_img(K, xy_px, np.ones(len(xy_px)))
        world_from_cam = invert_rigid(cam_from_world)
        rotation = self._reference[:, :3] @ world_from_cam[:, :3]
        origin = self._reference[:, :3] @ world_from_cam[:, 3] + self._reference[:, 3]
        return tuple(
            torch.from_numpy(vectors.astype(np.float32))
            for vectors in (np.tile(origin, (len(xy_px), 1)), directions @ rotation.T)
        )


def fit_field(
    rgb: F32, cam_from_world: F64, K: F64, options: FieldOptions = FieldOptions()
) -> RadianceField:
    """A field that shows the views [V, 3, H, W] in [-1, 1] from their cameras [V, 3, 4].

    Args:
        rgb: the views; the first one's camera is the reference of the grid.
        cam_from_world: their cameras, with the median depth of the scene near 1.
        K: [V, 3, 3] in pixels.
        options: how finely, and for how long.
    """
    image_hw = rgb.shape[2], rgb.shape[3]
    field = RadianceField(cam_from_world[0], K[0], image_hw, options)
    rays = [field.rays(c, k, image_hw) for c, k in zip(cam_from_world, K, strict=True)]
    origins, directions = (torch.cat(parts) for parts in zip(*rays, strict=True))
    colours = torch.from_numpy((rgb.transpose(0, 2, 3, 1).reshape(-1, 3) + 1) / 2)
    optimizer = torch.optim.Adam(field.parameters(), lr=options.learning_rate, fused=True)
    draws = torch.Generator().manual_seed(options.seed)
    for _ in range(options.num_steps):
        chosen = torch.randint(len(colours), (options.rays_per_step,), generator=draws)
        error = field(origins[chosen], directions[chosen]) - colours[chosen]
        optimizer.zero_grad()
        error.square().mean().backward()
        _smooth(field.grid, options.smoothness)
        optimizer.step()
    return field


@torch.no_grad()
def _smooth(grid: Tensor, weight: float) -> None:
    """Adds the gradient of the mean squared difference of neighbouring cells along each axis.

    By hand: autograd's takes as long as the rays, for a loss that nobody looks at.
    """
    assert grid.grad is not None
    for axis in (2, 3, 4):
        difference = grid.diff(dim=axis)
        step, length = 2 * weight / difference.numel(), difference.shape[axis]
        grid.grad.narrow(axis, 0, length).sub_(difference, alpha=step)
        grid.grad.narrow(axis, 1, length).add_(difference, alpha=step)
