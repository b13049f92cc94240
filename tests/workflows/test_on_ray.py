"""The graph on a Ray cluster: faults, a node that is lost, and clips that stream."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

from camvid.record import ClipRecord
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.cut import CutOptions
from stages.write_shards import WriteShards, WriteShardsConfig
from tests.workflows.light_run import (
    LightCurate,
    shard_hashes,
    wait_for,
    write_videos,
    write_videos_in_buckets,
)
from tests.workflows.light_stages import FAULTS, DeadlySplitConfig, HarmfulSplitConfig, plan_fault
from tests.workflows.plain_videos import write_moving_square
from workflows.cli.stopping import Stopped, print_stopped, stoppable
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.execution.limits import LimitsConfig
from workflows.execution.on_ray import RayExecutor
from workflows.execution.ray_cluster import ray_cluster
from workflows.execution.ray_plan import make_plan
from workflows.execution.ray_stall import stall_watch, start_in_flight

LIMITS = LimitsConfig(stage_s=3.0, memory_gb=1.0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that says who does harm; it must be named before the cluster starts."""
    folder = tmp_path_factory.mktemp("faults")
    before = os.environ.get(FAULTS)
    os.environ[FAULTS] = str(folder)
    yield folder
    os.environ.pop(FAULTS)
    if before is not None:
        os.environ[FAULTS] = before


