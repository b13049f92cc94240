"""Semi-real scenes by seed: which world, which movers, where they go.

Worlds and routes take turns over the seeds, so that any twelve in a row hold every one; the rest is
drawn. What is drawn is kept where it can be seen, stands on free ground and moves enough to tell.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from semi_real_cutouts import ACTORS, Actor, Cutout, frames_shown, read_cutout
from semi_real_kitchen import on_floor, read_kitchen
from semi_real_render import Board, compose
from semi_real_room import fits, goes_left
from semi_real_routes import ROADS, STAGES, Place, Route, draw_motion
from semi_real_worlds import World, read_drive

from camvid.scenes.truth import SceneTruth

VERSION = 1  # of the scenes that the seeds stand for
# In kitchen and street nothing else moves; on the highway other cars do: no scene there is still.
TURNS: tuple[tuple[Place, Route], ...] = (
    ("table", "line"), ("street", "line"), ("table", "still"), ("floor", "line"),
    ("highway", "along"), ("street", "still"), ("table", "arc"), ("street", "along"),
    ("floor", "still"), ("street", "arc"), ("floor", "along"), ("table", "approach"),
)  # fmt: skip
_KITCHEN_FRAMES, _DRIVE_FRAMES = 56, 21  # 2.3 s at 24 fps, 2.1 s at 10 fps and 43 km/h
_DRIVE_FIRST = {"street": (0, 30), "highway": (24, 30)}  # first frames to draw from
_TRIES, _SPANS = 300, 20
_GAIN = (0.5, 1.3)  # of a cut-out, to look as light as its world


def semi_real_scene(seed: int, data: Path, cache: Path) -> SceneTruth:
    """The scene of a seed.

    Args:
        seed: any; the same gives the same scene from the same data.
        data: the folder that holds `clips/gt_7scenes_*` and `real/`.
        cache: folder for what takes long and is the same for all scenes.
    """
    rng = np.random.default_rng([VERSION, seed])
    place, route = TURNS[seed % len(TURNS)]
    world, boards = _draw(rng, place, route, data, cache)
    name = f"semi_{seed:03d}_{place}_{route}"
    controls = ("still_control",) if any("still" in b.name for b in boards) else ()
    return compose(world, boards, name, (place, route, *controls), seed)


def _draw(
    rng: np.random.Generator, place: Place, route: Route, data: Path, cache: Path
) -> tuple[World, list[Board]]:
    """A span of a world in which there is room, and what goes into it."""
    for _ in range(_SPANS):
        world = _draw_world(rng, place, data, cache)
        boards = _draw_boards(rng, place, route, world, data / "real")
        if boards:
            return world, boards
    raise ValueError(f"no free place on the {place} for a board ({route}) in {_SPANS} spans")


def _draw_world(rng: np.random.Generator, place: Place, data: Path, cache: Path) -> World:
    if place in ROADS:
        first = int(rng.integers(*_DRIVE_FIRST[place]))
        return read_drive(data / "real" / f"gt_kitti_{place}", first, _DRIVE_FRAMES)
    folder = data / "clips" / "gt_7scenes_redkitchen_translate"
    kitchen = read_kitchen(folder, cache / "kitchen.npz")
    first = int(rng.integers(0, kitchen.num_frames - _KITCHEN_FRAMES + 1))
    span = kitchen.span(first, _KITCHEN_FRAMES)
    return on_floor(span) if place == "floor" else span


def _draw_boards(
    rng: np.random.Generator, place: Place, route: Route, world: World, real: Path
) -> list[Board]:
    """The mover, where there is one, then what stands still; none where the first has no room."""
    num_still = int(rng.integers(1, 3)) if route == "still" else int(rng.random() < 0.6)
    routes: list[Route] = [*([] if route == "still" else [route]), *["still"] * num_still]
    boards: list[Board] = []
    for each in routes:
        board = _draw_board(rng, place, each, world, real, boards)
        if board is None:  # the place is full
            break
        boards.append(board)
    return boards


def _draw_board(
    rng: np.random.Generator,
    place: Place,
    route: Route,
    world: World,
    real: Path,
    others: list[Board],
) -> Board | None:
    """A board that fits; none where none of many draws does."""
    stage = STAGES[place]
    fitting = fitting_actors(place, route, [b.cutout.name for b in others])
    rivals = [(b.world_from_board[:, :3, 3], b.cutout.size_m[0]) for b in others]
    for _ in range(_TRIES):
        actor = fitting[int(rng.integers(len(fitting)))]
        drawn_m = rng.uniform(*stage.heights_m) if stage.heights_m else actor.height_m
        height_m = float(drawn_m * rng.uniform(0.93, 1.07))
        motion = draw_motion(rng, place, route, world)
        if not fits(motion, (actor.aspect * height_m, height_m), place, route, world, rivals):
            continue
        shown = frames_shown(
            actor,
            world.num_frames,
            world.fps,
            start=int(rng.integers(actor.num_frames)),
            frozen=route == "still",
        )
        folder = real / f"davis_{actor.sequence}"
        mirror = goes_left(motion, world) if route != "still" else bool(rng.random() < 0.5)
        cutout = read_cutout(folder, actor, shown, height_m, mirror=mirror)
        kind = "still" if route == "still" else "mover"
        name = f"{kind}_{actor.sequence}_{len(others)}"
        return Board(name=name, cutout=matched(cutout, world), world_from_board=motion)
    return None


def fitting_actors(place: Place, route: Route, used: list[str]) -> list[Actor]:
    """Who may go so: seen from the side, or from an end; a car where the way is driven."""
    actors = [a for a in ACTORS if a.sequence in STAGES[place].sequences]
    actors = [a for a in actors if a.sequence not in used]
    if route == "still":
        return actors
    if route == "along" and place in ROADS:
        return [a for a in actors if a.sequence == "car_roundabout" and a.view == "end"]
    view = "side" if route in ("line", "arc") else "end"
    return [a for a in actors if a.view == view] or actors


def matched(cutout: Cutout, world: World) -> Cutout:
    """The cut-out in grey where the world is, as light as it: equal bright ends, roughly."""
    rgb = world.rgb[:: max(1, world.num_frames // 8)].astype(np.float32)
    opaque = cutout.opaque
    colours = cutout.rgba[opaque][:, :3]
    gain = np.percentile(rgb.mean(-1), 85) / max(np.percentile(colours.mean(-1), 85), 1.0)
    rgba = cutout.rgba.copy()
    rgba[..., :3] *= np.float32(np.clip(gain, *_GAIN))
    if np.abs(rgb[..., 0] - rgb[..., 2]).mean() < 1:
        rgba[..., :3] = rgba[..., :3].mean(axis=-1, keepdims=True)
    alpha = rgba[..., 3:]
    rgba[..., :3] = np.minimum(rgba[..., :3], 255 * alpha)
    return replace(cutout, rgba=rgba)
