"""Attempts that did not come back: which of them count, and when a clip is given up."""

from dataclasses import replace

import pytest

from camvid.attempts import MAX_ATTEMPTS, UNFINISHED, Attempts, ended, given_up, is_given_up
from camvid.store import StageRecord

BLANK = StageRecord(
    clip_id="c", stage="segment", version=1, artifact="A", fingerprint="f", status="failed"
)
THIS = Attempts(run="this", stopped="stopped")


def begun(run: str, number: int) -> StageRecord:
    return Attempts(run=run).begin(BLANK, number)


def test_an_attempt_is_a_failure_until_it_has_come_back() -> None:
    record = begun("this", 1)
    assert (record.status, record.cause, record.attempts) == ("failed", UNFINISHED, 1)


@pytest.mark.parametrize(
    ("record", "attempts", "count"),
    [
        (None, THIS, 0),
        (begun("killed", 2), THIS, 2),
        (begun("stopped", 2), THIS, 1),  # dropped in order, so not the clip's fault
        (replace(begun("stopped", 2), cause="crashed"), THIS, 2),  # but this was seen
        (begun("this", 2), Attempts(run="this", retry_failed=True), 2),
        (begun("killed", 3), Attempts(run="this", retry_failed=True), 0),
        (replace(BLANK, cause="VideoError"), THIS, 0),
    ],
)
def test_which_attempts_count(record: StageRecord | None, attempts: Attempts, count: int) -> None:
    assert attempts.count(record, "f") == count
    assert attempts.count(record, "another") == 0, "new settings are a new work"


def test_the_last_attempt_says_how_to_try_again() -> None:
    first = ended(begun("a", 1), "clip c", "timeout", "must end within 2 s, but did not")
    assert (first.cause, first.error) == (
        "timeout",
        "clip c: segment must end within 2 s, but did not",
    )
    assert not is_given_up(first)
    last = ended(begun("a", MAX_ATTEMPTS), "clip c", "crashed", "ended")
    assert is_given_up(last)
    assert (
        last.error == "clip c: segment ended, 3 times; left out from now on, unless --retry-failed"
    )
    assert given_up(last, "clip c").error == last.error


def test_attempts_that_nobody_saw_end() -> None:
    """They took the machine down, or the run was killed."""
    record = given_up(begun("a", 3), "clip c")
    assert (record.cause, record.reused) == ("crashed", True)
    assert "was begun and never ended, 3 times" in record.error
