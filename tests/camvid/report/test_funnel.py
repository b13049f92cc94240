"""The funnel: every row is counted once, and the numbers add up."""

import math
from typing import Any

import pytest

from camvid.outcome import Reason
from camvid.pipeline import STAGES
from camvid.record import ClipRecord
from camvid.report.funnel import Funnel, funnel_from_index


def row(clip_id: str, status: Any, kind: Any = "", *reasons: str, **more: Any) -> ClipRecord:
    known = {"video_id": "v", "end_s": 2.0 if clip_id else math.nan} | more
    return ClipRecord(
        clip_id=clip_id,
        status=status,
        kind=kind,
        reasons=tuple(map(Reason, reasons)),
        start_s=0.0,
        **known,
    )


ROWS = [
    row("a", "ok", "4d"),
    row("b", "ok", "4d"),
    row("c", "ok", "3d", "min_motion_strength"),
    row("d", "ok", "video", "camera_fixed"),
    row("e", "rejected", "none", "camera_fixed", "min_motion_strength", stopped_at="filter"),
    row("f", "rejected", "none", "max_inset_fraction", stopped_at="segment"),
    row("g", "failed", error="diverged", cause="BackendError", stopped_at="reconstruct"),
    row("h", "failed", error="ValueError: 3 GB", stopped_at="import_tracks"),
    row("", "rejected", "none", "min_clip_s", video_id="w"),
    row("", "failed", error="/data/x.mp4: no frames", cause="VideoError", video_id="x"),
]


@pytest.fixture
def funnel() -> Funnel:
    return funnel_from_index(ROWS)


def test_entered_is_the_sum_of_the_outcomes(funnel: Funnel) -> None:
    assert funnel.entered == len(ROWS) == sum(funnel.counts.values())
    assert funnel.counts == {"4d": 2, "3d": 1, "video": 1, "none": 3, "failed": 3}
    assert (funnel.num_videos, funnel.num_clips) == (3, 8)
    assert funnel.duration_s["4d"] == 4.0


def test_each_stage_takes_in_what_the_one_before_let_out(funnel: Funnel) -> None:
    entered = funnel.entered
    for stage in funnel.stages:
        assert stage.entered == entered
        assert stage.entered == stage.ok + stage.num_rejected + stage.num_failed
        entered = stage.ok
    assert entered == funnel.counts["4d"] + funnel.counts["3d"] + funnel.counts["video"]


def test_rows_are_counted_where_they_stopped_by_their_first_reason(funnel: Funnel) -> None:
    stages = {stage.name: stage for stage in funnel.stages}
    assert stages["split"].rejected == {"min_clip_s": 1}
    assert stages["split"].failed == {"VideoError": 1}
    assert stages["segment"].rejected == {"max_inset_fraction": 1}
    assert stages["reconstruct"].failed == {"BackendError": 1}
    assert stages["filter"].rejected == {"camera_fixed": 1}
    assert stages["import_tracks"].failed == {"cause not named": 1}, (
        "no cause is guessed from the text"
    )
    assert funnel.why_not_4d == {"3d": {"min_motion_strength": 1}, "video": {"camera_fixed": 1}}


def test_the_text_adds_up(funnel: Funnel) -> None:
    lines = funnel.render_text().splitlines()
    total, _, parts = lines[-1].partition(" entered = ")
    counts = [int(part.split()[0]) for part in parts.split(" + ")]
    assert int(total) == sum(counts) == len(ROWS)
    split = next(line for line in lines if line.startswith("split"))
    assert split.split()[1:5] == ["10", "8", "1", "1"]


def test_an_empty_run_has_a_funnel_of_zeros() -> None:
    funnel = funnel_from_index([])
    assert funnel.entered == 0
    assert funnel.render_text().endswith("0 entered = 0 4d + 0 3d + 0 video + 0 none + 0 failed")


@pytest.mark.parametrize(("status", "kind"), [("ok", "none"), ("rejected", "4d"), ("", "4d")])
def test_a_status_that_contradicts_the_kind_is_refused(status: str, kind: str) -> None:
    with pytest.raises(ValueError, match="status must be ok with kind"):
        row("a", status, kind)


def test_every_stage_of_the_pipeline_has_its_line() -> None:
    assert [stage.name for stage in funnel_from_index([]).stages] == list(STAGES)


def test_a_video_that_broke_off_counts_once() -> None:
    whole = row("a", "ok", "3d", source_uri="x.mp4")
    rest = row("", "failed", cause="VideoError", source_uri="x.mp4", video_id="")
    assert funnel_from_index([whole, rest]).num_videos == 1


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="must sum to entered"):
        Funnel(
            entered=2,
            num_videos=1,
            num_clips=1,
            stages=(),
            counts={"4d": 1, "3d": 0, "video": 0, "none": 0, "failed": 0},
            duration_s={},
            why_not_4d={},
        )
