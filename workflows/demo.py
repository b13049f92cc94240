"""The demo: generated scenes, curated with the real backends, against their exact truth."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from camvid.artifacts import NAN, Clip, Reconstruction
from camvid.evaluation.trajectory import trajectory_error
from camvid.index import IndexRow
from camvid.scenes.demo import demo_scenes
from camvid.scenes.files import write_scene
from camvid.scenes.movie import write_broken_video
from camvid.scenes.render import render
from camvid.scenes.truth import SceneTruth, true_motion_strength
from camvid.stage import ClipRow
from camvid.store import ClipStore
from workflows.curate import CurateConfig, Executor, curate

BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLine:
    """One scene: what was found, and what is true."""

    scene: str
    kind: str  # "failed" where the video could not be read
    true_kind: str
    camera: str
    true_camera: str
    ate_percent: float  # of the path's length
    motion_strength: float
    true_motion_strength: float
    why: str

    @property
    def right(self) -> bool:
        return self.kind == self.true_kind and self.camera == self.true_camera


def write_demo_videos(folder: Path) -> dict[str, SceneTruth]:
    """Renders the scenes to `folder`/<name>.mp4 with their truth beside; adds a broken file."""
    truths: dict[str, SceneTruth] = {}
    for spec in demo_scenes():
        truths[spec.name] = render(spec)
        video = write_scene(truths[spec.name], folder / "truth" / spec.name)
        shutil.copyfile(video, folder / f"{spec.name}.mp4")
    write_broken_video(folder / f"{BROKEN}.mp4")
    return truths


def run_demo(
    out: Path, execute: Executor, on_row: Callable[[ClipRow], None], truths: dict[str, SceneTruth]
) -> tuple[list[IndexRow], list[DemoLine]]:
    """Curates the demo's videos in `out`/videos into `out`/run; returns index and comparison."""
    names = [*truths, BROKEN]
    videos = [str(out / "videos" / f"{name}.mp4") for name in names]
    config = CurateConfig()
    index = curate(videos, str(out / "run"), config, execute, on_row)
    store = ClipStore(str(out / "run"))
    return index, [_compare(store, name, index, truths.get(name)) for name in names]


def _compare(
    store: ClipStore, name: str, index: Sequence[IndexRow], truth: SceneTruth | None
) -> DemoLine:
    row = next(row for row in index if Path(row["source_uri"]).stem == name)
    ate_percent, true_strength = NAN, NAN
    if truth and row["status"] != "failed":
        ate_percent = _ate_percent(store, row["clip_id"], truth)
        strengths = true_motion_strength(truth, row["motion_pair_gap_s"] or 1 / 12)
        true_strength = max(strengths.values(), default=0.0)
    return DemoLine(
        scene=name,
        kind=row["kind"] or row["status"],
        true_kind=truth.kind if truth else "failed",
        camera=row["camera"],
        true_camera=truth.camera if truth else "unknown",
        ate_percent=ate_percent,
        motion_strength=NAN if row["motion_strength"] is None else row["motion_strength"],
        true_motion_strength=true_strength,
        why="; ".join(row["reasons"]) or row["error"],
    )


def _ate_percent(store: ClipStore, clip_id: str, truth: SceneTruth) -> float:
    if not clip_id or not store.has(clip_id, Reconstruction):
        return NAN
    frames = store.load(clip_id, Clip).source_frame_index
    found = store.load(clip_id, Reconstruction)
    error = trajectory_error(found.cam_from_world, found.registered, truth.cam_from_world[frames])
    return 100 * error.ate_rmse / error.path_length if error.path_length > 0 else NAN
