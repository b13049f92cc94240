"""The Stage protocol, and `run_stage`, which turns whatever a stage does into one record.

A stage is a function from artifacts to one artifact. It returns the artifact, or `Rejected`; it
raises for failures. Only `run_stage` loads, reuses, times, catches and saves.
"""

import hashlib
import json
import logging
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol

from camvid.attempts import (
    ANY_RUN,
    MAX_ATTEMPTS,
    UNFINISHED,
    Attempts,
    ended,
    given_up,
    is_given_up,
)
from camvid.errors import (
    BackendUnavailable,
    ClipError,
    ConfigError,
    DamagedArtifact,
    RunAborted,
    StoreError,
)
from camvid.faults import is_of_machine
from camvid.memory import peak_gpu_bytes, peak_rss_bytes, release_memory, reset_peak_gpu
from camvid.outcome import Reason, Rejected, Status
from camvid.parallel import one_thread_per_call
from camvid.pipeline import DECIDES
from camvid.plain import to_plain
from camvid.settings import setting
from camvid.store import ClipStore, StageRecord, Stored
from camvid.video.addresses import without_secrets
from camvid.video.names import writable
from camvid.weights import Weight

logger = logging.getLogger(__name__)

ABORTING = (ConfigError, BackendUnavailable, StoreError, RunAborted)  # not DamagedArtifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a worker needs; neighbouring stages with equal resources share one worker."""

    cpus: float = 1.0
    gpus: float | None = setting(
        None, "share of a GPU", "Taken by each worker on Ray; unset: what the backend asks for."
    )


class Stage(Protocol):
    """A step of the pipeline, ready to run: weights are loaded."""

    name: ClassVar[str]
    version: ClassVar[int]  # raised when the meaning of the output changes
    reads: ClassVar[tuple[type, ...]]
    writes: ClassVar[type]
    config: Any
    weights: tuple[Weight, ...]

    def __call__(self, *artifacts: Any, **_: Any) -> Any: ...


class StageConfig(Protocol):
    """Travels to the worker and makes the stage there."""

    @property
    def resources(self) -> Resources: ...

    def build(self) -> Stage: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """A clip on its way through the stages: ids, status and the records so far; no arrays."""

    clip_id: str
    video_uri: str
    status: Status = "ok"
    reason: Reason = Reason()  # of a rejection
    error: str = ""
    cause: str = ""
    of_machine: bool = False  # of a failure: any other clip would meet it here too
    stopped_at: str = ""  # the stage that rejected it or failed on it
    fingerprints: dict[str, str] = field(default_factory=dict[str, str])  # artifact -> identity
    records: tuple[StageRecord, ...] = ()

    def after(self, record: StageRecord) -> "ClipRow":
        """The row as the stage leaves it."""
        stopped = record.status != "ok"
        return replace(
            self,
            status=record.status,
            reason=record.reason,
            error=record.error,
            cause=record.cause,
            of_machine=record.of_machine,
            stopped_at=record.stage if stopped else self.stopped_at,
            fingerprints={**self.fingerprints, record.artifact: record.fingerprint},
            records=(*self.records, record),
        )

    def stored(self, kind: type) -> Stored | None:
        """What was recorded of an artifact when it was written; None in runs of older versions."""
        found = [r.stored[kind.__name__] for r in self.records if kind.__name__ in r.stored]
        return found[-1] if found else None


