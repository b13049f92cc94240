"""How the graph is laid over a Ray cluster: groups of stages, sizes of pools, shares of GPUs.

A pool of actors grows with its work from one actor to a maximum, and gives idle ones back. Each
takes whole CPUs; one actor of each pool always finds room, so that no pool waits for another.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from camvid.stage import Resources, StageConfig
from stages.split import SplitConfig

CPUS_PER_SPLITTER = 8  # ten minutes of 720p take 136 CPU s to split, and their clips 30 times that
_VIDEOS_A_BLOCK = 100  # Ray's own cost: 43 ms for a block of one row, 0.4 ms a row among 100
_BLOCKS_A_SPLITTER = 8  # so that none has much left to do when the others are through


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool of equal actors, and what each asks for."""

    max_size: int
    num_cpus: int
    num_gpus: float | None
    start_size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where everything runs."""

    split: Pool
    groups: tuple[tuple[Pool, tuple[StageConfig, ...]], ...]

    def num_blocks(self, num_videos: int) -> int:
        """Blocks of many videos, where there are many videos."""
        blocks = max(_BLOCKS_A_SPLITTER * self.split.max_size, num_videos / _VIDEOS_A_BLOCK)
        return max(1, min(num_videos, math.ceil(blocks)))


def make_plan(
    split: SplitConfig, stages: Sequence[StageConfig], *, workers: int, cpus: int, gpus: float
) -> Plan:
    """Lays the graph over a cluster.

    Args:
        workers: most actors of a group of stages, which then start at once; 0: as many as the
            cluster has CPUs, as there is work for them.
    """
    groups = fuse(stages, gpus)
    first, others = _asked(split, gpus), [resources for resources, _ in groups]
    most = workers or max(1, cpus - 1)
    on_gpu = gpu_plan(first, others, most, gpus)
    needed = sum(_whole(resources) for resources in others)
    return Plan(
        split=Pool(
            # One where it needs a GPU: `gpu_plan` keeps room for one.
            max_size=1 if first.gpus else max(1, max(cpus, most) // CPUS_PER_SPLITTER),
            num_cpus=_whole(first) if cpus > needed else 0,
            num_gpus=on_gpu.scale * (first.gpus or 0.0) or None,
        ),
        groups=tuple(
            (
                Pool(
                    max_size=(size := on_gpu.workers if resources.gpus else most),
                    num_cpus=_whole(resources),
                    num_gpus=on_gpu.scale * (resources.gpus or 0.0) or None,
                    start_size=min(workers, size) or 1,
                ),
                tuple(group),
            )
            for resources, group in groups
        ),
    )


def _whole(resources: Resources) -> int:
    return max(1, math.ceil(resources.cpus))


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
