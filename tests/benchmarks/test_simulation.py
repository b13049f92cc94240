"""The model of a run on a cluster, on cases that can be worked out by hand."""

from pathlib import Path

import pytest

from benchmarks.simulation import ClipTimes, Pools, drawn, measured_videos, simulate
from camvid.books.index import write_index
from camvid.books.ledger import LedgerWriter
from camvid.record import ClipRecord
from camvid.store import ClipStore, StageRecord


def clip(split_s: float, stages_s: float) -> ClipTimes:
    return ClipTimes(split_s=split_s, stages={"segment": stages_s})


def test_workers_share_the_clips_of_one_video_while_it_is_cut() -> None:
    video = (clip(1.0, 10.0),) * 4
    made = simulate([video], Pools(splitters=1, workers=2), row_s=0.0)
    assert made.done_s.tolist() == [11.0, 12.0, 21.0, 22.0]
    assert made.busy["stages"] == pytest.approx(40 / 44)


def test_more_workers_bring_nothing_where_split_is_busy() -> None:
    videos = [(clip(5.0, 10.0),)] * 20
    for workers in (2, 4):
        made = simulate(videos, Pools(splitters=1, workers=workers), row_s=0.0)
        assert made.clips_per_hour == pytest.approx(3600 / 5)
        assert made.busy["split"] > 0.9
    made = simulate(videos, Pools(splitters=2, workers=4), row_s=0.0)
    assert made.clips_per_hour == pytest.approx(2 * 3600 / 5, rel=0.15)


def test_the_driver_bounds_any_cluster() -> None:
    videos = [(clip(0.0, 1.0),)] * 2000
    made = simulate(videos, Pools(splitters=8, workers=500), row_s=0.02)
    assert made.clips_per_hour == pytest.approx(3600 / 0.02, rel=0.05)
    assert made.busy["driver"] > 0.9


def test_times_are_those_of_the_ledger(tmp_path: Path) -> None:
    store, ids = ClipStore(str(tmp_path)), ["a" * 16, "b" * 16, "c" * 16]
    ledger = LedgerWriter(store)
    for number, clip_id in enumerate(ids):
        lines = (
            {"split": 1.0 + number, "segment": 10.0, "track": 20.0} if number else {"split": 9.0}
        )
        for stage, seconds in lines.items():
            ledger.append([_line(clip_id, stage, seconds)])
    ledger.append([_line(ids[1], "track", 25.0)])  # made anew: the last line holds
    ledger.flush()
    write_index(store, [_row(ids[0], "a.mp4"), *(_row(name, "b.mp4") for name in ids[1:])])
    first, second = measured_videos(store)
    assert [(c.split_s, c.stages_s) for c in first] == [(9.0, 0.0)]
    assert [(c.split_s, c.stages_s) for c in second] == [(2.0, 35.0), (3.0, 30.0)]
    assert sum(len(video) for video in drawn([first, second], 10)) in (10, 11)


def _line(clip_id: str, stage: str, seconds: float) -> StageRecord:
    return StageRecord(
        clip_id=clip_id,
        stage=stage,
        version=1,
        artifact="A",
        fingerprint="f",
        status="ok",
        seconds=seconds,
    )


def _row(clip_id: str, uri: str) -> ClipRecord:
    return ClipRecord(clip_id=clip_id, source_uri=uri, status="rejected", kind="none")