def fingerprint(name: str, version: int, config: object, inputs: Sequence[str]) -> str:
    """Identity of a stage's output: sha256 over stage, version, configuration and inputs.

    The configuration counts whole, not only with its settings. What it does not hold, such as the
    constants of a module, counts by the stage's version: who changes one raises it. Where a stage
    runs (`resources`), and which of its clips are taken further (`known_clips`), changes nothing.
    """
    settings = {
        f.name: to_plain(getattr(config, f.name))
        for f in fields(config)  # pyright: ignore[reportArgumentType]
        if f.name not in ("resources", "known_clips")
    }
    text = json.dumps([name, version, settings, list(inputs)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stage_fingerprint(stage: Stage, fingerprints: Mapping[str, str]) -> str:
    """What this stage's output will be identified by, given the identities of its inputs."""
    inputs = [fingerprints[kind.__name__] for kind in stage.reads]
    inputs += [weight.sha256 for weight in stage.weights]
    return fingerprint(stage.name, stage.version, stage.config, inputs)


def run_stage(
    stage: Stage,
    store: ClipStore,
    row: ClipRow,
    *,
    force: bool = False,
    attempts: Attempts = ANY_RUN,
) -> ClipRow:
    """Takes a row through a stage: reuse what is there, else compute, save and record.

    A record whose artifact is missing or cut off counts as absent. An artifact that turns out to
    be damaged when it is read is taken away and the row fails with `DamagedArtifact`: taken
    through the stages once more, the row has it made anew.
    """
    if row.status != "ok":
        return row
    identity = stage_fingerprint(stage, row.fingerprints)
    record = None if force else store.load_record(row.clip_id, stage.name)
    known = record and record.fingerprint == identity and record.status != "failed"
    if record and known and store.is_whole(record):
        return row.after(replace(record, reused=True))
    number = 0 if force else attempts.count(record, identity)
    if record and number >= MAX_ATTEMPTS:
        return row.after(given_up(record, f"clip {row.clip_id}"))
    blank = StageRecord(
        clip_id=row.clip_id,
        stage=stage.name,
        version=stage.version,
        artifact=stage.writes.__name__,
        fingerprint=identity,
        status="failed",
        host=socket.gethostname(),
        attempts=number,
        run=attempts.run,
    )
    store.save_record(attempts.begin(blank, number + 1))
    try:
        with one_thread_per_call():
            record = _attempt(stage, store, row, blank)
    except BaseException:
        store.remove_record(row.clip_id, stage.name)  # the run ends, and not by this clip's fault
        raise
    release_memory()
    store.save_record(record)
    return row.after(record)


def pack_if_over(store: ClipStore, row: ClipRow) -> None:
    """Puts the files of a clip into one once no stage takes it further; a failed one is resumed."""
    decided = row.status == "ok" and row.records[-1].stage == DECIDES
    if decided or row.status == "rejected":
        store.pack(row.clip_id)


def attempt_ended(
    store: ClipStore, row: ClipRow, stage: str, cause: str, what: str
) -> ClipRow | None:
    """Writes down how an attempt at this row's stage ended that did not come back.

    Returns the failed row if it was the last attempt.
    """
    record = store.load_record(row.clip_id, stage)
    if record is None or record.cause != UNFINISHED:
        return None
    record = ended(record, f"clip {row.clip_id}", cause, what)
    store.save_record(record)
    return row.after(record) if is_given_up(record) else None


def _attempt(stage: Stage, store: ClipStore, row: ClipRow, blank: StageRecord) -> StageRecord:
    """Runs the stage on one clip; every outcome but an aborting error becomes a record."""
    start = time.perf_counter()
    reset_peak_gpu()
    outcome: dict[str, Any] = {"status": "ok"}
    try:
        result = stage(*(store.load(row.clip_id, kind, row.stored(kind)) for kind in stage.reads))
        if isinstance(result, Rejected):
            outcome = {
                "status": "rejected",
                "reason": result.reason,
                "measured": dict(result.measured),
            }
        else:
            stored = store.save(row.clip_id, result)
            outcome["stored"] = {stage.writes.__name__: stored}
    except DamagedArtifact as error:
        store.remove(error.name)
        outcome = failure(error, "")
    except Exception as error:  # noqa: BLE001  (the barrier: one clip must not sink the run)
        outcome = failure(error, f"clip {row.clip_id}, {stage.name}")
    logger.debug("clip %s: %s %s", row.clip_id, stage.name, outcome["status"])
    return replace(
        blank,
        seconds=time.perf_counter() - start,
        peak_rss_bytes=peak_rss_bytes(),
        peak_gpu_bytes=peak_gpu_bytes(),
        **outcome,
    )


def failure(error: Exception, where: str) -> dict[str, Any]:
    """The outcome of a clip or video on which this was raised; called while it is handled.

    Raises:
        ConfigError, BackendUnavailable, StoreError, RunAborted: they concern the whole run.
    """
    if isinstance(error, ABORTING) and not isinstance(error, DamagedArtifact):
        raise error
    cause = type(error).__name__
    line = without_secrets(writable(" ".join(str(error).split()))) or cause
    foreseen = isinstance(error, ClipError | DamagedArtifact)
    lines = () if foreseen else traceback.format_exc().splitlines()
    trace = "\n".join(without_secrets(writable(each)) for each in lines)
    if trace:
        logger.error("%s: %s", where, trace)
    return {
        "status": "failed",
        "error": line if foreseen else f"{cause}: {line}",
        "cause": cause,
        "of_machine": is_of_machine(error),
        "traceback": trace,
    }
