"""Depth without a network: what is static by flow and planes, what moves by where it stands.

The static scene and every mover are the solution of one least-squares problem each
(`camvid.depth.energy`, `camvid.depth.movers`), and confidence is its posterior's. What moves is
asked of `camvid.rigidity`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U16, DepthMaps, Frames, ObjectMasks, Reconstruction
from camvid.depth.alignment import observed_depths, relative_residual
from camvid.depth.fusion import Measured
from camvid.depth.movers import Mover, place_movers
from camvid.depth.static_scene import solve_static_scene
from camvid.depth.two_view import choose_partners
from camvid.depth.views import Views
from camvid.geometry import rescale_K
from camvid.parallel import map_threads

_FOCAL_WEIGHT = 2.0  # relative error of depth over the standard error of the focal length


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricDepthOptions:
    """Where the work is done, and what confidence its results are given."""

    working_pixels: int = 320 * 180  # flow costs as much for every shape of image
    confidence_falloff: float = 0.1  # expected relative error at which confidence is 1/e


class GeometricDepth:
    """A depth estimator that needs cameras and parallax, and no weights."""

    def __init__(self, options: GeometricDepthOptions | None = None) -> None:
        self._options = options or GeometricDepthOptions()

    def estimate(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        moving: Collection[int],
    ) -> DepthMaps:
        """Depth of every registered frame in the reconstruction's units; movers are a guess."""
        num_frames, height_px, width_px = masks.object_id.shape
        if not reconstruction.has_trajectory:
            return DepthMaps.none(num_frames, height_px, width_px)
        scale = min(1.0, (self._options.working_pixels / (width_px * height_px)) ** 0.5)
        size = (round(width_px * scale), round(height_px * scale))
        scales = size[0] / width_px, size[1] / height_px
        rgb = map_threads(lambda image: _resized(image, size, cv2.INTER_AREA), frames.rgb)
        object_id = [_resized(ids, size, cv2.INTER_NEAREST) for ids in masks.object_id]
        views = Views(
            [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in rgb],
            np.stack([rescale_K(K, *scales) for K in reconstruction.K_per_frame]),
            reconstruction.cam_from_world,
        )
        sparse = observed_depths(reconstruction)
        small = [s._replace(xy_px=s.xy_px * np.array(scales, np.float32)) for s in sparse]
        partners = choose_partners(reconstruction, sparse, width_px)
        surfaces = solve_static_scene(views, rgb, object_id, moving, small, partners)
        movers = place_movers(list(moving), object_id, surfaces, views)
        depth = np.zeros(masks.object_id.shape, np.float32)
        confidence = np.zeros(masks.object_id.shape, np.uint8)
        focal_error = np.nan_to_num(reconstruction.quality.focal_uncertainty, nan=0.0)

        def finish(t: int) -> float:
            inv_depth, sigma = _with_movers(surfaces[t], movers, masks.object_id[t], t)
            known = (inv_depth > 0) & reconstruction.registered[t]
            depth[t][known] = 1 / inv_depth[known]
            sigma = np.hypot(sigma, np.float32(_FOCAL_WEIGHT * focal_error))
            level = 255 * np.exp(-sigma / np.float32(self._options.confidence_falloff))
            confidence[t] = np.where(known, level, 0)
            return relative_residual(depth[t], known, sparse[t])

        residual = np.array(map_threads(finish, range(num_frames)))
        return DepthMaps(
            depth=depth,
            valid=depth > 0,
            confidence=confidence,
            scale=np.ones(num_frames),
            shift=np.zeros(num_frames),
            residual=residual,
            source="geometric",
        )


def _with_movers(
    surface: Measured, movers: Mapping[int, Mover], object_id: U16, frame_index: int
) -> tuple[F32, F32]:
    """(inverse depth, its expected relative error) at the size of object_id [H, W].

    Movers stand in front of the static scene.
    """
    size = (object_id.shape[1], object_id.shape[0])
    inv_depth = _resized(surface.inv_depth, size, cv2.INTER_LINEAR)
    sigma = _resized(np.minimum(surface.sigma, np.float32(10)), size, cv2.INTER_LINEAR)
    for label, mover in movers.items():
        own = object_id == label
        sigma[own] = min(float(mover.sigma[frame_index]), 10.0)
        nearness = np.float32(np.nan_to_num(mover.inv_depth[frame_index]))
        inv_depth[own] = np.maximum(inv_depth[own], nearness)
    return inv_depth, sigma


def _resized(image: NDArray[Any], size: tuple[int, int], interpolation: int) -> NDArray[Any]:
    """`image` [h, w, ...] at another (width, height)."""
    return np.asarray(cv2.resize(image, size, interpolation=interpolation))
