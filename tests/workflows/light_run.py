"""Runs of the light stages, and videos for them."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


def shard_hashes(store: ClipStore) -> dict[str, str]:
    names = store.list_names("shards", ".parquet")
    return {n: hashlib.sha256(store.read_bytes(f"shards/{n}")).hexdigest() for n in names}


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
