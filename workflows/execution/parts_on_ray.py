"""The parts of an export or a pack on a Ray cluster, to whose nodes source and target must be
reachable.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray

from workflows.execution.ray_cluster import ray_cluster

Part = TypeVar("Part")
Result = TypeVar("Result")

_QUEUED = 2  # parts for each CPU, so that none waits for the driver


def write_on_ray(
    write_part: Callable[[int, Part], Result],
    parts: Sequence[Part],
    *,
    address: str,
    workers: int,
    with_gpu: bool = False,
) -> Iterator[Result]:
    """`write_part` of each part and its number, in order; one whose node is lost is written anew.

    `with_gpu`: each takes one, where the cluster has any.
    """
    with ray_cluster(address, workers):
        gpus = 1 if with_gpu and ray.cluster_resources().get("GPU") else 0
        write: Any = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=3)(_write)
        limit = _QUEUED * max(1, int(ray.cluster_resources().get("CPU", 1)))
        under_way: deque[Any] = deque()
        for number, part in enumerate(parts):
            if len(under_way) >= limit:
                yield ray.get(under_way.popleft())
            under_way.append(write.remote(write_part, number, part))
        while under_way:
            yield ray.get(under_way.popleft())


def _write(write_part: Callable[[int, Part], Result], number: int, part: Part) -> Result:
    return write_part(number, part)
