"""Depth without a network: dense flow between posed frames, triangulated where the scene is static.

What moves cannot be triangulated; it is given the depth of the ground it stands on. Motion along
the epipolar lines at constant speed (towards the camera, say) looks like depth, and stays unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import (
    F32,
    F64,
    I32,
    U8,
    U16,
    Bool,
    DepthMaps,
    Frames,
    ObjectMasks,
    Reconstruction,
)
from camvid.depth.alignment import observed_depths, relative_residual
from camvid.depth.filling import (
    FillOptions,
    MoverDepth,
    fill_holes,
    foot_inv_depth,
    ground_ratio,
    is_footed,
    is_whole,
    mover_inv_depths,
)
from camvid.depth.sway import Nearness, SwayOptions, combined, follow, nearness
from camvid.depth.two_view import TwoViewOptions, choose_partners, measure_inverse_depth
from camvid.geometry import rescale_K
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricDepthOptions:
    """Where the work is done, and what confidence its results are given."""

    working_pixels: int = 320 * 180  # flow costs as much for every shape of picture
    confidence_falloff: float = 0.1  # expected relative error at which confidence is 1/e
    lone_pair_sigma: float = 0.1  # relative error to expect where no second pair agrees
    filled_confidence: int = 30
    mover_margin_px: int = 2  # at the working size: within it of a mover, nothing is measured
    source_margin_px: int = 8  # and within this nothing is used to fill what lies behind it
    two_view: TwoViewOptions = field(default_factory=TwoViewOptions)
    fill: FillOptions = field(default_factory=FillOptions)
    sway: SwayOptions = field(default_factory=SwayOptions)


class _Measured(NamedTuple):
    """One frame at the working size, before anything is filled."""

    inv_depth: F32  # [h, w], 0 where not measured
    confidence: U8  # [h, w], 0 where not measured
    object_pixels: I32  # [M]
    agreed_pixels: I32  # [M] of those, with a depth on which two pairs agree
    ground_ratio: F64  # [M] inverse depth over that of the ground beneath, or NaN


class _Layer(NamedTuple):
    """One frame's depth at the working size, as if the movers were not there."""

    inv_depth: F32  # [h, w], above 0 unless nothing at all is known
    confidence: U8  # [h, w]
    feet: F64  # [M] inverse depth where each mover touches the ground, or NaN


