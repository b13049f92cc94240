"""Depth without a network: dense flow between posed frames, triangulated where the scene is static.

What moves cannot be triangulated; it is given the depth of the ground it stands on. Motion along
the epipolar lines at constant speed (towards the camera, say) looks like depth, and stays unseen
where no floor or ground contradicts it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, U8, U16, Bool, DepthMaps, Frames, ObjectMasks, Reconstruction
from camvid.depth.alignment import observed_depths, relative_residual
from camvid.depth.edges import EdgeOptions, snap
from camvid.depth.floor import find_floor, seen_floor
from camvid.depth.grounding import floor_ratio
from camvid.depth.movers import Mover, MoverOptions, place_movers
from camvid.depth.planes import Plane, find_planes
from camvid.depth.static_scene import (
    Layer,
    Seen,
    StaticOptions,
    away_from,
    find_movers,
    measured_frames,
    see,
    static_layer,
)
from camvid.depth.two_view import choose_partners
from camvid.depth.views import Views
from camvid.geometry import rescale_K
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricDepthOptions:
    """Where the work is done, and what confidence its results are given."""

    working_pixels: int = 320 * 180  # flow costs as much for every shape of picture
    confidence_falloff: float = 0.1  # expected relative error at which confidence is 1/e
    filled_confidence: int = 30
    focal_weight: float = 2.0  # relative error of depth over the standard error of the focal length
    static: StaticOptions = field(default_factory=StaticOptions)
    edges: EdgeOptions = field(default_factory=EdgeOptions)
    movers: MoverOptions = field(default_factory=MoverOptions)


class GeometricDepth:
    """A depth estimator that needs cameras and parallax, and no weights."""

    def __init__(self, options: GeometricDepthOptions | None = None) -> None:
        self._options = options or GeometricDepthOptions()

    def estimate(
        self, frames: Frames, masks: ObjectMasks, reconstruction: Reconstruction
    ) -> DepthMaps:
        """Depth of every registered frame in the reconstruction's units; movers are a guess."""
        num_frames, height_px, width_px = masks.object_id.shape
        if not reconstruction.has_trajectory:
            return DepthMaps.none(num_frames, height_px, width_px)
        return _ClipDepth(frames, masks, reconstruction, self._options).solve()


