"""No input ends a run: each is a row, and the others come out as if it were not there."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import Clip, Frames, MotionReport
from camvid.books.index import read_index
from camvid.errors import BackendUnavailable, ConfigError, StoreError
from camvid.record import ClipRecord
from camvid.report.funnel import funnel_from_index
from camvid.scenes.movie import write_video
from camvid.store import ClipStore
from camvid.video.cut import CutClip, CutOptions
from camvid.video.decode import read_frames
from camvid.video.source import Source
from stages.run_split import load_video_record, run_split, save_video_record
from stages.split import Split, SplitConfig
from tests.workflows.light_run import LightCurate
from tests.workflows.plain_videos import write_bad_inputs, write_moving_square
from tests.workflows.test_cli import camvid
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.refilter import refilter
from workflows.reporting import write_report


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving_square(tmp_path_factory.mktemp("good") / "good.mp4")


WHERE = ("process", "ray")


Curates = Callable[[list[str], str], list[ClipRecord]]


@pytest.fixture
def curate_in(request: pytest.FixtureRequest) -> Callable[[str], Curates]:
    """`curate` in this process; or on Ray, where what carries the rows is asked, not the stages."""

    def at(where: str) -> Curates:
        config, execute = CurateConfig(), in_process.run
        if where == "ray":
            request.getfixturevalue("local_ray")
            from workflows.execution.on_ray import RayExecutor

            config, execute = LightCurate(), RayExecutor(workers=1)
        return lambda videos, root: curate(videos, root, config, execute)

    return at


@pytest.mark.parametrize("where", WHERE)
def test_a_run_over_bad_inputs_ends_with_every_row(
    where: str, good: Path, tmp_path: Path, curate_in: Callable[[str], Curates]
) -> None:
    wanted = {**write_bad_inputs(tmp_path), "good.mp4": "ok", "gone.mp4": "failed"}
    bad = [str(tmp_path / name) for name in wanted if name != "good.mp4"]
    nowhere = "nosuchscheme://bucket/x.mp4"
    store = ClipStore(str(tmp_path / "run"))
    curate_in(where)(sorted([*bad, str(good), nowhere]), store.root)
    rows = {Path(row.source_uri).name: row for row in read_index(store)}
    assert {name: row.status for name, row in rows.items()} == wanted | {"x.mp4": "failed"}
    assert rows["good.mp4"].kind == "video"
    for row in rows.values():
        if row.status == "failed":
            assert row.source_uri in row.error, "the line names the file"
            assert "\n" not in row.error
            assert row.cause
    assert funnel_from_index(read_index(store)).entered == len(rows) == 9
    assert refilter(store, [], dry_run=False).num_clips == 0
    assert len(read_index(store)) == 9, "no failed video is lost when thresholds change"


def test_the_command_ends_with_its_funnel_and_status_1(good: Path, tmp_path: Path) -> None:
    wanted = write_bad_inputs(tmp_path)
    names = [*(name for name in wanted if name != "a_folder.mp4"), str(good)]
    done = camvid("curate", *names, "--out", "run", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "6 entered = 0 4d + 0 3d + 1 video + 1 none + 4 failed" in done.stdout
    assert done.stdout.count("\nfailed: ") == 4


def test_a_name_that_is_no_utf8(
    good: Path, tmp_path: Path, curate_in: Callable[[str], Curates]
) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/latin1-\xe9.mp4")
    Path(name).write_bytes(good.read_bytes())
    for where in WHERE:
        store = ClipStore(str(tmp_path / where))
        index = curate_in(where)([name], store.root)
        assert [(Path(row.source_uri).name, row.kind) for row in index] == [
            ("latin1-%E9.mp4", "video")
        ]
        write_report(store, CurateConfig().report, index)
        high = ["filter.min_motion_strength=0.9"]
        assert [c.after for c in refilter(store, high, dry_run=False).counts] == ["none"]
    broken = os.fsdecode(bytes(tmp_path) + b"/broken-\xe9.mp4")
    Path(broken).touch()
    done = camvid("curate", broken, "--out", str(tmp_path / "cli"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "broken-%E9.mp4: must be a video" in done.stdout


class Fragile(Split):
    """A split that raises after so many clips."""

    def __init__(self, config: SplitConfig, error: Exception, after: int = 0) -> None:
        super().__init__(config)
        self.error, self.after = error, after

    def __call__(self, source: Source) -> Iterator[CutClip]:
        for number, piece in enumerate(super().__call__(source)):
            if number == self.after:
                raise self.error
            yield piece


@pytest.mark.parametrize("error", [ValueError("two\nlines"), RuntimeError("boom"), MemoryError()])
def test_whatever_split_raises_is_a_row_beside_what_was_cut(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = str(write_moving_square(tmp_path / "a.mp4", num_frames=60))
    config = SplitConfig(cut=CutOptions(min_clip_s=0.5, max_clip_s=1.3))
    store = ClipStore(str(tmp_path / "run"))
    with caplog.at_level(logging.ERROR):
        rows = tuple(run_split(Fragile(config, error, after=1), store, Source.of(video)))
    cause = type(error).__name__
    assert [row.status for row in rows] == ["ok", "failed"]
    whole, failed = rows
    assert (
        store.load(whole.clip_id, Frames).rgb.shape[0] == store.load(whole.clip_id, Clip).num_frames
    )
    assert (failed.video_uri, failed.stopped_at, failed.cause) == (video, "split", cause)
    assert failed.error.startswith(f"{video}: {cause}: ")
    assert "\n" not in failed.error
    assert "in __call__" in failed.records[-1].traceback
    assert "a.mp4, split" in caplog.text
    known = load_video_record(store, video)
    assert known
    assert known.rows == rows, "the traceback is kept in the run"
    again = tuple(run_split(Split(config), store, Source.of(video)))
    assert [row.status for row in again] == ["ok", "ok"], "what failed is tried again"
    assert again[0].clip_id == whole.clip_id
    lines = tuple(replace(row, fingerprints={}) for row in again)
    save_video_record(store, replace(known, rows=lines))
    assert load_video_record(store, video) is None, "no stage could tell what it is given"


def test_what_is_not_of_the_file_still_ends_the_run(tmp_path: Path) -> None:
    video = str(write_moving_square(tmp_path / "a.mp4"))
    store = ClipStore(str(tmp_path / "run"))
    for error in (ConfigError("x"), StoreError("disk full"), BackendUnavailable("no weights")):
        with pytest.raises(type(error)):
            tuple(run_split(Fragile(SplitConfig(), error), store, Source.of(video)))


def test_an_address_that_cannot_be_looked_at_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(uri: str) -> str:
        raise TimeoutError(f"{uri}: no answer")

    monkeypatch.setattr("camvid.video.source.stat_key", refuse)
    source = Source.of("s3://bucket/a.mp4")
    rows = tuple(run_split(Split(SplitConfig()), ClipStore(str(tmp_path)), source))
    assert [(row.status, row.cause) for row in rows] == [("failed", "TimeoutError")]
    assert "s3://bucket/a.mp4" in rows[0].error


def test_a_clip_below_four_frames_a_second(tmp_path: Path) -> None:
    """Two frames never fit into one window of motion: no pair of frames is left to measure."""
    fast = str(write_moving_square(tmp_path / "fast.mp4", num_frames=48))
    rgb = np.stack([frame.rgb for frame in read_frames(fast)][::6])
    write_video(tmp_path / "slow.mp4", rgb, fps=1.0)
    store = ClipStore(str(tmp_path / "run"))
    rows = curate([str(tmp_path / "slow.mp4")], store.root, CurateConfig(), in_process.run)
    assert len(rows) == 1
    assert rows[0].status in ("ok", "rejected"), rows[0].error
    if store.has(rows[0].clip_id, MotionReport):
        assert store.load(rows[0].clip_id, MotionReport).pair_frames.shape[1] == 2


@pytest.mark.parametrize("where", WHERE)
def test_copies_of_a_video_are_no_damage_to_each_other(
    good: Path, tmp_path: Path, where: str, curate_in: Callable[[str], Curates]
) -> None:
    """They cut the same clips, which count once, in this run and when it is resumed."""
    copies = [str(tmp_path / f"{name}.mp4") for name in "ab"]
    for copy in copies:
        Path(copy).write_bytes(good.read_bytes())
    store = ClipStore(str(tmp_path / "run"))
    for _ in range(2):
        index = curate_in(where)(copies, store.root)
        assert [(row.status, row.kind) for row in index] == [("ok", "video")]
