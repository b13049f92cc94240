"""Shards as clips finish: the same bytes in any order, and what a killed run keeps."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from camvid.attempts import ANY_RUN, Attempts
from camvid.shards.buckets import bucket_of, buckets_of, count_buckets
from camvid.shards.manifest import MANIFEST, read_manifest
from camvid.shards.writer import verify_shards
from camvid.stage import ClipRow
from camvid.store import ClipStore
from stages.write_shards import WriteShardsConfig
from tests.workflows.light_run import LightCurate, shard_hashes, write_videos_in_buckets
from workflows.curate import curate
from workflows.execution import in_process
from workflows.runs.shard_writing import BucketTask, Damaged

NUM_VIDEOS = 6
CONFIG = replace(LightCurate(), write_shards=WriteShardsConfig(videos_per_bucket=2))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos_in_buckets(tmp_path_factory.mktemp("videos"), (2, 1, 2, 1))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, videos: list[str]) -> ClipStore:
    store = ClipStore(str(tmp_path_factory.mktemp("whole") / "run"))
    curate(videos, store.root, CONFIG, in_process.run)
    return store


@dataclass
class Shuffled:
    """Rows in another order, and buckets written when it suits."""

    seed: int
    late: bool
    stop_after: int = 99

    def __post_init__(self) -> None:
        self.tasks: list[BucketTask] = []

    def submit(self, task: BucketTask) -> None:
        if self.late:
            self.tasks.append(task)
        else:
            task()

    def wait(self) -> Damaged:
        damaged: Damaged = {}
        while self.tasks:
            damaged |= self.tasks.pop()()
        return damaged

    def __call__(
        self, videos: Sequence[str], *given: Any, attempts: Attempts = ANY_RUN
    ) -> Iterator[ClipRow]:
        return self._rows(list(videos), given)

    def _rows(self, videos: list[str], given: tuple[Any, ...]) -> Iterator[ClipRow]:
        random.Random(self.seed).shuffle(videos)
        for number, row in enumerate(in_process.run(videos, *given)):
            if number == self.stop_after:
                raise KeyboardInterrupt
            yield row


def test_buckets_are_few_even_and_stay() -> None:
    assert [count_buckets(n, 64) for n in (0, 1, 64, 65, 128, 129, 100_000)] == [
        *(1, 1, 1, 2, 2, 4, 2048)
    ]
    names = pa.chunked_array([[f"{n}.mp4" for n in range(4000)]])
    counts = np.bincount(buckets_of(names, 64), minlength=64)
    assert (counts > 30).all()
    assert (counts < 100).all()
    assert all(bucket_of(f"{n}.mp4", 8) == bucket_of(f"{n}.mp4", 16) // 2 for n in range(50))


@pytest.mark.parametrize(("seed", "late"), [(1, False), (2, True)])
def test_bytes_depend_on_no_order(
    whole: ClipStore, videos: list[str], tmp_path: Path, seed: int, late: bool
) -> None:
    store = ClipStore(str(tmp_path))
    curate(videos, store.root, CONFIG, Shuffled(seed, late))  # pyright: ignore[reportArgumentType]
    assert len(shard_hashes(whole)) == 4
    assert shard_hashes(store) == shard_hashes(whole)
    assert store.read_bytes(MANIFEST) == whole.read_bytes(MANIFEST)
    assert verify_shards(store) == []


def test_datasets_opens_a_run_by_its_card(whole: ClipStore, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the package `datasets`")
    clips = datasets.load_dataset(
        whole.root, "video", split="train", streaming=True, cache_dir=str(tmp_path)
    )
    assert [clip["frames"][0].size for clip in clips] == [(320, 180)] * NUM_VIDEOS


def test_a_killed_run_keeps_its_shards_and_resumes(
    whole: ClipStore, videos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camvid.books.ledger.LedgerWriter.append", every_row_at_once())
    store = ClipStore(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        curate(videos, store.root, CONFIG, Shuffled(1, late=False, stop_after=NUM_VIDEOS - 1))  # pyright: ignore[reportArgumentType]
    kept = shard_hashes(store)
    assert kept
    assert kept.items() < shard_hashes(whole).items(), "some, and they are final"
    assert verify_shards(store) == [], "by their descriptions"
    written = {name: Path(store.full_path(f"shards/{name}")).stat().st_mtime_ns for name in kept}
    curate(videos, store.root, CONFIG, in_process.run)
    assert shard_hashes(store) == shard_hashes(whole)
    now = {name: Path(store.full_path(f"shards/{name}")).stat().st_mtime_ns for name in kept}
    assert now == written, "what was there is not written again"


def every_row_at_once() -> Callable[..., bool]:
    from camvid.books.ledger import LedgerWriter

    append = LedgerWriter.append

    def flushed(self: LedgerWriter, records: Any) -> bool:
        append(self, records)
        self.flush()
        return True

    return flushed


def test_a_clip_of_two_buckets_ends_in_one(videos: list[str], tmp_path: Path) -> None:
    """A copy under a name of another bucket: whichever is through first writes the clip."""
    first = videos[0]
    names = (tmp_path / f"copy{n}.mp4" for n in range(99))
    copy = next(n for n in names if bucket_of(str(n), 2) != bucket_of(first, 2))
    copy.write_bytes(Path(first).read_bytes())
    config = replace(CONFIG, write_shards=WriteShardsConfig(videos_per_bucket=1))
    roots = [tmp_path / "a", tmp_path / "b"]
    for root, order in zip(roots, ([first, str(copy)], [str(copy), first]), strict=True):
        curate(order, str(root), config, in_process.run)
    a, b = (ClipStore(str(root)) for root in roots)
    assert read_manifest(a)["num_clips"] == 1
    assert shard_hashes(a) == shard_hashes(b)
    assert verify_shards(b) == []


def test_a_lost_shard_and_other_settings_rewrite_only_what_differs(
    whole: ClipStore, videos: list[str]
) -> None:
    before = shard_hashes(whole)
    lost = sorted(before)[0]
    whole.remove(f"shards/{lost}")
    curate(videos, whole.root, CONFIG, in_process.run)
    assert shard_hashes(whole) == before
    one = replace(CONFIG, write_shards=WriteShardsConfig())
    curate(videos, whole.root, one, in_process.run)
    assert list(shard_hashes(whole)) == ["video-00000.parquet"]
    assert whole.list_names("shards") == ["_manifest.json", "video-00000.parquet"]
    curate(videos, whole.root, CONFIG, in_process.run)
    assert shard_hashes(whole) == before
