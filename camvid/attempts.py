"""Attempts at a stage that did not come back: how many there were, and when to give up.

A stage may kill its process, hang, or take the machine with it. So an attempt is written down
before the work, as a failed record in the place of the record to come: whoever finds it knows that
the work was begun and never ended. After `MAX_ATTEMPTS` nobody begins it again.
"""

from dataclasses import dataclass, replace

from camvid.store import StageRecord

MAX_ATTEMPTS = 3
UNFINISHED = "unfinished"  # the cause of a failure, until someone has seen how the attempt ended
CRASHED, TIMEOUT, MEMORY = "crashed", "timeout", "memory"
_LOST = frozenset({UNFINISHED, CRASHED, TIMEOUT, MEMORY})  # causes of attempts not come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Which earlier attempts count in this run.

    Args:
        run: names this run in the attempts that it makes.
        stopped: names the run before, if it ended in order; what it had under way was dropped, and
            tells nothing of a clip.
        retry_failed: try anew what earlier runs gave up.
    """

    run: str = ""
    stopped: str = ""
    retry_failed: bool = False

    def count(self, record: StageRecord | None, identity: str) -> int:
        """Attempts so far at the work with this fingerprint, of which `record` is what is left."""
        if record is None or record.fingerprint != identity or record.status != "failed":
            return 0
        if self.retry_failed and record.run != self.run:
            return 0
        dropped = record.cause == UNFINISHED and self.stopped and record.run == self.stopped
        return max(0, record.attempts - bool(dropped))

    def begin(self, record: StageRecord, number: int) -> StageRecord:
        """The record of an attempt that begins now."""
        return replace(
            record,
            status="failed",
            cause=UNFINISHED,
            error=f"{record.stage} was begun and never ended",
            attempts=number,
            run=self.run,
        )


ANY_RUN = Attempts()  # all of them count


def number_of(record: StageRecord) -> int:
    """Which attempt the record tells of, from 1."""
    return record.attempts + (record.cause not in _LOST)


def is_given_up(record: StageRecord) -> bool:
    return record.attempts >= MAX_ATTEMPTS


def ended(record: StageRecord, subject: str, cause: str, what: str) -> StageRecord:
    """The record of an attempt once it is known how it ended.

    Args:
        subject: the clip or video, for the message.
        what: the stage must do, and what it did.
    """
    times = f", {record.attempts} times" if record.attempts > 1 else ""
    advice = "; left out from now on, unless --retry-failed" if is_given_up(record) else ""
    return replace(record, cause=cause, error=f"{subject}: {record.stage} {what}{times}{advice}")


def given_up(record: StageRecord, subject: str) -> StageRecord:
    """The record as a later run takes it over."""
    if record.cause == UNFINISHED:  # it took its whole machine down, or its run was killed
        record = ended(record, subject, CRASHED, "must end, but was begun and never ended")
    return replace(record, reused=True)
