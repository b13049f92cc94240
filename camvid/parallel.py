"""Threads over frames. OpenCV and onnxruntime release the GIL, so threads use all the cores.

Parallelism is over frames, never inside a call: OpenCV's dense flow cuts the image into one
stripe per thread, so its result depends on the thread count. One thread per call gives the same
arrays on every machine, in process and on Ray.

Nor do libraries start threads of their own inside ours (`one_thread_per_call`): two pools on one
set of cores wait for each other, and beside any other busy process they mostly wait. What may use
more threads is a call that has the process to itself and says how many: a network's forward pass
takes `num_threads()`, through onnxruntime's session options or `torch.set_num_threads`. Ceres and
pycolmap get one thread from their own options, since more sum in another order.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_threads() -> int:
    """Threads this process may use: CAMVID_THREADS, else the cores it may run on."""
    asked = os.environ.get("CAMVID_THREADS", "")
    return max(1, int(asked)) if asked.isdigit() else len(os.sched_getaffinity(0))


@contextmanager
def one_thread_per_call() -> Generator[None, None, None]:
    """BLAS, LAPACK and OpenMP keep to the thread that calls them, for as long as this lasts.

    Worth it wherever our own threads or workers run: a stage, and every `map_threads`. On two
    cores with one other process busy, LAPACK's own threads made one clip's `align_depth` take 36
    to 172 s; without them it took 9 s (idle: 6.2 s with, 4.9 s without).
    """
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


def map_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[function(item) for item in items]`, over threads, in order; the first error is raised."""
    import cv2

    cv2.setNumThreads(1)
    workers = num_threads()
    with _one_torch_thread(), one_thread_per_call():
        if workers == 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(workers, initializer=_begin_thread) as pool:
            return list(pool.map(function, items))


@lru_cache(maxsize=1)
def _libraries(num_modules: int) -> ThreadpoolController:
    """The BLAS and OpenMP libraries that are loaded; looked for anew once modules have come."""
    del num_modules
    return ThreadpoolController()


def _begin_thread() -> None:
    """OpenMP's limit is the calling thread's own: a new thread starts without one."""
    _libraries(len(sys.modules)).select(user_api="openmp").limit(limits=1)


@contextmanager
def _one_torch_thread() -> Generator[None, None, None]:
    """torch gives every new thread a number of its own, over OpenMP's; asking must not load it."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "set_num_threads"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