@pytest.fixture(scope="module")
def cluster(faults: Path) -> Iterator[Cluster]:
    """A node for the driver, which runs nothing, and two for the work."""
    ray.shutdown()  # whichever the tests before this one shared
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def whole(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """The run without a fault."""
    store = ClipStore(str(tmp_path_factory.mktemp("whole") / "run"))
    curate(videos, store.root, LightCurate(), in_process.run)
    return store


def run(videos: list[str], root: Path, **given: Any) -> dict[str, ClipRecord]:
    execute = RayExecutor(workers=2, limits=LIMITS)
    index = curate(videos, str(root), LightCurate(), execute, **given)
    assert len(index) == len(videos), "nothing lost, nothing doubled"
    return {Path(row.source_uri).name: row for row in index}


def clear(faults: Path) -> None:
    for plan in faults.iterdir():
        plan.unlink()


def test_clips_that_harm_fail_alone(
    videos: list[str], whole: ClipStore, faults: Path, cluster: Cluster, tmp_path: Path
) -> None:
    plan_fault(faults, 40, "segfault")
    plan_fault(faults, 44, "hang")
    plan_fault(faults, 0, "exit", times=2)  # in split
    rows = run(videos, tmp_path / "run")
    assert [(row.status, row.cause) for _, row in sorted(rows.items())] == [
        ("failed", "crashed"),
        ("failed", "timeout"),
        ("ok", ""),
    ]
    assert "reconstruct must come back, but ended its process (SIGSEGV), 3 times" in (
        rows["40.mp4"].error
    )
    clear(faults)
    assert run(videos, tmp_path / "run")["40.mp4"].error == rows["40.mp4"].error
    again = run(videos, tmp_path / "run", retry_failed=True)
    assert {row.status for row in again.values()} == {"ok"}
    assert shard_hashes(ClipStore(str(tmp_path / "run"))) == shard_hashes(whole)


def test_a_worker_that_is_killed_while_it_starts_is_replaced(
    videos: list[str], faults: Path, cluster: Cluster, tmp_path: Path
) -> None:
    clear(faults)
    config = LightCurate(split=DeadlySplitConfig())
    index = curate(videos, str(tmp_path / "run"), config, RayExecutor(workers=1))
    assert (faults / "died").exists()
    assert [row.status for row in index] == ["ok"] * len(videos)


def test_a_clip_is_through_while_its_video_is_still_cut(
    faults: Path, cluster: Cluster, tmp_path: Path
) -> None:
    clear(faults)
    video = str(write_moving_square(tmp_path / "long.mp4", num_frames=60))
    split = HarmfulSplitConfig(cut=CutOptions(min_clip_s=0.5, max_clip_s=1.3))
    plan_fault(faults, 0, "wait")  # after the first clip, until a row is through

    def go(row: ClipRow) -> None:
        (faults / "go").touch()

    config = LightCurate(split=split)
    index = curate([video], str(tmp_path / "run"), config, RayExecutor(workers=2), go)
    assert [row.status for row in index] == ["ok", "ok"]


def test_a_run_on_ray_is_stopped_in_order(
    videos: list[str], faults: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """SIGTERM: Ray's own handler would end the driver without a word."""
    clear(faults)
    plan_fault(faults, 44, "hang")
    driver = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import command as c; c()", *videos],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for((faults / "pid").exists)
        child = (faults / "pid").read_text()
        driver.send_signal(signal.SIGTERM)
        _, said = driver.communicate(timeout=300)
    finally:
        driver.kill()
    wait_for(lambda: not Path("/proc", child).exists())
    assert driver.returncode == 128 + signal.SIGTERM, said
    assert said.splitlines()[-1].startswith("camvid: stopped by SIGTERM"), said
    assert "Traceback" not in said
    clear(faults)
    assert {row.status for row in run(videos, tmp_path / "run").values()} == {"ok"}


def command() -> None:
    """What `camvid curate --workers 2` does, with the light stages."""
    try:
        with stoppable():
            curate(sys.argv[1:], "run", LightCurate(), RayExecutor(workers=2))
    except Stopped as stopped:
        print_stopped(stopped)
        sys.exit(stopped.exit_code)


def test_shards_are_written_on_the_cluster(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = write_videos_in_buckets(tmp_path, (1, 1, 1, 1))
    config = LightCurate(write_shards=WriteShardsConfig(videos_per_bucket=1))
    curate(videos, str(tmp_path / "here"), config, in_process.run)
    monkeypatch.setattr(WriteShards, "__call__", None)  # of this process alone
    curate(videos, str(tmp_path / "there"), config, RayExecutor(workers=2))
    there = shard_hashes(ClipStore(str(tmp_path / "there")))
    assert len(there) == 4
    assert there == shard_hashes(ClipStore(str(tmp_path / "here")))


def test_a_standstill_is_said(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    in_flight = start_in_flight()
    ray.get(in_flight.begin.remote("worker", "clip a: segment"))
    with stall_watch(in_flight, stall_s=0.2):
        wait_for(lambda: bool(caplog.records))
    assert "no clip finished for 0 s; in flight: clip a: segment for " in caplog.text


def test_videos_of_which_nothing_came_are_failed_rows(
    videos: list[str], cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.execution.on_ray._rows", lambda dataset: iter(()))
    index = curate(videos, str(tmp_path), LightCurate(), RayExecutor(workers=1))
    assert [(row.status, row.cause) for row in index] == [("failed", "lost")] * len(videos)
    assert index[0].error.startswith(f"{videos[0]}: ")


def test_workers_of_our_own_where_a_cluster_runs_already(cluster: Cluster) -> None:
    """`--workers` starts a cluster of its own, though Ray would join the one that it is told of."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import count_nodes as c; c()"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "RAY_ADDRESS": cluster.address,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ray.nodes()) == 3
    assert done.stdout.split()[-1] == "1"


def count_nodes() -> None:
    """What `RayExecutor` runs on by default."""
    executor = RayExecutor(workers=2)
    with ray_cluster(executor.address, executor.workers):
        print(len(ray.nodes()))


def test_a_plan_takes_whole_cpus_and_splitters_grow_with_the_cluster() -> None:
    config = CurateConfig()
    stages = config.clip_stages()
    small = make_plan(config.split, stages, workers=0, cpus=2, gpus=0)
    assert (small.split.max_size, small.split.num_cpus) == (1, 1)
    ((pool, group),) = small.groups
    assert (pool.max_size, pool.num_cpus, len(group)) == (1, 1, len(stages))
    large = make_plan(config.split, stages, workers=0, cpus=512, gpus=0)
    assert (large.split.max_size, large.groups[0][0].max_size) == (64, 511)
    assert (large.num_blocks(10), large.num_blocks(100_000)) == (10, 1000)
    one = make_plan(config.split, stages, workers=0, cpus=1, gpus=0)
    assert one.split.num_cpus == 0, "it must not wait for the CPU of the stages"


def test_a_node_is_lost_with_the_splitter(
    videos: list[str], whole: ClipStore, faults: Path, cluster: Cluster, tmp_path: Path
) -> None:
    """On the node that is left, idle workers hold all CPUs: they must give one back."""
    clear(faults)
    plan_fault(faults, 0, "wait")  # in split, after the first clip, until the node is gone

    def lose(row: ClipRow) -> None:
        if not (faults / "go").exists():
            splitter = int((faults / "pid").read_text())
            cluster.remove_node(node_of(splitter, cluster), allow_graceful=False)
            (faults / "go").touch()

    index = curate(videos, str(tmp_path), LightCurate(), RayExecutor(workers=3), lose)
    assert [row.status for row in index] == ["ok"] * len(videos)
    assert shard_hashes(ClipStore(str(tmp_path))) == shard_hashes(whole)


def node_of(pid: int, cluster: Cluster) -> Any:
    """The node whose raylet is an ancestor of the process."""
    raylets = {
        info.process.pid: node
        for node in cluster.worker_nodes
        for info in node.all_processes["raylet"]
    }
    while pid not in raylets:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return raylets[pid]
