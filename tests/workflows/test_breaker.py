"""The breaker: a machine fault stops a run soon, broken videos never do."""

import errno
from dataclasses import replace

import pytest

from camvid.errors import BackendError, ConfigError, RunAborted, VideoError
from camvid.faults import is_of_machine
from camvid.stage import ClipRow, failure
from camvid.store import StageRecord
from workflows.runs.breaker import Breaker, BreakerConfig


def row(stage: str, error: Exception | None, number: int = 0) -> ClipRow:
    """A clip as it left `stage`, where the error was raised."""
    outcome = failure(error, "test") if error else {"status": "ok"}
    clip_id = "" if stage == "split" else f"{number:016x}"
    record = StageRecord(
        clip_id=clip_id, stage=stage, version=1, artifact="A", fingerprint="f", **outcome
    )
    return ClipRow(clip_id=clip_id, video_uri=f"{number}.mp4").after(record)


def watch_all(breaker: Breaker, rows: list[ClipRow]) -> None:
    for each in rows:
        breaker.watch(each)


def lasts(breaker: Breaker, rows: list[ClipRow]) -> int:
    """How many rows it lets by."""
    for number, each in enumerate(rows):
        try:
            breaker.watch(each)
        except RunAborted:
            return number + 1
    return len(rows)


MACHINE_FAULTS = [
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA driver version is insufficient for CUDA runtime version"),
    OSError("libcudart.so.12: cannot open shared object file: No such file or directory"),
    OSError(errno.ENOSPC, "No space left on device"),
    ModuleNotFoundError("No module named 'x'"),
]


@pytest.mark.parametrize("error", MACHINE_FAULTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("stage", ["split", "segment"])
def test_a_fault_of_the_machine_stops_the_run_after_ten(stage: str, error: Exception) -> None:
    rows = [row(stage, error, i) for i in range(50)]
    assert lasts(Breaker(), rows) == 10
    message = f"10 of 10 clips failed in {stage}: {type(error).__name__} "
    with pytest.raises(RunAborted, match=message):
        watch_all(Breaker(), rows)


def test_also_where_it_begins_in_the_middle_of_a_run() -> None:
    """CUDA gone after 30 good clips: it stops once four of five failed so."""
    good = [row("segment", None, i) for i in range(30)]
    gone = [row("segment", MACHINE_FAULTS[0], i) for i in range(300)]
    assert lasts(Breaker(), good + gone) == 30 + 120


def test_any_number_of_broken_videos_is_the_data() -> None:
    """First in order, by one cause or many, and not one good video among them."""
    broken = [VideoError("x.mp4: must be a video"), ValueError("bad"), MemoryError("64 GB")]
    for error in broken:
        assert lasts(Breaker(), [row("split", error, i) for i in range(1000)]) == 1000


def test_ten_odd_clips_first_in_order_are_the_data() -> None:
    """Each fails alike in a stage that would take the others."""
    odd = [row("measure_motion", ValueError(f"{i} frames in a window"), i) for i in range(99)]
    good = [row("measure_motion", None, i) for i in range(100)]
    again = [row("measure_motion", ValueError(f"{i} frames in a window"), i) for i in range(500)]
    assert lasts(Breaker(), odd + good + again) == len(odd + good + again)


def test_a_stage_that_lets_nothing_through_stops_the_run_in_the_end() -> None:
    alike = [row("segment", BackendError(f"clip {i:016x}: diverged"), i) for i in range(500)]
    assert lasts(Breaker(), alike) == 100
    words = ["a", "b", "c"]
    unlike = [row("segment", BackendError(words[i % 3]), i) for i in range(500)]
    assert lasts(Breaker(), unlike) == 500


def test_the_user_may_let_it_go_on() -> None:
    config = BreakerConfig(after_machine_faults=0, after_equal_failures=0)
    rows = [row("segment", error, i) for i in range(200) for error in MACHINE_FAULTS[:1]]
    assert lasts(Breaker(config), rows) == 200
    with pytest.raises(RunAborted, match=r"--set breaker.after_machine_faults=0"):
        watch_all(Breaker(), rows)
    with pytest.raises(ConfigError, match="must be 0 or more"):
        BreakerConfig(after_equal_failures=-1)


def test_what_is_of_the_machine() -> None:
    assert all(map(is_of_machine, MACHINE_FAULTS))
    wrapped = BackendError("the segmenter failed")
    wrapped.__cause__ = MACHINE_FAULTS[0]
    assert is_of_machine(wrapped)
    assert not is_of_machine(VideoError("CUDA driver tutorial.mp4: must be a video"))
    assert not is_of_machine(RuntimeError("CUDA error: out of memory"))  # the next clip may fit
    assert not is_of_machine(PermissionError(errno.EACCES, "Permission denied"))


def test_rows_without_failures_are_counted_only() -> None:
    rejected = replace(row("segment", None), status="rejected")
    assert lasts(Breaker(), [rejected] * 50) == 50
