"""Runs the stages on Ray Data: on this machine's cores or on a cluster.

Rows carry ids and small numbers; arrays stay in the store. Neighbouring stages with equal
resources run in one actor: a clip's frames are decoded once, models stay warm, and two cores do
not starve (Ray Data reserves CPUs per operator: six one-CPU stages on two cores would stall).
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import ray
import ray.data

from camvid.errors import CamvidError
from camvid.plain import from_plain, to_plain
from camvid.stage import ABORTING, ClipRow, Resources, Stage, StageConfig, run_stage
from camvid.store import ClipStore
from stages.split import Split, SplitConfig, run_split
from workflows.ray_cluster import ray_cluster

RayRow = dict[str, Any]
_ABORTING: dict[str, type[CamvidError]] = {kind.__name__: kind for kind in (CamvidError, *ABORTING)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RayExecutor:
    """Runs the graph on Ray.

    Args:
        address: of a cluster ("auto": the one this machine belongs to); "" starts a local one.
        workers: actors for each group of stages; 0 lets the cluster's size decide.
    """

    address: str = ""
    workers: int = 0

    def __call__(
        self, videos: Sequence[str], split: SplitConfig, stages: Sequence[StageConfig], root: str
    ) -> Iterator[ClipRow]:
        with ray_cluster(self.address, self.workers):
            ray.data.DataContext.get_current().enable_progress_bars = False
            yield from self._run(videos, split, stages, root)

    def _run(
        self, videos: Sequence[str], split: SplitConfig, stages: Sequence[StageConfig], root: str
    ) -> Iterator[ClipRow]:
        gpus = float(ray.cluster_resources().get("GPU", 0))
        groups = fuse(stages, gpus)
        first, others = _asked(split, gpus), [resources for resources, _ in groups]
        workers = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        shares = _cpu_shares(first, others, workers)
        on_gpu = gpu_plan(first, others, workers, gpus)
        dataset = ray.data.from_items(
            # As JSON: Arrow's text is UTF-8, and a file's name need not be.
            [{"uri": json.dumps(uri)} for uri in videos],
            override_num_blocks=len(videos),
        )
        dataset = dataset.flat_map(
            SplitWorker,
            fn_constructor_args=(split, root),
            num_cpus=shares[0],
            num_gpus=on_gpu.scale * (first.gpus or 0.0) or None,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        for (resources, group), share in zip(groups, shares[1:], strict=True):
            dataset = dataset.map(
                StageGroup,  # pyright: ignore[reportArgumentType]  (actors are classes)
                fn_constructor_args=(tuple(group), root),
                num_cpus=share,
                num_gpus=on_gpu.scale * (resources.gpus or 0.0) or None,
                compute=ray.data.ActorPoolStrategy(
                    size=on_gpu.workers if resources.gpus else workers
                ),
            )
        for row in dataset.iter_rows():
            if row["abort"]:
                raise _ABORTING.get(row["abort"], CamvidError)(row["message"])
            yield unpack(row)


class SplitWorker:
    """An actor that splits videos: one row in, a row per clip out."""

    def __init__(self, config: SplitConfig, root: str) -> None:
        self._config = config
        self._split: Split | None = None
        self._store = ClipStore(root)

    def __call__(self, row: RayRow) -> list[RayRow]:
        try:
            self._split = self._split or self._config.build()
            rows = run_split(self._split, self._store, json.loads(row["uri"]))
            return [pack(clip) for clip in rows]
        except CamvidError as error:
            return [_abort(error)]


class StageGroup:
    """An actor that takes a clip through neighbouring stages."""

    def __init__(self, configs: tuple[StageConfig, ...], root: str) -> None:
        self._configs = configs
        self._stages: list[Stage] = []
        self._store = ClipStore(root)

    def __call__(self, row: RayRow) -> RayRow:
        if row["abort"]:
            return row
        clip = unpack(row)
        try:  # building too: an error of a constructor would reach the driver as a dead actor
            self._stages = self._stages or [config.build() for config in self._configs]
            for stage in self._stages:
                clip = run_stage(stage, self._store, clip)
        except CamvidError as error:
            return _abort(error)
        return pack(clip)


def fuse(
    stages: Iterable[StageConfig], cluster_gpus: float = 0.0
) -> list[tuple[Resources, list[StageConfig]]]:
    """Neighbouring stages with equal resources, as groups."""
    grouped = itertools.groupby(stages, key=lambda config: _asked(config, cluster_gpus))
    return [(resources, list(group)) for resources, group in grouped]


def _asked(config: StageConfig | SplitConfig, cluster_gpus: float) -> Resources:
    """What to ask of this cluster: no share of a GPU where there is none, or it would wait."""
    asked = config.resources
    gpus = getattr(config, "gpu_share", 0.0) if asked.gpus is None else asked.gpus
    return replace(asked, gpus=gpus if cluster_gpus else 0.0)


class GpuPlan(NamedTuple):
    """How the actors of all groups fit on the cards together: one that waits stalls the others."""

    workers: int  # actors of each group that uses a GPU
    scale: float  # of the shares asked for


def gpu_plan(
    split: Resources, groups: Sequence[Resources], workers: int, cluster_gpus: float
) -> GpuPlan:
    """As many workers as the cards hold; smaller shares where even one does not fit on a card."""
    first, each = split.gpus or 0.0, sum(resources.gpus or 0.0 for resources in groups)
    if not first + each:
        return GpuPlan(workers, 1.0)
    room = 1 - first  # one actor splits, on one card; the others are planned alike
    fitting = max(1, int(cluster_gpus)) * int(room / each + 1e-9) if each else workers
    return GpuPlan(max(1, min(workers, fitting)), min(1.0, 1 / (first + each)))


def pack(row: ClipRow) -> RayRow:
    return {"row": json.dumps(to_plain(row)), "abort": "", "message": ""}


def _abort(error: CamvidError) -> RayRow:
    """What ends the run travels as a row: Ray would hand over a traceback in its place."""
    return {"row": "", "abort": type(error).__name__, "message": str(error)}


def unpack(row: RayRow) -> ClipRow:
    return from_plain(ClipRow, json.loads(row["row"]))


def _cpu_shares(split: Resources, groups: Sequence[Resources], workers: int) -> list[float]:
    """CPUs for each actor: as asked where the cluster has them, else scaled so that all fit."""
    asked = [split.cpus, *(resources.cpus for resources in groups)]
    total = asked[0] + workers * sum(asked[1:])
    available = float(ray.cluster_resources().get("CPU", 1))
    scale = min(1.0, 0.95 * available / total)
    return [round(cpus * scale, 3) for cpus in asked]