class _Guess(NamedTuple):
    """Where a mover is in one frame."""

    inv_depth: float  # NaN where not known
    confidence: int


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
    """One clip's depth: measure every frame, find the movers, fill and enlarge every frame."""

    def __init__(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        options: GeometricDepthOptions,
    ) -> None:
        _, height, width = masks.object_id.shape
        scale = min(1.0, (options.working_pixels / (width * height)) ** 0.5)
        self._size = (round(width * scale), round(height * scale))
        self._K = rescale_K(reconstruction.K, self._size[0] / width, self._size[1] / height)
        self._masks, self._reconstruction, self._options = masks, reconstruction, options
        self._labels = [o.object_id for o in masks.objects]
        self._gray = map_threads(self._shrink, frames.rgb)
        self._sparse = observed_depths(reconstruction)
        self._partners = choose_partners(reconstruction, self._sparse, width, options.two_view)

    def solve(self) -> DepthMaps:
        shape = self._masks.object_id.shape
        every = range(shape[0])
        measured = map_threads(self._measure, every)
        movers = self._movers(measured)
        layers = map_threads(lambda t: self._layer(t, measured[t], movers), every)
        objects = self._object_inv_depths(layers, measured, movers)
        depth = np.zeros(shape, np.float32)
        confidence = np.zeros(shape, np.uint8)

        def finish(t: int) -> float:
            depth[t], confidence[t] = self._enlarge(t, layers[t], objects[t])
            return relative_residual(depth[t], depth[t] > 0, self._sparse[t])

        residual = np.array(map_threads(finish, every))
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
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.resize(gray, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def _object_id(self, frame_index: int) -> U16:
        """[h, w] at the working size."""
        full = self._masks.object_id[frame_index]
        small = cv2.resize(full, self._size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(small, np.uint16)

    def _measure(self, frame_index: int) -> _Measured:
        options = self._options
        found = measure_inverse_depth(
            self._gray,
            self._K,
            self._reconstruction.cam_from_world,
            frame_index,
            self._partners[frame_index],
            options.two_view,
        )
        confirmed = found.num_pairs >= min(2, len(self._partners[frame_index]))
        sigma = np.where(found.num_pairs >= 2, found.sigma, options.lone_pair_sigma + found.sigma)
        level = self._confidence(sigma)
        object_id = self._object_id(frame_index)
        own = [object_id == label for label in self._labels]
        agreed = [int(np.count_nonzero(mask & (found.num_pairs >= 2))) for mask in own]
        known, static = found.num_pairs >= 1, object_id == 0
        ratios = [ground_ratio(found.inv_depth, known, static, m, options.fill) for m in own]
        return _Measured(
            found.inv_depth,
            np.where(confirmed & (found.num_pairs > 0), np.maximum(level, 1), 0).astype(np.uint8),
            np.array([np.count_nonzero(mask) for mask in own], np.int32),
            np.array(agreed, np.int32),
            np.array(ratios, np.float64),
        )

    def _movers(self, measured: Sequence[_Measured]) -> list[int]:
        """Which objects (as places in the list of objects) cannot be static.

        Every masked object may move; one whose pixels obey the epipolar geometry, pair after
        pair, and that does not lie behind what it covers, does not, and keeps its measured depth.
        """
        pairs = [m for m, partners in zip(measured, self._partners, strict=True) if partners]
        pixels = sum((m.object_pixels for m in pairs), np.zeros(len(self._labels), np.int32))
        agreed = sum((m.agreed_pixels for m in pairs), np.zeros(len(self._labels), np.int32))
        share = agreed / np.maximum(pixels, 1)
        ratios = np.array([m.ground_ratio for m in pairs]).reshape(len(pairs), len(pixels))
        fill = self._options.fill
        behind = [_mostly_below(column, fill.min_ground_ratio) for column in ratios.T]
        return np.flatnonzero((share < fill.min_static_share) | behind).tolist()

    def _layer(self, frame_index: int, measured: _Measured, movers: list[int]) -> _Layer:
        """Fills holes and what lies behind the movers from the static surroundings."""
        options = self._options
        object_id = self._object_id(frame_index)
        moving = [object_id == self._labels[m] for m in movers]
        hidden = np.isin(object_id, [self._labels[m] for m in movers])
        known = (measured.confidence > 0) & ~_grown(hidden, options.mover_margin_px)
        inv_depth = np.where(known, measured.inv_depth, np.float32(0))
        confidence = np.where(known, measured.confidence, np.uint8(options.filled_confidence))
        # Near a mover some depth is dragged along with it, so what lies behind is told by others.
        source = known & ~_grown(hidden, options.source_margin_px)
        source = source if source.any() else known
        weight = np.where(source, (measured.confidence / np.float32(255)) ** 2, np.float32(0))
        layer = np.where(known, inv_depth, fill_holes(inv_depth, weight))
        feet = [foot_inv_depth(inv_depth, known, mask, options.fill) for mask in moving]
        for place, mask in enumerate(moving):
            if np.isnan(feet[place]):  # nothing measured there: what was filled in must do
                feet[place] = foot_inv_depth(layer, ~hidden, mask, options.fill)
        return _Layer(layer, confidence, np.array(feet, np.float64))

    def _object_inv_depths(
        self, layers: Sequence[_Layer], measured: Sequence[_Measured], movers: list[int]
    ) -> list[dict[int, _Guess]]:
        """Per frame, where each mover is by its id."""
        object_ids = [self._object_id(t) for t in range(len(layers))]
        guesses: list[dict[int, _Guess]] = [{} for _ in layers]
        for column, mover in enumerate(movers):
            label = self._labels[mover]
            feet = np.array([layer.feet[column] for layer in layers])
            num_pixels = np.array([m.object_pixels[mover] for m in measured], np.float64)
            stands = self._stands(feet, num_pixels, object_ids, label)
            told = self._told_by_sway(stands.inv_depth, object_ids, label)
            factor, sigma = combined(told, stands.sigma)
            level = int(self._confidence(np.array(sigma, np.float32)))
            for guess, value in zip(guesses, factor * stands.inv_depth, strict=True):
                guess[label] = _Guess(float(value), level)
        return guesses

    def _confidence(self, sigma: F32) -> F32:
        """From 0 to 255, of an expected relative error."""
        return np.asarray(255 * np.exp(-sigma / np.float32(self._options.confidence_falloff)))

    def _stands(
        self, feet: F64, num_pixels: F64, object_ids: Sequence[U16], label: int
    ) -> MoverDepth:
        fill = self._options.fill
        whole = np.array([is_whole(ids, label, fill) for ids in object_ids])
        footed = np.array([is_footed(ids, label, fill) for ids in object_ids])
        return mover_inv_depths(feet, num_pixels, whole, footed, fill)

    def _told_by_sway(self, inv_depth: F64, object_ids: Sequence[U16], label: int) -> Nearness:
        cam_from_world, sway = self._reconstruction.cam_from_world, self._options.sway
        path_px = follow(self._gray, object_ids, label, sway)
        return nearness(path_px, inv_depth, self._K, cam_from_world, sway)

    def _enlarge(
        self, frame_index: int, layer: _Layer, objects: dict[int, _Guess]
    ) -> tuple[F32, U8]:
        """(depth, confidence) at full size; movers stand in front of the static scene."""
        object_id = self._masks.object_id[frame_index]
        if not self._reconstruction.registered[frame_index] or not layer.inv_depth.any():
            return np.zeros(object_id.shape, np.float32), np.zeros(object_id.shape, np.uint8)
        inv_depth = _resized(layer.inv_depth, object_id)
        confidence = np.asarray(_resized(layer.confidence, object_id), np.uint8)
        for label, guess in objects.items():
            own = object_id == label
            confidence[own] = guess.confidence
            if not np.isnan(guess.inv_depth):
                inv_depth[own] = np.maximum(inv_depth[own], np.float32(guess.inv_depth))
        return np.asarray(1 / inv_depth, np.float32), confidence


def _mostly_below(values: F64, limit: float) -> bool:
    """Whether the median of the known values is below the limit; a quarter must be known."""
    known = values[np.isfinite(values)]
    return len(known) >= max(1, len(values) / 4) and float(np.median(known)) < limit


def _grown(mask: Bool, margin_px: int) -> Bool:
    kernel = np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def _resized(small: F32 | U8, like: U16) -> NDArray[Any]:
    """`small` [h, w] interpolated to the size of `like` [H, W]."""
    return np.asarray(cv2.resize(small, like.shape[::-1], interpolation=cv2.INTER_LINEAR))
