"""Runs the stages on Ray Data: on this machine's cores or on a cluster.

Videos go to splitters; each clip leaves as a row of its own as soon as it is cut, and goes to
whichever worker is free. Rows carry ids and small numbers; arrays stay in the store. Neighbouring
stages with equal resources run in one worker, whose models stay warm in a process of its own
(`stage_process`): Ray restarts dead actors without end, and so never sees a clip crash.
What takes a whole node down is bounded by the attempts that the store holds.
"""

import itertools
import json
import logging
import os
import pickle
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
import ray.data
from ray.data.context import AutoscalingConfig
from ray.exceptions import RayError

from camvid.attempts import ANY_RUN, MAX_ATTEMPTS, Attempts
from camvid.errors import CamvidError, RunAborted
from camvid.plain import from_plain, to_plain
from camvid.stage import ABORTING, ClipRow, StageConfig
from camvid.video.source import Source
from stages.run_split import lost_video
from stages.split import SplitConfig
from workflows.execution.in_flight import InFlightNow
from workflows.execution.limits import DEFAULT_LIMITS, LimitsConfig
from workflows.execution.ray_cluster import ray_cluster
from workflows.execution.ray_plan import Plan, Pool, make_plan
from workflows.execution.ray_stall import count_in_flight, stall_watch, start_in_flight
from workflows.execution.stage_process import StageProcess
from workflows.execution.stage_worker import Setup
from workflows.runs.shard_writing import BucketTask, Damaged

