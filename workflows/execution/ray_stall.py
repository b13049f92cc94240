"""Notices that a run on Ray has come to a standstill, and says what is in flight."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workflows.execution.in_flight import stage_of

STALL_S = 600.0
_SHOWN = 5

log = logging.getLogger(__name__)


@ray.remote(num_cpus=0)
class InFlight:
    """An actor that knows what each worker is at."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, str]] = {}  # by worker

    def begin(self, worker: str, what: str) -> None:
        """`what` is empty where the worker is through."""
        if what:
            self._begun[worker] = (time.monotonic(), what)
        else:
            self._begun.pop(worker, None)

    def by_stage(self) -> dict[str, int]:
        """How many are at each stage."""
        return Counter(stage_of(what) for _, what in self._begun.values())

    def render_text(self) -> str:
        """Those that have been at it longest."""
        now = time.monotonic()
        begun = sorted(self._begun.values())
        lines = [f"{what} for {now - since:.0f} s" for since, what in begun[:_SHOWN]]
        more = [f"{len(begun) - _SHOWN} more"] if len(begun) > _SHOWN else []
        return ", ".join([*lines, *more]) or "nothing: no worker has found its CPUs or GPUs"


def start_in_flight() -> Any:
    """An `InFlight` beside the driver: no other node's loss takes it down."""
    here = ray.get_runtime_context().get_node_id()
    return InFlight.options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)
    ).remote()


@contextmanager
def stall_watch(
    in_flight: Any, stall_s: float = STALL_S
) -> Generator[Callable[[], None], None, None]:
    """Gives what to call when a row is finished; logs a line where none is for long."""
    over, finished = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            if not finished.wait(stall_s) and not over.is_set():
                log.warning("no clip finished for %.0f s; in flight: %s", stall_s, _ask(in_flight))
            finished.clear()

    thread = threading.Thread(target=watch, name="stall watch", daemon=True)
    thread.start()
    try:
        yield finished.set
    finally:
        over.set()
        finished.set()
        thread.join()


def count_in_flight(in_flight: Any) -> dict[str, int]:
    """Workers by stage; none where that is not known."""
    try:
        return ray.get(in_flight.by_stage.remote(), timeout=10)
    except RayError:
        return {}


def _ask(in_flight: Any) -> str:
    try:
        return ray.get(in_flight.render_text.remote(), timeout=10)
    except RayError as error:
        return f"not known ({type(error).__name__})"
