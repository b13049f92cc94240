"""The parts of an export on a Ray cluster, to whose nodes run and target must be reachable."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray

from workflows.export import ClipIds, Export, Exported
from workflows.ray_cluster import ray_cluster

_QUEUED = 2  # parts for each CPU, so that none waits for the driver


def write_on_ray(
    export: Export, parts: Sequence[ClipIds], *, address: str, workers: int
) -> Iterator[list[Exported]]:
    """What became of each part, in order; a part whose node is lost is written elsewhere."""
    with ray_cluster(address, workers):
        write: Any = ray.remote(num_cpus=1, max_retries=3)(Export.write_part)
        limit = _QUEUED * max(1, int(ray.cluster_resources().get("CPU", 1)))
        under_way: deque[Any] = deque()
        for number, clip_ids in enumerate(parts):
            if len(under_way) >= limit:
                yield ray.get(under_way.popleft())
            under_way.append(write.remote(export, number, clip_ids))
        while under_way:
            yield ray.get(under_way.popleft())
