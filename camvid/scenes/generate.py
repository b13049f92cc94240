"""Random scenes by seed: other rooms, furniture, camera paths, objects and troubles each time.

The camera keeps to the front of the room and looks back; furniture lines the other walls; objects
have the middle, a lane each, so that nothing runs into anything else. Camera paths and challenges
take turns over the seeds, so that any forty seeds in a row hold every one of them; more challenges
are drawn on top. What the images decide of it is said by `camvid.scenes.fairness`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from camvid.scenes.cast import dominant_mover, draw_cast, leader
from camvid.scenes.furnish import crate, fence, plain, room
from camvid.scenes.motion import Vector
from camvid.scenes.routes import PATH_KINDS, PathKind, random_path
from camvid.scenes.sensor import Sensor
from camvid.scenes.spec import Body, Room, SceneSpec
from camvid.scenes.textures import Colour

VERSION = 5  # of the scenes that the seeds stand for
Challenge = Literal[
    "dominant_mover", "several_objects", "articulated", "deforming", "still_lookalikes",
    "thin_structures", "low_texture", "shadows",
    "motion_blur", "noise", "flicker", "vignetting", "exposure_drift",
]  # fmt: skip
CHALLENGES: tuple[Challenge, ...] = get_args(Challenge)
_NEED_A_MOVER = {"dominant_mover", "several_objects", "articulated", "deforming"}
_SPOIL_IMAGES = {"motion_blur", "noise"}  # not both, and not on bare walls: nothing would be left
_STILL_EVERY = 4  # in one scene of so many nothing moves
_NUM_FRAMES, _FPS = 48, 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What goes into a scene."""

    path: PathKind
    challenges: frozenset[str]
    num_movers: int
    num_still: int
    view_deg: float  # across the image

    @property
    def focal_widths(self) -> float:
        return float(0.5 / np.tan(np.radians(self.view_deg) / 2))

    @property
    def ingredients(self) -> tuple[str, ...]:
        lens = "long_lens" if self.view_deg < 50 else "wide_lens" if self.view_deg > 72 else ""
        stillness = "" if self.num_movers else "nothing_moves"
        names = (self.path, *sorted(self.challenges), lens, stillness)
        return tuple(name for name in names if name)


def random_scene(
    seed: int, *, path: PathKind | None = None, num_movers: int | None = None
) -> SceneSpec:
    """A scene of its own for every seed; the path's kind and the movers' number may be set."""
    rng = np.random.default_rng(seed)
    recipe = draw_recipe(rng, seed, path, num_movers)
    duration_s = (_NUM_FRAMES - 1) / _FPS
    if "dominant_mover" in recipe.challenges:
        way = random_path(rng, recipe.path, None, duration_s)
        objects = dominant_mover(rng, way, recipe.focal_widths, duration_s)
    else:
        objects = draw_cast(
            rng, recipe.challenges, recipe.num_movers, recipe.num_still, recipe.focal_widths
        )
        way = random_path(rng, recipe.path, leader(objects), duration_s)
    half_m = float(rng.uniform(4.5, 6.0))
    return SceneSpec(
        name=f"random_{seed:04d}_{recipe.path}_{recipe.num_movers}",
        seed=seed,
        path=way,
        room=random_room(rng, half_m, recipe.challenges),
        objects=objects,
        furniture=random_furniture(rng, half_m, recipe.challenges),
        fps=_FPS,
        num_frames=_NUM_FRAMES,
        width_px=480,
        height_px=270,
        focal_widths=recipe.focal_widths,
        zoom=random_zoom(rng, recipe.path),
        sensor=random_sensor(rng, recipe.challenges),
        lamp=random_lamp(rng) if "shadows" in recipe.challenges else None,
        ingredients=recipe.ingredients,
    )


def draw_recipe(
    rng: np.random.Generator, seed: int, path: PathKind | None, num_movers: int | None
) -> Recipe:
    """Path, first challenge and stillness by turns, the rest by chance."""
    if num_movers is None and seed % _STILL_EVERY == _STILL_EVERY - 1:
        num_movers = 0
    challenges: set[str] = {CHALLENGES[seed % len(CHALLENGES)]}
    for extra in CHALLENGES[1:]:
        if rng.random() < 0.14 and not _clashes(extra, challenges):
            challenges.add(extra)
    drawn = int(rng.choice(3, p=(0.25, 0.45, 0.3)))
    needed = sum(kind in challenges for kind in ("articulated", "deforming"))
    if "several_objects" in challenges:
        needed = 3
    drawn = 1 if "dominant_mover" in challenges else max(needed, drawn)
    asked_otherwise = num_movers is not None and num_movers != drawn
    if asked_otherwise:
        challenges -= _NEED_A_MOVER
    lens = [(55, 70), (35, 48), (74, 90)][rng.choice(3, p=(0.6, 0.2, 0.2))]
    if "low_texture" in challenges:
        lens = (62, 90)  # a narrow view of bare walls would show nothing
    movers = drawn if num_movers is None else num_movers
    return Recipe(
        path=PATH_KINDS[seed % len(PATH_KINDS)] if path is None else path,
        challenges=frozenset(challenges),
        num_movers=movers,
        num_still=int(rng.integers(0, 3 if movers < 3 else 2)),
        view_deg=float(rng.uniform(*lens)),
    )


