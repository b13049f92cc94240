"""Names of every kind through a whole run: ledger, index, report, run.toml, a resumed run."""

import os
import tomllib
from pathlib import Path

import cv2
import pytest

from camvid.books.index import read_index
from camvid.books.ledger import read_ledger
from camvid.store import ClipStore
from camvid.video.find import find_videos
from tests.camvid.video.test_decode import moving, write_video
from tests.workflows.light_run import LightCurate
from workflows.curate import CurateConfig, Executor, curate
from workflows.execution import in_process
from workflows.reporting import write_report

NAMES = [
    b"10:30 clip.mp4",
    b"concat:y.mp4",
    b"file:x.mp4",
    b"-v.mp4",
    b"50%20off.mp4",
    b"a::b #1?.mp4",
    b"latin1-\xe9.mp4",
    b"two\nlines.mp4",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Videos too short to keep, so that a run is quick; one that is none; a folder of images."""
    folder = tmp_path / "videos"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for i, name in enumerate(NAMES):
        write_video(Path("made.mp4"), moving(4 + i))
        os.rename("made.mp4", name)
    Path(os.fsdecode(b"broken-\xff.mp4")).write_bytes(b"hello " * 99)
    images = Path(os.fsdecode(b"images-\xe9"))
    images.mkdir()
    for i, rgb in enumerate(moving(3)):
        # OpenCV cannot write under such a name
        (images / os.fsdecode(b"\xe9_%d.png" % i)).write_bytes(cv2.imencode(".png", rgb)[1])
    (images / os.fsdecode(b"\xe9_3.png")).touch()
    return folder


def executor(kind: str) -> tuple[CurateConfig, Executor]:
    if kind == "in_process":
        return CurateConfig(), in_process.run
    ray = pytest.importorskip("ray")
    ray.shutdown()  # workers of one that runs already look for relative names where it was begun
    from workflows.execution.on_ray import RayExecutor

    return LightCurate(), RayExecutor(workers=1)  # no clip comes to a stage


@pytest.mark.parametrize("kind", ["in_process", "ray"])
def test_every_name_is_one_row(folder: Path, tmp_path: Path, kind: str) -> None:
    config, execute = executor(kind)
    root = str(tmp_path / "run")
    names = [*map(os.fsdecode, NAMES), "."]
    found = find_videos(names)
    assert len(found) == len(NAMES) + 2
    for _ in range(2 if kind == "in_process" else 1):  # then what is known is used again
        index = curate(found, root, config, execute)
        write_report(ClipStore(root), config.report, index)
        rows = {row.source_uri: row for row in read_index(ClipStore(root))}
        assert sorted(rows) == found
    assert {name for name, row in rows.items() if row.status == "failed"} == {
        f"file://{folder}/broken-%FF.mp4"
    }
    assert f"file://{folder}/images-%E9" in rows
    assert {row.reasons[0].name for row in rows.values() if row.status == "rejected"} == {
        "min_clip_s"
    }
    assert all(
        "broken-%FF" in error
        for error in read_ledger(ClipStore(root))["error"].to_pylist()
        if error
    )
    assert tomllib.loads((tmp_path / "run/run.toml").read_text())["provenance"]["videos"] == found
    assert "latin1-%E9.mp4" in (tmp_path / "run/report/index.html").read_text()
