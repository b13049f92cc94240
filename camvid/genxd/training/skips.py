"""Steps whose loss or gradients are not finite: dropped and named, until there are too many."""

import logging
from collections.abc import Sequence

from camvid.errors import RunAborted

log = logging.getLogger(__name__)


class SkippedSteps:
    """Counts them; all processes skip the same, and the first one says so."""

    def __init__(self, most_in_a_row: int, *, is_main: bool) -> None:
        self._most, self._is_main = most_in_a_row, is_main
        self._in_a_row = 0

    def taken(self) -> None:
        """A step changed the weights."""
        self._in_a_row = 0

    def skip(self, step: int, loss: float, norm: float, clips: Sequence[str]) -> None:
        """Leaves out step number `step`, counted from 1.

        Raises:
            RunAborted: one more in a row than is allowed.
        """
        self._in_a_row += 1
        found = (
            f"loss and gradients must be finite, got {loss} and {norm} in step {step}"
            f" (clips {', '.join(clips)})"
        )
        if self._in_a_row > self._most:
            raise RunAborted(
                f"{found}, {self._in_a_row} in a row: the weights before them are saved, and"
                " --resume goes on after them; or lower optimizer.learning_rate and start from"
                " them with --init, or raise run.max_skipped_steps"
            )
        if self._is_main:
            log.warning("%s: the step is skipped", found)
