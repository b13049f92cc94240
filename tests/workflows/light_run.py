"""Runs of the light stages, and videos for them."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from camvid.shards.buckets import bucket_of
from camvid.store import ClipStore
from stages.split import SplitConfig
from tests.workflows.light_stages import WRITES, HarmfulSplitConfig, LightConfig
from tests.workflows.plain_videos import write_moving_square
from workflows.curate import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCurate(CurateConfig):
    """The whole graph; seconds a run, not minutes."""

    split: SplitConfig = HarmfulSplitConfig()

    def clip_stages(self) -> tuple[LightConfig, ...]:
        return tuple(LightConfig(stage=name) for name in WRITES)


def write_videos(folder: Path, lengths: tuple[int, ...] = (40, 44, 48)) -> list[str]:
    """Videos of one clip each, told apart by their numbers of frames."""
    return [str(write_moving_square(folder / f"{n}.mp4", n, seed=n)) for n in lengths]


def write_videos_in_buckets(folder: Path, num_videos: tuple[int, ...]) -> list[str]:
    """Videos of one clip each: as many in each bucket, whatever the folder's own name is."""
    paths: list[Path] = []
    for bucket, num in enumerate(num_videos):
        names = (folder / f"{n}.mp4" for n in count())
        its = (path for path in names if bucket_of(str(path), len(num_videos)) == bucket)
        paths += islice(its, num)
    return [str(write_moving_square(path, 36 + n, seed=n)) for n, path in enumerate(paths)]


def shard_hashes(store: ClipStore) -> dict[str, str]:
    names = store.list_names("shards", ".parquet")
    return {n: hashlib.sha256(store.read_bytes(f"shards/{n}")).hexdigest() for n in names}


def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
