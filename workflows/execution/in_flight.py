"""What is in flight now, for whoever watches a run from outside."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class InFlightNow:
    """How many workers are at each stage; executors say how to ask while they run."""

    ask: Callable[[], Mapping[str, int]] = dict

    @contextmanager
    def told_by(self, ask: Callable[[], Mapping[str, int]]) -> Generator[None, None, None]:
        """Meanwhile `ask` knows; afterwards nothing is in flight, and nobody is asked."""
        self.ask = ask
        try:
            yield
        finally:
            self.ask = dict


def stage_of(what: str) -> str:
    """The stage in what `StageProcess.on_begin` is told: `clip ...: stage`."""
    return what.rpartition(": ")[2]
