"""The clips of the training demo: one room, its movers at three speeds, and camera paths."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from camvid.scenes.demo import demo_scenes
from camvid.scenes.files import write_scene
from camvid.scenes.motion import Orbit, RigidMotion
from camvid.scenes.render import render
from camvid.scenes.spec import Body, SceneSpec

SLOWER = 0.25  # of the movers' speed in the clip from which the model learns what less motion is
WAY, NUM_FRAMES = 0.5, 36  # of the demo's orbits; half the way in three quarters of the time
MOVERS, STILL, BACK = "orbit_movers", "orbit_still", "back_movers"
HELD_OUT = "held_out"
# Heights at the start and the end of the paths around the room at rest, beside the demo's own.
_HEIGHTS_M = {"still_low": (1.2, 1.2), "still_high": (2.2, 2.2), "still_rising": (1.2, 2.2)}
_HELD_OUT_HEIGHTS_M = (2.1, 1.7)  # between those, and it meets none of them


def write_training_videos(folder: Path) -> list[str]:
    """With movers, with slower ones, both ways; and the room at rest from several heights.

    As many go there as back: else the network learns where most go, not to heed the cameras.
    """
    movers, still = (_shorter(scene) for scene in demo_scenes()[:2])
    slow = replace(
        movers, name="orbit_slow", objects=tuple(_slower(body) for body in movers.objects)
    )
    scenes = [movers, still, slow, _backwards(movers, BACK), _backwards(slow, "back_slow")]
    for name, heights_m in _HEIGHTS_M.items():
        there = _at_heights(still, name, heights_m)
        scenes += [there, _backwards(there, f"{name}_back")]
    return [_write(scene, folder) for scene in scenes]


def write_held_out_video(folder: Path) -> str:
    """The room at rest along a path that no training clip takes."""
    still = _shorter(demo_scenes()[1])
    return _write(_at_heights(still, HELD_OUT, _HELD_OUT_HEIGHTS_M), folder)


def _write(scene: SceneSpec, folder: Path) -> str:
    path = folder / f"{scene.name}.mp4"
    if not path.exists():
        shutil.copyfile(write_scene(render(scene), folder / "truth" / scene.name), path)
    return str(path)


def _shorter(scene: SceneSpec) -> SceneSpec:
    """The middle of the way: so that less comes into view, which is less to learn."""
    path = _orbit(scene)
    part = replace(
        path, height_m=_middle(path.height_m, WAY), angle_deg=_middle(path.angle_deg, WAY)
    )
    return replace(scene, path=part, num_frames=NUM_FRAMES)


def _middle(ends: Sequence[float], share: float) -> tuple[float, float]:
    centre, half = (ends[0] + ends[1]) / 2, share * (ends[1] - ends[0]) / 2
    return centre - half, centre + half


def _slower(body: Body) -> Body:
    motion = body.motion
    assert isinstance(motion, RigidMotion)
    slow = {
        name: tuple(SLOWER * value for value in getattr(motion, name))
        for name in ("velocity_m_per_s", "swing_m", "spin_deg_per_s")
    }
    return replace(body, motion=replace(motion, **slow))


def _at_heights(scene: SceneSpec, name: str, heights_m: tuple[float, float]) -> SceneSpec:
    return replace(scene, name=name, path=replace(_orbit(scene), height_m=heights_m))


def _backwards(scene: SceneSpec, name: str) -> SceneSpec:
    path = _orbit(scene)
    (low_m, high_m), (start_deg, end_deg) = path.height_m, path.angle_deg
    back = replace(path, height_m=(high_m, low_m), angle_deg=(end_deg, start_deg))
    return replace(scene, name=name, path=back)


def _orbit(scene: SceneSpec) -> Orbit:
    assert isinstance(scene.path, Orbit)
    return scene.path
