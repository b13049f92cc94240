"""The list of finished clips: what it covers is passed over, in few requests; nothing is lost."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from camvid.books.finished import SCHEMA, finished_parts, graph_keys
from camvid.books.ledger import LedgerWriter
from camvid.columns import to_row
from camvid.outcome import Reason
from camvid.record import ClipRecord
from camvid.stage import ClipRow
from camvid.store import ClipStore, StageRecord
from camvid.video.names import source_name
from camvid.video.source import Source
from camvid.video.stat import stat_key
from stages.run_split import VideoRecord
from workflows.curate import CurateConfig
from workflows.runs.books import Books
from workflows.runs.resume import Resume

CONFIG = CurateConfig()


class CountingFileSystem(MemoryFileSystem):
    """Stands for an object store, of which each of these calls is a request."""

    protocol = "counted"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    requests: ClassVar[Counter[str]] = Counter()

    def cat_file(self, path: str, *args: Any, **options: Any) -> bytes:
        self.requests["cat"] += 1
        return super().cat_file(path, *args, **options)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        self.requests["info"] += 1
        return super().info(path, **options)

    def find(self, path: str, *args: Any, **options: Any) -> Any:
        self.requests["list"] += 1
        return super().find(path, *args, **options)


@pytest.fixture(params=["local", "counted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ClipStore:
    fsspec.register_implementation("counted", CountingFileSystem, clobber=True)
    CountingFileSystem.store.clear()
    root = tmp_path / "run" if request.param == "local" else f"counted://{tmp_path.name}/run"
    return ClipStore(str(root))


def keys(config: CurateConfig = CONFIG) -> Mapping[str, str]:
    return graph_keys((config.split, *config.clip_stages()), ())


def make_run(store: ClipStore, folder: Path, num_videos: int) -> list[str]:
    """Videos of two clips each, one of them refused by `segment`; the books, and a file a clip."""
    folder.mkdir()
    videos = [str(folder / f"{n:04d}.mp4") for n in range(num_videos)]
    rows: list[dict[str, Any]] = []
    booked: list[StageRecord] = []
    for number, video in enumerate(videos):
        Path(video).write_bytes(b"video")
        for clip in range(2):
            clip_id = f"{number % 7:02x}{number:06d}{clip}"
            store.write_bytes(f"{store.clip_folder(clip_id)}/clip.json", b"{}")
            name = source_name(video)
            record = ClipRecord(clip_id=clip_id, source_uri=name, status="ok", kind="4d")
            if clip:
                record = replace(
                    record,
                    status="rejected",
                    kind="none",
                    stopped_at="segment",
                    reasons=(Reason("max_inset_fraction", 0.1, 0.005),),
                )
            listed = {
                "graph": keys()["segment" if clip else "filter"],
                "video_stat": stat_key(video),
                "content": clip_id,
                "size_bytes": 2,
                "rows_of_video": 2,
            }
            rows.append(to_row(record) | listed)
            known = {"clip_id": clip_id, "stage": "split", "artifact": "", "fingerprint": ""}
            booked.append(StageRecord(**known, version=1, status="ok"))
    LedgerWriter(store).append(booked)
    finished_parts(store).append(pa.Table.from_pylist(rows, schema=SCHEMA))
    return videos


def plan(
    store: ClipStore, videos: list[str], config: CurateConfig = CONFIG
) -> tuple[Resume, list[str], list[ClipRow]]:
    """The run's books, the videos that are left to do, and the rows of the others."""
    resume, rows = Resume(store, keys(config)), list[ClipRow]()
    todo = [source.uri for source in resume.todo(map(Source.of, videos), rows.append)]
    return resume, todo, rows


def todo_of(store: ClipStore, videos: list[str], config: CurateConfig = CONFIG) -> list[str]:
    return plan(store, videos, config)[1]


def test_a_finished_run_has_nothing_to_do(store: ClipStore, tmp_path: Path) -> None:
    videos = make_run(store, tmp_path / "videos", 5)
    resume, todo, rows = plan(store, videos)
    assert todo == []
    assert Counter(row.status for row in rows) == {"ok": 5, "rejected": 5}
    passed = resume.passed()
    assert (passed["split"], passed["segment"], passed["reconstruct"]) == (10, 10, 5)
    assert plan(store, videos[:2])[0].finished.num_rows == 4, "the run is about those videos alone"
    assert todo_of(store, [*videos, "new.mp4"]) == ["new.mp4"]


