"""The demo: generated scenes, curated with the real backends, against their exact truth."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from camvid.artifacts import NAN
from camvid.books.clip_table import ClipTable
from camvid.errors import ConfigError
from camvid.evaluation.scores import ClipScores
from camvid.record import ClipRecord
from camvid.scenes.demo import demo_scenes
from camvid.scenes.files import write_scene
from camvid.scenes.movie import write_broken_video
from camvid.scenes.render import render
from camvid.stage import ClipRow
from camvid.store import ClipStore
from workflows.curate import CurateConfig, Executor, curate
from workflows.evaluate import evaluate

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

    @property
    def right(self) -> bool:
        return self.kind == self.true_kind and self.camera == self.true_camera


def write_demo_videos(folder: Path) -> list[str]:
    """Renders the scenes to `folder`/<name>.mp4, their truth to `folder`/truth; adds a broken file.

    Returns the videos' paths.

    Raises:
        ConfigError: the folder holds files that no demo wrote.
    """
    names = [spec.name for spec in demo_scenes()]
    ours = (folder / "truth" / names[0]).exists()  # the first that a demo writes
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise ConfigError(f"{folder} must be new, empty or of a demo; name another --out")
    for spec in demo_scenes():
        video = write_scene(render(spec), folder / "truth" / spec.name)
        shutil.copyfile(video, folder / f"{spec.name}.mp4")
    write_broken_video(folder / f"{BROKEN}.mp4")
    return [str(folder / f"{name}.mp4") for name in (*names, BROKEN)]


def run_demo(
    out: Path, videos: Sequence[str], execute: Executor, on_row: Callable[[ClipRow], None]
) -> tuple[ClipTable, list[DemoLine]]:
    """Curates the demo's videos into `out`/run; returns its index and the comparison."""
    store = ClipStore(str(out / "run"))
    index = curate(videos, store.root, CurateConfig(), execute, on_row)
    scores = evaluate(store, out / "videos" / "truth")
    found = {clip.name: clip for clip in scores.clips}
    rows = {Path(record.source_uri).stem: record for record in index}
    return index, [_line(name, rows[name], found.get(name)) for name in map(_stem, videos)]


def _stem(video: str) -> str:
    return Path(video).stem


def _line(name: str, row: ClipRecord, scores: ClipScores | None) -> DemoLine:
    """The line of a scene; the broken file has no scores, and must have failed."""
    return DemoLine(
        scene=name,
        kind=row.outcome,
        true_kind=scores.true_kind if scores else "failed",
        camera=row.measures.camera,
        true_camera=scores.true_camera if scores else "unknown",
        ate_percent=scores.ate_percent if scores else NAN,
        motion_strength=scores.motion_strength if scores else NAN,
        true_motion_strength=scores.true_motion_strength if scores else NAN,
    )