def _clashes(extra: str, challenges: set[str]) -> bool:
    spoilt = _SPOIL_IMAGES | {"low_texture"}
    crowds = {"several_objects", "dominant_mover"}
    pairs = [
        spoilt,
        crowds,
        {"dominant_mover", "low_texture"},
        {"dominant_mover", "deforming"},
        {"dominant_mover", "articulated"},
        {"dominant_mover", "still_lookalikes"},
    ]
    return any(extra in pair and pair & challenges for pair in pairs)


def random_room(rng: np.random.Generator, half_m: float, challenges: frozenset[str]) -> Room:
    built = room(
        _seed(rng),
        wall=_muted(rng, 145, 185),
        floor=_muted(rng, 85, 130),
        half_m=half_m,
        height_m=float(rng.uniform(3.2, 4.4)),
    )
    return plain(built) if "low_texture" in challenges else built


def random_furniture(
    rng: np.random.Generator, half_m: float, challenges: frozenset[str]
) -> tuple[Body, ...]:
    """Crates along the back wall and both sides, each of its own size; a fence where asked."""
    places = [(x, half_m - rng.uniform(0.8, 1.6)) for x in (-3.2, -1.2, 1.0, 3.1)]
    places += [(side * rng.uniform(2.7, 3.4), y) for side in (-1, 1) for y in (-0.4, 1.4)]
    kept = [place for place in places if rng.random() < 0.8]
    crates = tuple(
        crate(
            f"crate_{k}",
            (float(x), float(y)),
            _vector(rng.uniform([0.5, 0.5, 0.4], [1.1, 0.9, 1.0 if y < 2 else 2.0])),
            seed=_seed(rng),
            yaw_deg=float(rng.uniform(-40, 40)),
            colour=_muted(rng, 90, 150),
        )
        for k, (x, y) in enumerate(kept)
    )
    return (*crates, *fence(rng, half_m - 1.7)) if "thin_structures" in challenges else crates


def random_zoom(rng: np.random.Generator, path: PathKind) -> float:
    """Focal length at the end over that at the start."""
    if path not in ("zoom", "slow_zoom"):
        return 1.0
    ratio = float(rng.uniform(1.25, 1.6) if path == "zoom" else rng.uniform(1.05, 1.12))
    return ratio if rng.random() < 0.5 else 1 / ratio


def random_sensor(rng: np.random.Generator, challenges: frozenset[str]) -> Sensor:
    def if_any(name: Challenge, low: float, high: float) -> float:
        return float(rng.uniform(low, high)) if name in challenges else 0.0

    drift = if_any("exposure_drift", 0.25, 0.45) * float(rng.choice([-1.0, 1.0]))
    return Sensor(
        noise=if_any("noise", 5.0, 9.0) or float(rng.uniform(0.5, 2.0)),
        gain=(1.0 - max(drift, 0.0), 1.0 + min(drift, 0.0)),
        hunting=if_any("exposure_drift", 0.03, 0.08),
        flicker=if_any("flicker", 0.06, 0.14),
        flicker_hz=float(rng.uniform(2.0, 11.0)),
        bands=if_any("flicker", 0.5, 2.5),
        vignette=if_any("vignetting", 0.35, 0.6),
        shutter=if_any("motion_blur", 0.5, 0.9),
    )


def random_lamp(rng: np.random.Generator) -> Vector:
    """High, from any side."""
    angle = rng.uniform(0, 2 * np.pi)
    slant = rng.uniform(0.25, 0.7)
    return float(slant * np.cos(angle)), float(slant * np.sin(angle)), 1.0


def _muted(rng: np.random.Generator, darkest: float, lightest: float) -> Colour:
    grey, warm = rng.uniform(darkest, lightest), rng.uniform(-14, 22)
    return round(grey + warm), round(grey), round(grey - warm)


def _vector(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1_000_000))
