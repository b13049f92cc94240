"""Depth of the static scene in every frame: measured in some, told apart from movers, fused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F32, F64, I32, NAN, Bool
from camvid.depth.fusion import FusionOptions, Measured, fuse
from camvid.depth.grounding import GroundOptions, ground_ratio, grown
from camvid.depth.planes import Plane, PlaneOptions, onto_planes
from camvid.depth.surface import SurfaceOptions, through
from camvid.depth.two_view import TwoViewOptions, measure_inverse_depth
from camvid.depth.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOptions:
    """What is measured and how it is put together; pixels are those of the working size."""

    measure_every: int = 2  # frames: those between learn from those measured
    border_px: int = 4  # so near the border flow is wrong: half of what it compares is missing
    mover_margin_px: int = 4  # so near a mover some depth is dragged along with it
    full_support: float = 200.0  # sum of 1 / relative error of a measurement of full weight
    # Near partners see more of the same things, and fusion makes up for their smaller parallax:
    two_view: TwoViewOptions = field(default_factory=lambda: TwoViewOptions(parallax_fraction=0.03))
    fusion: FusionOptions = field(default_factory=FusionOptions)
    planes: PlaneOptions = field(default_factory=PlaneOptions)
    surface: SurfaceOptions = field(default_factory=SurfaceOptions)


class Seen(NamedTuple):
    """What one frame's own pairs say."""

    measured: Measured  # where two pairs agree
    object_pixels: I32  # [M]
    agreed_pixels: I32  # [M] of those, with a depth on which two pairs agree
    ground_ratio: F64  # [M] inverse depth over that of the ground beneath, or NaN


class Layer(NamedTuple):
    """One frame's static scene [h, w], as if the movers were not there."""

    inv_depth: F32  # above 0 unless nothing at all is known
    sigma: F32  # expected relative error; infinite where it was filled in


def measured_frames(partners: Sequence[Sequence[int]], options: StaticOptions) -> list[int]:
    """Every so many of the frames that have partners."""
    return [t for t, others in enumerate(partners) if others][:: options.measure_every]


def see(
    views: Views,
    frame_index: int,
    partners: Sequence[int],
    objects: Sequence[Bool],
    options: StaticOptions,
    ground: GroundOptions,
) -> Seen:
    """Measures one frame; `objects` [h, w] each are the masks of all that may move."""
    found = measure_inverse_depth(views, frame_index, partners, options.two_view)
    agreed = found.num_pairs >= min(2, len(partners))
    known, static = found.num_pairs >= 1, ~np.logical_or.reduce([np.zeros_like(agreed), *objects])
    ratios = [ground_ratio(found.inv_depth, known, static, m, ground) for m in objects]
    return Seen(
        Measured(found.inv_depth, found.sigma).where(agreed & _inner(agreed, options.border_px)),
        np.array([np.count_nonzero(mask) for mask in objects], np.int32),
        np.array([np.count_nonzero(mask & (found.num_pairs >= 2)) for mask in objects], np.int32),
        np.array(ratios, np.float64),
    )


def find_movers(
    seen: Sequence[Seen], floor_ratios: F64, num_objects: int, ground: GroundOptions
) -> list[int]:
    """Which objects (as places in the list of objects) cannot be static.

    Every masked object may move; one whose pixels obey the epipolar geometry, pair after pair, and
    that stands on the ground it covers, does not, and keeps its measured depth. `floor_ratios`
    [n, M] say the same of the floor as `Seen.ground_ratio` does of the ground right beside it.
    """
    pixels = sum((s.object_pixels for s in seen), np.zeros(num_objects, np.int32))
    agreed = sum((s.agreed_pixels for s in seen), np.zeros(num_objects, np.int32))
    share = agreed / np.maximum(pixels, 1)
    ratios = np.array([s.ground_ratio for s in seen]).reshape(len(seen), num_objects)
    usual = np.array([_known_median(column) for column in ratios.T])
    off_ground = (usual < ground.min_ground_ratio) | (usual > ground.max_ground_ratio)
    over = np.array([_known_median(column) for column in floor_ratios.T])
    off_floor = (over < ground.min_floor_ratio) | (over > ground.max_floor_ratio)
    return np.flatnonzero((share < ground.min_static_share) | off_ground | off_floor).tolist()


def away_from(measured: Measured, hidden: Bool, options: StaticOptions) -> Measured:
    """What was measured off the movers `hidden` [h, w] and not near them."""
    return measured.where(~grown(hidden, options.mover_margin_px))


def static_layer(
    views: Views,
    measured: Mapping[int, Measured],
    planes: Sequence[Plane],
    frame_index: int,
    options: StaticOptions,
) -> Layer:
    """One frame's static scene as all that was measured has it, by frame."""
    found = fuse(views, measured, frame_index, options.fusion)
    found, on_plane = onto_planes(found, planes, views, frame_index, options.planes)
    trust = np.minimum(found.support / np.float32(options.full_support), 1) * found.agreement
    surface = through(found.inv_depth, trust, options.surface)
    return Layer(np.where(on_plane, found.inv_depth, surface), found.sigma)


def _inner(like: Bool, border_px: int) -> Bool:
    inner = np.zeros_like(like)
    inner[border_px : like.shape[0] - border_px, border_px : like.shape[1] - border_px] = True
    return inner


def _known_median(values: F64) -> float:
    """NaN unless a quarter of the values are known."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= max(1, len(values) / 4) else NAN