def test_each_change_is_seen(store: ClipStore, tmp_path: Path) -> None:
    videos = make_run(store, tmp_path / "videos", 5)
    os.utime(videos[1], (1, 1))
    assert todo_of(store, videos) == [videos[1]]
    store.remove(f"{store.clip_folder('030000030')}/clip.json")
    assert todo_of(store, videos) == [videos[1], videos[3]]
    store.write_bytes(f"{store.clip_folder('000000000')}/clip.json", b"{")
    assert todo_of(store, videos) == [videos[0], videos[1], videos[3]]


@pytest.mark.parametrize(
    "change",
    [{"status": "failed"}, {"rows_of_video": 3}, {"graph": "another"}, {"rows_of_video": 0}],
)
def test_what_failed_or_is_not_whole_goes_on(
    change: dict[str, Any], store: ClipStore, tmp_path: Path
) -> None:
    videos = make_run(store, tmp_path / "videos", 5)
    row = finished_parts(store).read().to_pylist()[-1]
    for line, todo in ((row | change, videos[4:]), (row, [])):
        finished_parts(store).append(pa.Table.from_pylist([line], schema=SCHEMA))
        assert todo_of(store, videos) == todo, "the last line holds"


def test_a_setting_concerns_the_clips_that_came_to_its_stage(
    store: ClipStore, tmp_path: Path
) -> None:
    videos = make_run(store, tmp_path / "videos", 3)
    strict = replace(CONFIG, filter=replace(CONFIG.filter, min_motion_strength=0.9))
    assert todo_of(store, videos, strict) == videos
    before, after = keys(CONFIG), keys(strict)
    assert [stage for stage in before if before[stage] != after[stage]] == ["filter"]
    assert before["filter"].split(":")[0] == after["filter"].split(":")[0]


def test_damaged_books_are_looked_up_clip_by_clip(store: ClipStore, tmp_path: Path) -> None:
    videos = make_run(store, tmp_path / "videos", 3)
    (part,) = store.list_names("ledger")
    whole = store.read_bytes(f"ledger/{part}")
    store.write_bytes(f"ledger/{part}", whole[:100])
    assert todo_of(store, videos) == videos, "their lines are written anew"
    assert store.list_names("ledger") == []
    store.write_bytes(f"ledger/{part}", whole)
    assert todo_of(store, videos) == []
    (part,) = store.list_names("finished")
    store.write_bytes(f"finished/{part}", b"")
    assert todo_of(store, videos) == videos
    assert store.list_names("finished") == []


def test_requests_do_not_grow_with_the_clips(tmp_path: Path) -> None:
    fsspec.register_implementation("counted", CountingFileSystem, clobber=True)
    counts: list[int] = []
    for number in (20, 200):
        CountingFileSystem.store.clear()
        store = ClipStore(f"counted://{number}/run")
        videos = make_run(store, tmp_path / str(number), number)
        CountingFileSystem.requests.clear()
        assert todo_of(store, videos) == []
        counts.append(CountingFileSystem.requests.total())
    assert counts[0] == counts[1] < 60


def test_rows_wait_until_their_video_is_cut(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is being cut, its record does not name its clips, and their number is not known."""
    line = StageRecord(
        clip_id="", stage="split", version=1, artifact="", fingerprint="", status="failed"
    )
    begun = ClipRow(clip_id="", video_uri="a.mp4").after(line)
    clips = [ClipRow(clip_id=name * 16, video_uri="a.mp4").after(line) for name in "ab"]
    video: list[VideoRecord | None] = [None]
    monkeypatch.setattr("workflows.runs.books.load_video_record", lambda store, uri: video[0])
    monkeypatch.setattr("workflows.runs.books.LedgerWriter", partial(LedgerWriter, part_s=0))

    def record(*rows: ClipRow) -> VideoRecord:
        return VideoRecord(uri="a.mp4", stat="1", fingerprint="f", rows=rows)

    listed = finished_parts(store)
    with Books(store, keys()) as book:
        book(clips[0])
        video[0] = record(begun)
        book(clips[1])
        assert listed.read().num_rows == 0
        video[0] = record(*clips, replace(begun, video_uri="a.mp4"))
        book(begun)
        assert listed.read()["rows_of_video"].to_pylist() == [3, 3, 3]
        video[0] = record(begun)  # the run is killed while the video is cut once more
        book(clips[0])
    assert listed.read()["rows_of_video"].to_pylist() == [3, 3, 3, 0]
