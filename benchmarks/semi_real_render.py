"""Cut-out movers as rigid upright boards in a world of real frames, and what is then true.

A board's axes: x to its right, y up, z out of its front; its origin is where it stands. Truth
counts the board alone: limbs that move within it are not in its motion strength.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from semi_real_cutouts import Cutout
from semi_real_worlds import World, image_from_plane, plane_points

from camvid.artifacts import F32, F64, U8, U16
from camvid.geometry import invert_rigid
from camvid.scenes.truth import SceneTruth

NUM_POINTS = 256  # of a board's surface, for its true motion strength
_VISIBLE = 0.5  # opacity from which a pixel is the object's
_OCCLUSION_MARGIN_M = 0.04  # depth maps of the room are that good; feet stand on what they touch
_OCCLUSION_EDGE_PX = 0.6  # Gaussian that softens where real objects cut a board off
_SHADOW_DARKNESS = 0.5
_SHADOW_DEPTH = 0.35  # of the shadow, over its width
_ON_GROUND_M = 0.06  # a shadow lies where the depth map and the ground agree to so much


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """A cut-out and where it stands, frame by frame."""

    name: str
    cutout: Cutout
    world_from_board: F64  # [T, 4, 4], rigid


def compose(
    world: World, boards: Sequence[Board], name: str, ingredients: tuple[str, ...], seed: int
) -> SceneTruth:
    """The world's frames with the boards in them, and everything that is true of them.

    Boards have the ids 1, 2, ... in order. Depth is the world's where no board is seen.
    """
    frames = [_compose_frame(world, boards, t) for t in range(world.num_frames)]
    rgb, depth, object_id = (np.stack(stack) for stack in zip(*frames, strict=True))
    matrices = [board.world_from_board for board in boards]
    return SceneTruth(
        name=name,
        rgb=rgb,
        depth=depth,
        object_id=object_id,
        K_per_frame=np.tile(world.K, (world.num_frames, 1, 1)),
        cam_from_world=world.cam_from_world,
        part_names=tuple(board.name for board in boards),
        world_from_part=np.stack(matrices, axis=1),
        surface_points=tuple(
            surface_points(board.cutout, np.random.default_rng([seed, k]))
            for k, board in enumerate(boards)
        ),
        fps=world.fps,
        ingredients=ingredients,
    )


def surface_points(cutout: Cutout, rng: np.random.Generator) -> F64:
    """Points [S, 3] spread over what is opaque in at least half of the frames, board axes."""
    often = cutout.opaque.mean(axis=0) >= 0.5
    rows, columns = np.nonzero(often)
    chosen = rng.choice(len(rows), NUM_POINTS)
    x = (columns[chosen] + 0.5 - cutout.foot_px[0]) * cutout.m_per_px
    y = (cutout.foot_px[1] - rows[chosen] - 0.5) * cutout.m_per_px
    return np.stack([x, y, np.zeros(len(x))], axis=1)


def nearest_where_unknown(depth: F32) -> F32:
    """Holes take the nearest depth around them: a board behind a hole's rim stays hidden."""
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    if not inverse.any():
        return np.full_like(depth, np.inf)
    reach = np.ones((3, 3), np.uint8)
    while not inverse.all():
        inverse = np.where(inverse > 0, inverse, cv2.dilate(inverse, reach))
    return 1 / inverse


def _compose_frame(world: World, boards: Sequence[Board], t: int) -> tuple[U8, F32, U16]:
    light = world.rgb[t].astype(np.float32)
    depth, ids = world.depth[t].copy(), np.zeros(world.size, np.uint16)
    barrier = nearest_where_unknown(world.depth[t]) if world.hides else None
    for board in boards:
        light *= (1 - _shadow(world, board, t, barrier))[..., None]
    for number in _far_to_near(world, boards, t):
        rgba, at = _draw(world, boards[number], t)
        if barrier is not None:
            shown = (at <= barrier + _OCCLUSION_MARGIN_M).astype(np.float32)
            rgba *= cv2.GaussianBlur(shown, (0, 0), _OCCLUSION_EDGE_PX)[..., None]
        alpha = rgba[..., 3]
        light = light * (1 - alpha[..., None]) + rgba[..., :3]
        seen = alpha > _VISIBLE
        depth[seen], ids[seen] = at[seen], number + 1
    return np.clip(np.round(light), 0, 255).astype(np.uint8), depth, ids


def _far_to_near(world: World, boards: Sequence[Board], t: int) -> list[int]:
    places = np.array([board.world_from_board[t, :3, 3] for board in boards]).reshape(-1, 3)
    depth = places @ world.cam_from_world[t, 2, :3] + world.cam_from_world[t, 2, 3]
    return [int(k) for k in np.argsort(-depth)]


def _draw(world: World, board: Board, t: int) -> tuple[F32, F32]:
    """The board as it shows in the image, premultiplied [H, W, 4], and its depth [H, W]."""
    height, width = world.size
    matrix = image_from_plane(world.K, world.cam_from_world[t], board.world_from_board[t])
    _, _, depth = plane_points(matrix, (height, width))
    cutout = board.cutout
    image_px = world.K[1, 1] / max(matrix[2, 2], 1e-3) * cutout.m_per_px  # per cutout pixel
    share = float(min(1.0, image_px))  # linear resampling alone would alias
    drawn = cutout.rgba[t]
    size = [max(1, round(share * side)) for side in drawn.shape[1::-1]]
    drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    across, down = cutout.rgba.shape[2] / size[0], cutout.rgba.shape[1] / size[1]
    scale, (foot_x, foot_y) = cutout.m_per_px, cutout.foot_px
    plane_from_cutout = np.array(
        [[scale * across, 0, -scale * foot_x], [0, -scale * down, scale * foot_y], [0, 0, 1.0]]
    )
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # OpenCV counts from pixel centres
    warp = np.linalg.inv(half) @ matrix @ plane_from_cutout @ half
    rgba = cv2.warpPerspective(drawn, warp, (width, height), flags=cv2.INTER_LINEAR)
    rgba[depth <= 0] = 0
    if world.softness_px:
        rgba = cv2.GaussianBlur(rgba, (0, 0), world.softness_px)
    return rgba, depth.astype(np.float32)


def _shadow(world: World, board: Board, t: int, barrier: F32 | None) -> F32:
    """How much darker [H, W] the ground is under the board: a soft ellipse where it stands.

    Where depth is dense, its `barrier` says what of the ground is seen.
    """
    matrix = image_from_plane(world.K, world.cam_from_world[t], world.world_from_ground)
    x, y, depth = plane_points(matrix, world.size)
    ground_from_world = invert_rigid(world.world_from_ground[:3])
    pose = ground_from_world[:, :3] @ board.world_from_board[t, :3]
    place = pose[:2, 3] + ground_from_world[:2, 3]
    right = pose[:2, 0] / np.linalg.norm(pose[:2, 0])
    x, y = x - place[0], y - place[1]
    half_width = 0.5 * float(_width_m(board.cutout, t))
    along = (x * right[0] + y * right[1]) / half_width
    across = (y * right[0] - x * right[1]) / (_SHADOW_DEPTH * half_width)
    dark = _SHADOW_DARKNESS * np.exp(-1.5 * (along**2 + across**2))
    seen = depth > 0
    if barrier is not None:
        seen &= np.abs(barrier - depth) < _ON_GROUND_M
    return np.where(seen, dark, 0).astype(np.float32)


def _width_m(cutout: Cutout, t: int) -> float:
    columns = np.nonzero(cutout.opaque[t].any(axis=0))[0]
    return float(np.ptp(columns) + 1) * cutout.m_per_px
