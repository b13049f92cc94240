"""The barrier: three outcomes, reuse by fingerprint, nothing escapes but what must abort."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from camvid.artifacts import Clip, ObjectMasks, PointTracks
from camvid.attempts import UNFINISHED
from camvid.errors import BackendUnavailable, ClipError, VideoError
from camvid.outcome import Reason, Rejected
from camvid.stage import ClipRow, Resources, fingerprint, run_stage, stage_fingerprint
from camvid.store import ClipStore, StageRecord
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class CountConfig:
    limit: int = 1
    resources: Resources = Resources()


class Count:
    """Counts its calls; does what it is told to."""

    name: ClassVar[str] = "count"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip, ObjectMasks)
    writes: ClassVar[type] = PointTracks
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: CountConfig, result: Any = None) -> None:
        self.config, self.result, self.calls = config, result, 0

    def __call__(self, clip: Clip, masks: ObjectMasks) -> Any:
        self.calls += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def store(tmp_path: Path, clip: Clip, masks: ObjectMasks) -> ClipStore:
    store = ClipStore(str(tmp_path))
    store.save(clip.clip_id, clip)
    store.save(clip.clip_id, masks)
    return store


@pytest.fixture
def row(clip: Clip) -> ClipRow:
    fingerprints = {"Clip": "1", "ObjectMasks": "2"}
    return ClipRow(clip_id=clip.clip_id, video_uri="a.mp4", fingerprints=fingerprints)


def test_ok_is_saved_and_reused(store: ClipStore, row: ClipRow, tracks: PointTracks) -> None:
    stage = Count(CountConfig(), tracks)
    first = run_stage(stage, store, row)
    again = run_stage(stage, store, row)
    assert stage.calls == 1
    assert (first.status, first.records[-1].reused) == ("ok", False)
    assert again.records == (replace(first.records[0], reused=True),)
    np.testing.assert_array_equal(store.load(row.clip_id, PointTracks).xy_px, tracks.xy_px)
    assert run_stage(stage, store, row, force=True).status == "ok"
    assert stage.calls == 2


def test_a_changed_input_or_threshold_runs_again(
    store: ClipStore, row: ClipRow, tracks: PointTracks
) -> None:
    run_stage(Count(CountConfig(), tracks), store, row)
    other_limit = Count(CountConfig(limit=2), tracks)
    other_input = Count(CountConfig(), tracks)
    other_place = Count(CountConfig(resources=Resources(gpus=1)), tracks)
    run_stage(other_limit, store, row)
    run_stage(other_input, store, replace(row, fingerprints={"Clip": "1", "ObjectMasks": "3"}))
    assert (other_limit.calls, other_input.calls) == (1, 1)
    run_stage(Count(CountConfig(), tracks), store, row)
    run_stage(other_place, store, row)
    assert other_place.calls == 0, "where a stage runs must not matter"


def test_rejected_is_a_value(store: ClipStore, row: ClipRow) -> None:
    stage = Count(CountConfig(), Rejected(Reason("min_x", 1.0, 2.0), {"x": 1.0}))
    after = run_stage(stage, store, row)
    assert (after.status, after.reason) == ("rejected", Reason("min_x", 1, 2))
    assert after.stopped_at == "count"
    assert after.records[-1].measured == {"x": 1.0}
    assert run_stage(stage, store, row).records[-1].reused
    assert stage.calls == 1
    later = Count(CountConfig())
    assert run_stage(later, store, after) is after
    assert later.calls == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (VideoError("a.mp4 must be\na video"), "a.mp4 must be a video"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_failed_is_listed_and_tried_again(
    store: ClipStore, row: ClipRow, tracks: PointTracks, error: Exception, message: str
) -> None:
    stage = Count(CountConfig(), error)
    after = run_stage(stage, store, row)
    assert (after.status, after.error, after.cause) == ("failed", message, type(error).__name__)
    fixed = Count(CountConfig(), tracks)
    assert run_stage(fixed, store, row).status == "ok"
    assert fixed.calls == 1


def test_what_concerns_the_whole_run_aborts(store: ClipStore, row: ClipRow) -> None:
    with pytest.raises(BackendUnavailable, match="no weights"):
        run_stage(Count(CountConfig(), BackendUnavailable("no weights")), store, row)
    assert store.load_record(row.clip_id, "count") is None


def test_a_kill_between_artifact_and_record_cannot_mislead(
    store: ClipStore, row: ClipRow, tracks: PointTracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(Count(CountConfig(limit=1), tracks), store, row)

    save = store.save_record

    def killed(record: StageRecord) -> None:
        if record.cause != UNFINISHED:  # the attempt is written before the artifact
            raise KeyboardInterrupt
        save(record)

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_record", killed)
        with pytest.raises(KeyboardInterrupt):
            run_stage(Count(CountConfig(limit=2), tracks), store, row)
    back = Count(CountConfig(limit=1), tracks)
    run_stage(back, store, row)
    assert back.calls == 1, "the artifact is of limit=2: the record of limit=1 must be gone"


def test_weights_are_part_of_the_identity() -> None:
    stage = Count(CountConfig())
    inputs = {"Clip": "1", "ObjectMasks": "2"}
    before = stage_fingerprint(stage, inputs)
    stage.weights = (Weight(name="n", version="1", licence="MIT", sha256="ab"),)
    assert stage_fingerprint(stage, inputs) != before
    assert fingerprint("a", 1, CountConfig(), ["x"]) != fingerprint("a", 2, CountConfig(), ["x"])


def test_clip_errors_are_known() -> None:
    assert issubclass(VideoError, ClipError)
