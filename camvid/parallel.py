"""Threads over frames. OpenCV and onnxruntime release the GIL, so threads use all the cores.

Parallelism is over frames, never inside a call: OpenCV's dense flow cuts the picture into one
stripe per thread, so its result depends on the thread count. One thread per call gives the same
arrays on every machine, in process and on Ray.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_threads() -> int:
    """Threads this process may use: CAMVID_THREADS, else the cores it may run on."""
    asked = os.environ.get("CAMVID_THREADS", "")
    return max(1, int(asked)) if asked.isdigit() else len(os.sched_getaffinity(0))


def map_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[function(item) for item in items]`, over threads, in order; the first error is raised."""
    import cv2

    cv2.setNumThreads(1)
    workers = num_threads()
    if workers == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