log = logging.getLogger(__name__)
RayRow = dict[str, Any]
# Videos that are in the driver's memory at once; Ray takes no endless rows from outside. The pools
# start anew with each, which is a minute in a week's work.
_WAVE = 20_000
_FEW_TASKS = 8
_ABORTING: dict[str, type[CamvidError]] = {kind.__name__: kind for kind in (CamvidError, *ABORTING)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RayExecutor:
    """Runs the graph on Ray.

    Args:
        address: of a cluster ("auto": the one this machine belongs to); "" starts a local one.
        workers: most actors for each group of stages; 0 lets the cluster's size decide.
    """

    address: str = ""
    workers: int = 0
    limits: LimitsConfig = DEFAULT_LIMITS
    in_flight: InFlightNow = field(default_factory=InFlightNow)
    _tasks: list[BucketTask] = field(default_factory=list[BucketTask], init=False, compare=False)
    _submitted: list[Any] = field(default_factory=list[Any], init=False, compare=False)

    def __call__(
        self,
        videos: Iterable[Source],
        split: SplitConfig,
        stages: Sequence[StageConfig],
        root: str,
        attempts: Attempts = ANY_RUN,
    ) -> Iterator[ClipRow]:
        with self._cluster(split, stages) as plan, _data_context():
            in_flight = start_in_flight()
            worker = Worker(root=root, attempts=attempts, limits=self.limits, in_flight=in_flight)
            told = self.in_flight.told_by(partial(count_in_flight, in_flight))
            with told, stall_watch(in_flight) as finished:
                come = iter(videos)
                while wave := list(itertools.islice(come, _WAVE)):
                    missing = dict.fromkeys(source.name for source in wave)
                    for row in _rows(_dataset(wave, split, plan, worker)):
                        finished()
                        missing.pop(row.video_uri, None)
                        yield row
                    yield from map(lost_video, missing)
            self.wait()

    def submit(self, task: BucketTask) -> None:
        """Has shards written on any node, beside the graph, or once somebody waits for them."""
        if not ray.is_initialized():
            self._tasks.append(task)
            return
        if asked := self._submitted:
            _, running = ray.wait(asked, num_returns=len(asked), timeout=0)
            if len(running) >= max(1, int(ray.cluster_resources().get("CPU", 1)) // 2):
                ray.wait(running, num_returns=1)
        self._submitted.append(_run_task.remote(task))

    def wait(self) -> Damaged:
        """For what was submitted; what fails is left to the end of the run."""
        damaged: Damaged = {}
        if len(self._tasks) > _FEW_TASKS:
            with ray_cluster(self.address, self.workers):
                while self._tasks:
                    self.submit(self._tasks.pop())
                return self.wait()
        while self._tasks:  # a cluster of their own would take longer to start
            damaged |= self._tasks.pop()()
        while self._submitted:
            try:
                damaged |= ray.get(self._submitted.pop())
            except RayError as error:
                log.warning("shards will be written later: %s", str(error).splitlines()[-1])
        return damaged

    def plan(self, split: SplitConfig, stages: Sequence[StageConfig]) -> Plan:
        """How the graph would be laid over the cluster."""
        with self._cluster(split, stages) as plan:
            return plan

    @contextmanager
    def _cluster(
        self, split: SplitConfig, stages: Sequence[StageConfig]
    ) -> Generator[Plan, None, None]:
        own = self.address in ("", "local") and not ray.is_initialized()
        workers = self.workers or (len(os.sched_getaffinity(0)) if own else 0)
        with ray_cluster(self.address, workers, num_pools=1 + len(stages)):
            has = ray.cluster_resources()
            yield make_plan(
                split,
                stages,
                workers=workers,
                cpus=int(has.get("CPU", 1)),
                gpus=float(has.get("GPU", 0)),
            )


# It must not wait for a CPU, as the pools hold all of them; `submit` bounds how many there are.
@ray.remote(num_cpus=0, scheduling_strategy="SPREAD")
def _run_task(task: BucketTask) -> Damaged:
    return task()


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What every actor is told: it travels to them."""

    root: str
    attempts: Attempts
    limits: LimitsConfig
    in_flight: Any  # handle of an `InFlight`

    def process(self, split: SplitConfig | None, stages: tuple[StageConfig, ...]) -> StageProcess:
        setup = Setup(split=split, stages=stages, root=self.root, attempts=self.attempts)
        process = StageProcess(setup, self.limits)
        me = ray.get_runtime_context().get_actor_id()
        process.on_begin = lambda what: self.in_flight.begin.remote(me, what)
        return process


class SplitWorker:
    """An actor that splits videos: one row in, a row per clip out, each as soon as it is cut."""

    def __init__(self, config: SplitConfig, worker: Worker) -> None:
        self._process = worker.process(config, ())

    def __call__(self, row: RayRow) -> Iterator[RayRow]:
        try:
            for clip in self._process.split(pickle.loads(row["source"])):
                yield pack(clip)
        except CamvidError as error:
            yield _abort(error)


class StageGroup:
    """An actor that takes a clip through neighbouring stages."""

    def __init__(self, configs: tuple[StageConfig, ...], worker: Worker) -> None:
        self._process = worker.process(None, configs)

    def __call__(self, row: RayRow) -> RayRow:
        if row["abort"]:
            return row
        try:
            return pack(self._process.run(unpack(row)))
        except CamvidError as error:
            return _abort(error)


def _dataset(
    videos: Sequence[Source], split: SplitConfig, plan: Plan, worker: Worker
) -> ray.data.Dataset:
    """The graph: videos, splitters, then a pool of workers for each group of stages."""
    # Pickled: Arrow's text is UTF-8, and a file's name need not be.
    items = [{"source": pickle.dumps(source)} for source in videos]
    dataset = ray.data.from_items(items, override_num_blocks=plan.num_blocks(len(videos)))
    dataset = dataset.flat_map(
        SplitWorker,  # pyright: ignore[reportArgumentType]  (actors are classes)
        fn_constructor_args=(split, worker),
        **_asked_of_ray(plan.split),
    )
    for pool, group in plan.groups:
        dataset = dataset.map(
            StageGroup,  # pyright: ignore[reportArgumentType]
            fn_constructor_args=(group, worker),
            **_asked_of_ray(pool),
        )
    return dataset


def _asked_of_ray(pool: Pool) -> dict[str, Any]:
    return {
        "num_cpus": pool.num_cpus,
        "num_gpus": pool.num_gpus,
        "compute": ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=pool.max_size,
            initial_size=pool.start_size,
            max_tasks_in_flight_per_actor=1,  # no clip queues behind another's minutes
        ),
    }


@contextmanager
def _data_context() -> Generator[None, None, None]:
    """Ray Data's settings while the graph runs."""
    context = ray.data.DataContext.get_current()
    settings = {
        "enable_progress_bars": False,
        # Every row a block of its own, which goes on at once: a clip is minutes of work.
        "target_max_block_size": 1,
        # A pool grows while all its actors work, and shrinks when none does: their models stay
        # warm, and yet no idle pool holds the CPU that a splitter needs which lost its node.
        "autoscaling_config": AutoscalingConfig(
            actor_pool_util_upscaling_threshold=1.0, actor_pool_util_downscaling_threshold=0.0
        ),
        # A worker that is killed while it starts is replaced; Ray would end the run.
        "max_consecutive_actor_init_deaths": MAX_ATTEMPTS - 1,
    }
    settings = {name: value for name, value in settings.items() if hasattr(context, name)}
    before = {name: getattr(context, name) for name in settings}
    for name, value in settings.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _rows(dataset: ray.data.Dataset) -> Iterator[ClipRow]:
    try:
        # Without prefetching, which holds each row back until the next one comes.
        blocks: Any = dataset.iter_batches(
            batch_size=None, prefetch_batches=0, batch_format="pyarrow"
        )
        for row in itertools.chain.from_iterable(block.to_pylist() for block in blocks):
            if row["abort"]:
                raise _ABORTING.get(row["abort"], CamvidError)(row["message"])
            yield unpack(row)
    except RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise RunAborted(f"Ray ended the run: {last}; the same command resumes") from error


def pack(row: ClipRow) -> RayRow:
    return {"row": json.dumps(to_plain(row)), "abort": "", "message": ""}


def _abort(error: CamvidError) -> RayRow:
    """What ends the run travels as a row: Ray would hand over a traceback in its place."""
    return {"row": "", "abort": type(error).__name__, "message": str(error)}


def unpack(row: RayRow) -> ClipRow:
    return from_plain(ClipRow, json.loads(row["row"]))
