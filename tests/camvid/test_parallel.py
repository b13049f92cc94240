"""Our threads and workers are the only ones: libraries start none inside them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from camvid.artifacts import Clip, PointTracks
from camvid.parallel import map_threads, num_threads, one_thread_per_call
from camvid.stage import ClipRow, Resources, run_stage
from camvid.store import ClipStore
from camvid.weights import Weight
from workflows.execution.stage_worker import Setup, Worker


def counts() -> set[int]:
    """Threads that each loaded BLAS and OpenMP library would use if it were called here."""
    return {library["num_threads"] for library in threadpool_info()}


def test_a_call_keeps_to_its_thread_and_no_longer_than_it_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAMVID_THREADS", "3")
    assert scipy.linalg.__name__  # BLAS is loaded
    with threadpool_limits(2):
        assert counts() == {2}
        with one_thread_per_call():
            assert counts() == {1}
        assert set().union(*map_threads(lambda _: counts(), range(6))) == {1}
        assert counts() == {2}
        with pytest.raises(ZeroDivisionError):
            map_threads(lambda x: 1 // x, [0])
        assert counts() == {2}


def test_torch_has_one_thread_in_each_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("CAMVID_THREADS", "2")
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def look(_: int) -> tuple[int, set[int]]:
        torch.ones(100_000).sum()  # the first call of a thread sets its number
        return torch.get_num_threads(), counts()

    found = map_threads(look, range(4))
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert found == [(1, {1})] * 4
    assert after == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpyConfig:
    resources: Resources = Resources()

    def build(self) -> "Spy":
        return Spy(self)


class Spy:
    """Writes as many tracks as a library has threads while the stage runs."""

    name: ClassVar[str] = "spy"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip,)
    writes: ClassVar[type] = PointTracks
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: SpyConfig) -> None:
        self.config = config

    def __call__(self, clip: Clip) -> PointTracks:
        return tracks_like(clip, max(counts()))


def tracks_like(clip: Clip, num_tracks: int) -> PointTracks:
    return PointTracks(
        xy_px=np.zeros((clip.num_frames, num_tracks, 2), np.float32),
        visible=np.ones((clip.num_frames, num_tracks), bool),
        object_id=np.zeros(num_tracks, np.uint16),
        query_frame=np.zeros(num_tracks, np.int32),
    )


def spied(store: ClipStore, clip: Clip, where: str) -> int:
    """Threads of a library within a stage."""
    store.save(clip.clip_id, clip)
    row = ClipRow(clip_id=clip.clip_id, video_uri="a", fingerprints={"Clip": "1"})
    with threadpool_limits(4):
        if where == "in process":
            row = run_stage(Spy(SpyConfig()), store, row)
        else:
            row = in_worker(store, row)
    assert row.status == "ok", row.error
    return store.load(clip.clip_id, PointTracks).xy_px.shape[1]


def in_worker(store: ClipStore, row: ClipRow) -> ClipRow:
    """In the class that the process of the stages runs, on Ray too."""
    worker = Worker(Setup(split=None, stages=(SpyConfig(),), root=store.root))
    *_, done = worker.run(row)
    assert isinstance(done, ClipRow)
    return done


@pytest.mark.parametrize("where", ["in process", "in a worker"])
def test_a_stage_runs_without_threads_of_libraries(where: str, clip: Clip, tmp_path: Path) -> None:
    assert spied(ClipStore(str(tmp_path)), clip, where) == 1


def test_camvid_threads_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_THREADS", "5")
    assert num_threads() == 5
    monkeypatch.setenv("CAMVID_THREADS", "nonsense")
    assert num_threads() == len(os.sched_getaffinity(0))


def test_libraries_that_come_later_are_found() -> None:
    """As pycolmap does, which brings its own OpenMP: the first stage that needs it imports it."""
    code = (
        "from camvid.parallel import one_thread_per_call\n"
        "with one_thread_per_call(): pass\n"
        "import scipy.linalg\n"
        "from camvid.sfm.colmap import pycolmap\n"
        "from threadpoolctl import threadpool_info\n"
        "with one_thread_per_call(): print([i['num_threads'] for i in threadpool_info()])\n"
    )
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=free
    )
    assert set(done.stdout.strip("[]\n").split(", ")) == {"1"}
