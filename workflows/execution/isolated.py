"""Runs the stages one clip after another in one process of their own, started anew when it dies."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from camvid.attempts import ANY_RUN, Attempts
from camvid.stage import ClipRow, StageConfig
from camvid.video.source import Source
from stages.split import SplitConfig
from workflows.execution.in_flight import InFlightNow, stage_of
from workflows.execution.limits import LimitsConfig
from workflows.execution.stage_process import StageProcess
from workflows.execution.stage_worker import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolated:
    """As `in_process`, but a clip that crashes, hangs or eats all memory fails alone."""

    limits: LimitsConfig = LimitsConfig()
    in_flight: InFlightNow = field(default_factory=InFlightNow)

    def __call__(
        self,
        videos: Iterable[Source],
        split: SplitConfig,
        stages: Sequence[StageConfig],
        root: str,
        attempts: Attempts = ANY_RUN,
    ) -> Iterator[ClipRow]:
        setup = Setup(
            split=split,
            stages=tuple(stages),
            root=root,
            attempts=attempts,
            log_level=logging.getLogger().level,
        )
        process = StageProcess(setup, self.limits)
        self.in_flight.ask = _told(process)
        process.start()
        return _rows(process, videos)


def _told(process: StageProcess) -> Callable[[], dict[str, int]]:
    """What gives the stage that the process is at."""
    at: list[str] = [""]
    process.on_begin = lambda what: at.__setitem__(0, what)
    return lambda: {stage_of(at[0]): 1} if at[0] else {}


def _rows(process: StageProcess, videos: Iterable[Source]) -> Iterator[ClipRow]:
    try:
        for source in videos:
            for row in tuple(process.split(source)):
                yield process.run(row)
    finally:
        process.stop()