class _ClipDepth:
    """One clip's depth: the static scene, the movers before it, and both at full size."""

    def __init__(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        options: GeometricDepthOptions,
    ) -> None:
        num_frames, height, width = masks.object_id.shape
        scale = min(1.0, (options.working_pixels / (width * height)) ** 0.5)
        self._size = (round(width * scale), round(height * scale))
        scales = self._size[0] / width, self._size[1] / height
        every_K = [rescale_K(reconstruction.K_of(t), *scales) for t in range(num_frames)]
        self._masks, self._reconstruction, self._options = masks, reconstruction, options
        self._labels = [o.object_id for o in masks.objects]
        self._rgb = map_threads(self._shrink, frames.rgb)
        gray = [np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8) for rgb in self._rgb]
        self._views = Views(gray, np.stack(every_K), reconstruction.cam_from_world)
        self._object_ids = [self._shrink_ids(ids) for ids in masks.object_id]
        self._sparse = observed_depths(reconstruction)
        focal_error = reconstruction.quality.focal_uncertainty
        self._camera_sigma = options.focal_weight * (0 if np.isnan(focal_error) else focal_error)

    def solve(self) -> DepthMaps:
        shape = self._masks.object_id.shape
        depth = np.zeros(shape, np.float32)
        confidence = np.zeros(shape, np.uint8)
        layers, floor, movers = self._static_scene()
        places = place_movers(
            movers, self._object_ids, layers, floor, self._views, self._options.movers
        )

        def finish(t: int) -> float:
            depth[t], confidence[t] = self._enlarge(t, layers[t], places)
            return relative_residual(depth[t], depth[t] > 0, self._sparse[t])

        residual = np.array(map_threads(finish, range(shape[0])))
        return DepthMaps(
            depth=depth,
            valid=depth > 0,
            confidence=confidence,
            scale=np.ones(shape[0]),
            shift=np.zeros(shape[0]),
            residual=residual,
            source="geometric",
        )

    def _shrink(self, rgb: U8) -> U8:
        return np.asarray(cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def _shrink_ids(self, object_id: U16) -> U16:
        small = cv2.resize(object_id, self._size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(small, np.uint16)

    def _static_scene(self) -> tuple[list[Layer], Plane | None, list[int]]:
        """(the static scene of every frame, its floor, the ids of the objects not part of it)."""
        options, ground = self._options.static, self._options.movers.ground
        width_px = self._masks.object_id.shape[2]
        partners = choose_partners(self._reconstruction, self._sparse, width_px, options.two_view)
        index = measured_frames(partners, options)

        def look(t: int) -> Seen:
            objects = [self._object_ids[t] == label for label in self._labels]
            return see(self._views, t, partners[t], objects, options, ground)

        seen = map_threads(look, index)
        floor = self._floor(index, seen)
        ratios = self._floor_ratios(index, seen, floor)
        movers = [self._labels[m] for m in find_movers(seen, ratios, len(self._labels), ground)]
        measured = {
            t: away_from(s.measured, self._hidden(t, movers), options)
            for t, s in zip(index, seen, strict=True)
        }
        planes = find_planes(self._views, measured, options.planes)

        def layer(t: int) -> Layer:
            found = static_layer(self._views, measured, planes, t, options)
            # On objects depth goes with the flow: so do the tracks whose motion it is to explain.
            return snap(found, self._rgb[t], self._object_ids[t] > 0, self._options.edges)

        return map_threads(layer, range(len(self._object_ids))), floor, movers

    def _floor(self, index: Sequence[int], seen: Sequence[Seen]) -> Plane | None:
        """Of what was measured in the frames `index` off all objects."""
        options = self._options.static
        around = {
            t: away_from(s.measured, self._object_ids[t] > 0, options)
            for t, s in zip(index, seen, strict=True)
        }
        return find_floor(self._views, around, options.planes, self._options.movers.floor)

    def _floor_ratios(self, index: Sequence[int], seen: Sequence[Seen], floor: Plane | None) -> F64:
        """Of every object in the frames `index`, [n, M]; NaN where it is not seen on the floor."""
        ratios = np.full((len(seen), len(self._labels)), np.nan)
        if floor is None:
            return ratios
        for row, t, s in zip(ratios, index, seen, strict=True):
            ids, level = self._object_ids[t], seen_floor(floor, self._views, t)
            for m, label in enumerate(self._labels):
                row[m] = floor_ratio(
                    s.measured.inv_depth, level, ids == 0, ids == label, self._options.movers.ground
                )
        return ratios

    def _hidden(self, frame_index: int, movers: list[int]) -> Bool:
        return np.asarray(np.isin(self._object_ids[frame_index], movers), np.bool_)

    def _enlarge(
        self, frame_index: int, layer: Layer, movers: Mapping[int, Mover]
    ) -> tuple[F32, U8]:
        """(depth, confidence) at full size; movers stand in front of the static scene."""
        object_id = self._masks.object_id[frame_index]
        if not self._reconstruction.registered[frame_index] or not layer.inv_depth.any():
            return np.zeros(object_id.shape, np.float32), np.zeros(object_id.shape, np.uint8)
        inv_depth = _resized(layer.inv_depth, object_id)
        sigma = np.hypot(layer.sigma, np.float32(self._camera_sigma))
        level = np.where(
            np.isfinite(sigma), self._confidence(sigma), np.float32(self._options.filled_confidence)
        )
        confidence = np.asarray(_resized(level, object_id), np.uint8)
        for label, mover in movers.items():
            own = object_id == label
            confidence[own] = self._confidence(np.float32(mover.sigma))
            if not np.isnan(mover.inv_depth[frame_index]):
                nearness = np.float32(mover.inv_depth[frame_index])
                inv_depth[own] = np.maximum(inv_depth[own], nearness)
        return np.asarray(1 / inv_depth, np.float32), confidence

    def _confidence(self, sigma: F32 | np.float32) -> F32:
        """From 0 to 255, of an expected relative error."""
        return np.asarray(255 * np.exp(-sigma / np.float32(self._options.confidence_falloff)))


def _resized(small: F32, like: U16) -> NDArray[Any]:
    """`small` [h, w] interpolated to the size of `like` [H, W]."""
    return np.asarray(cv2.resize(small, like.shape[::-1], interpolation=cv2.INTER_LINEAR))
