"""Renders a scene on the CPU: exact depth and ids at pixel centres, antialiased colours.

Each surface's inverse depth is evaluated at the centre and at four points of every pixel; the
nearest surface wins each. The centre gives depth and id; the four give how much of the pixel each
surface covers, by which the surfaces' colours (mip-mapped, taken once per pixel) are mixed.
"""

import numpy as np

from camvid.artifacts import F32, F64, U8, U16
from camvid.parallel import map_threads
from camvid.scenes.primitives import Surface
from camvid.scenes.solids import Solid, build_solids, surfaces_seen
from camvid.scenes.spec import SceneSpec
from camvid.scenes.truth import SceneTruth

# Rotated grid: no two of the four samples share a row or a column, so near-vertical and
# near-horizontal edges get five steps, not three.
_OFFSETS = np.array([(0, 0), (-3, -1), (1, -3), (3, 1), (-1, 3)]) / 8
_NOTHING = 0xFF
_NUM_INSTANTS = 6  # of an open shutter; blur longer than so many pixels shows steps


def render(spec: SceneSpec) -> SceneTruth:
    """The clip's images with everything that is true of them; the same for the same spec."""
    solids = build_solids(spec)
    rendered = map_threads(lambda i: render_frame(spec, solids, i), range(spec.num_frames))
    rgb, depth, object_id = (np.stack(stack) for stack in zip(*rendered, strict=True))
    return SceneTruth(
        name=spec.name,
        rgb=rgb,
        depth=depth,
        object_id=object_id,
        K_per_frame=spec.K_per_frame,
        cam_from_world=spec.cam_from_world,
        part_names=tuple(body.name for body in spec.objects),
        world_from_part=spec.world_from_part,
        surface_points=spec.surface_points,
        fps=spec.fps,
        ingredients=spec.ingredients,
    )


def render_frame(spec: SceneSpec, solids: list[Solid], index: int) -> tuple[U8, F32, U16]:
    """rgb [H, W, 3], depth [H, W] (0 where there is nothing) and object_id [H, W] of one frame."""
    size = spec.height_px, spec.width_px
    moment = spec.moment(index)
    surfaces = surfaces_seen(solids, moment, size, spec.lamp)
    inverse, winner = _nearest(surfaces, size, _OFFSETS)
    ids = np.array([s.object_id for s in surfaces] + [0] * (_NOTHING + 1 - len(surfaces)))
    depth = np.where(inverse > 0, 1 / np.maximum(inverse, np.float32(1e-9)), np.float32(0))
    blurs = spec.sensor.shutter > 0
    light = _blurred(spec, solids, index) if blurs else _mix(surfaces, winner[1:], size)
    progress = index / max(1, spec.num_frames - 1)
    rgb = spec.sensor.expose(light, progress, moment.time_s, [spec.seed, index])
    return rgb, depth, ids.astype(np.uint16)[winner[0]]


def _blurred(spec: SceneSpec, solids: list[Solid], index: int) -> F32:
    """Colours [H, W, 3] gathered while the shutter is open, about the frame's own moment."""
    size = spec.height_px, spec.width_px
    instants = spec.sensor.shutter * ((np.arange(_NUM_INSTANTS) + 0.5) / _NUM_INSTANTS - 0.5)
    gathered = np.zeros((*size, 3), np.float32)
    for number, instant in enumerate(instants):
        surfaces = surfaces_seen(solids, spec.moment(index + instant), size, spec.lamp)
        corner = 1 + number % (len(_OFFSETS) - 1)
        gathered += _mix(surfaces, _nearest(surfaces, size, _OFFSETS[corner, None])[1], size)
    return gathered / np.float32(_NUM_INSTANTS)


def _pixels(surface: Surface, offset: np.ndarray) -> tuple[F32, F32]:
    rows, columns = surface.window
    x = np.arange(columns.start, columns.stop) + 0.5 + offset[0]
    y = np.arange(rows.start, rows.stop) + 0.5 + offset[1]
    return x.astype(np.float32)[None], y.astype(np.float32)[:, None]


def _nearest(surfaces: list[Surface], size: tuple[int, int], offsets: F64) -> tuple[F32, U8]:
    """Inverse depth at the first offset [H, W], and which surface wins each sample [S, H, W]."""
    if len(surfaces) >= _NOTHING:
        raise ValueError(f"a scene shows at most {_NOTHING - 1} faces at once: {len(surfaces)}")
    best = np.zeros((len(offsets), *size), np.float32)
    winner = np.full((len(offsets), *size), _NOTHING, np.uint8)
    for number, surface in enumerate(surfaces):
        for sample, offset in enumerate(offsets):
            inverse = surface.inverse_depth(*_pixels(surface, offset))
            window = best[sample][surface.window]
            nearer = inverse > window
            np.copyto(window, inverse, where=nearer)
            np.copyto(winner[sample][surface.window], np.uint8(number), where=nearer)
    return best[0], winner


def _mix(surfaces: list[Surface], winner: U8, size: tuple[int, int]) -> F32:
    """Colours [H, W, 3]: every surface's own, weighted by the samples [S, H, W] that it wins."""
    mixed = np.zeros((*size, 3), np.float32)
    for number, surface in enumerate(surfaces):
        share = (winner[(slice(None), *surface.window)] == number).sum(0, dtype=np.uint8)
        if share.any():
            weight = share[..., None] * np.float32(1 / len(winner))
            mixed[surface.window] += weight * surface.colour(*_pixels(surface, _OFFSETS[0]))
    return mixed
