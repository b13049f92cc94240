"""What is told of every stage of every clip: one log line, and the counters of `Metrics`.

Both are made of the records that `run_stage` leaves, in the process of the run, as rows come out
of the stages. So they are the same in process and on Ray, and no stage logs its own progress.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

from camvid.attempts import number_of
from camvid.stage import ClipRow
from camvid.store import StageRecord

log = logging.getLogger(__name__)
OnRow = Callable[[ClipRow], None]


def of_run(row: ClipRow, run: str) -> ClipRow:
    """The row, of which only what earlier runs made counts as reused: this run may have made the
    rest in an attempt that did not come back.
    """
    records = (replace(r, reused=r.reused and r.run != run) for r in row.records)
    return replace(row, records=tuple(records))


def log_row(row: ClipRow) -> None:
    """A line for each stage that worked on the row in this run."""
    for record in row.records:
        if not record.reused:
            failed = record.status == "failed"
            extra = {
                "clip": record.clip_id,
                "stage": record.stage,
                "attempt": number_of(record),
                "video": row.video_uri,
                "outcome": record.status,
                "cause": record.cause or record.reason.name,
                "seconds": round(record.seconds, 3),
                "peak_rss_bytes": record.peak_rss_bytes,
            }
            log.log(logging.WARNING if failed else logging.INFO, _message(record), extra=extra)


def _message(record: StageRecord) -> str:
    if record.error:
        return record.error
    why = f": {record.reason}" if record.reason else ""
    return f"{record.status} in {record.seconds:.2f} s{why}"


@contextmanager
def log_lines_of(run: str) -> Generator[None, None, None]:
    """Meanwhile every log line of this process names the run."""

    def name(record: logging.LogRecord) -> bool:
        record.__dict__.setdefault("run", run)
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(name)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(name)
