"""New verdicts from the index alone: the same that the filter stage gives, under any policy."""

from dataclasses import replace
from pathlib import Path

import pytest

from camvid.artifacts import Clip
from camvid.errors import StoreError
from camvid.index import decide_row, read_index, verdict_row, with_verdict, write_index
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Measures, Policy, decide
from tests.camvid.test_verdict import GOOD

ROW = ClipRow(clip_id="c" * 16, video_uri="a.mp4")
POLICIES = (Policy(), Policy(min_motion_strength=0.018), Policy(max_motion_background=0.01))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "measures",
    [
        GOOD,
        replace(GOOD, motion_background=0.0081),
        replace(GOOD, motion_interval_low=0.0, motion_interval_high=0.04),
        replace(GOOD, motion_strength=0.0, unmeasured_fraction=0.02),
        replace(GOOD, motion_strength=0.0),
        replace(GOOD, camera="fixed", motion_background=float("nan")),
    ],
)
def test_the_index_alone_decides_the_same(
    measures: Measures, policy: Policy, clip: Clip, tmp_path: Path
) -> None:
    store = ClipStore(str(tmp_path))
    row = verdict_row(ROW, clip, decide(measures, Policy()), None)
    write_index(store, [row])
    (read,) = read_index(store)
    expected = decide(measures, policy)
    found = decide_row(read, policy)
    assert found is not None
    assert (found.kind, found.reasons) == (expected.kind, expected.reasons)
    assert found.measured == pytest.approx(expected.measured, nan_ok=True)
    again = with_verdict(read, found)
    assert again["motion_probability"] == pytest.approx(
        expected.measured["motion_probability"], nan_ok=True
    )


def test_an_index_of_an_older_version_is_told(clip: Clip) -> None:
    row = verdict_row(ROW, clip, decide(GOOD, Policy()), None)
    del row["unmeasured_fraction"]
    with pytest.raises(StoreError, match=r"columns unmeasured_fraction.*`camvid curate` again"):
        decide_row(row, Policy())
