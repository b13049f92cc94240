"""The circuit breaker: a missing driver must not silently turn a million clips into failures."""

from collections import Counter
from dataclasses import dataclass, field

from camvid.errors import RunAborted, VideoError
from camvid.stage import ClipRow

# A folder of unreadable files is the user's data, not a broken machine.
OF_THE_DATA = {VideoError.__name__}


@dataclass(slots=True)
class Breaker:
    """Aborts once at least `after` clips are done and `fraction` of them failed alike."""

    after: int = 10
    fraction: float = 0.8
    num_seen: int = 0
    causes: Counter[str] = field(default_factory=Counter[str])

    def watch(self, row: ClipRow) -> None:
        """Counts a finished row; raises RunAborted where the run has become pointless."""
        if row.cause in OF_THE_DATA:
            return
        self.num_seen += 1
        if row.status != "failed":
            return
        cause = f"{row.stopped_at}: {row.cause}"
        self.causes[cause] += 1
        if self.num_seen >= self.after and self.causes[cause] >= self.fraction * self.num_seen:
            raise RunAborted(
                f"run stopped: {self.causes[cause]} of {self.num_seen} clips failed in {cause}"
                f" (last: {row.error}); mend that and run the same command again to resume"
            )
