"""Distributions over a run's clips, and the pictures of them that its card shows."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from camvid.books.clip_table import ClipTable
from camvid.camerawork.moves import CameraMove
from camvid.record import ClipRecord, Measures
from camvid.report.card_plots import card_plots
from camvid.report.statistics import run_statistics
from workflows.cli.stats import statistics_text

MOVING = ClipRecord(
    clip_id="a",
    status="ok",
    kind="4d",
    start_s=1.0,
    end_s=3.0,
    num_frames=48,
    camera_moves=(CameraMove.DOLLY_IN, CameraMove.HANDHELD),
    measures=Measures(camera="moving", motion_strength=0.02, depth_range=4.0),
)
ROWS = [
    MOVING,
    replace(
        MOVING, clip_id="b", end_s=5.0, measures=Measures(camera="moving", motion_strength=0.04)
    ),
    replace(MOVING, clip_id="c", kind="3d", camera_moves=(CameraMove.DOLLY_IN,)),
    replace(MOVING, clip_id="d", status="rejected", kind="none", stopped_at="filter"),
    ClipRecord(video_id="v", status="failed", stopped_at="split"),
]


def test_what_is_kept_is_counted() -> None:
    found = run_statistics(ROWS)
    assert found.kinds == {"3d": 1, "4d": 2, "failed": 1, "none": 1}
    assert found.seconds["4d"] == 6.0
    assert (found.frames, found.cameras) == (144, {"moving": 3})
    assert found.camera_moves == {"dolly_in": 3, "handheld": 2}
    assert found.duration_s.percentiles[50] == 2.0
    strengths = found.measures["motion_strength"]["4d"]
    assert (strengths.clips, strengths.percentiles[50]) == (2, pytest.approx(0.03))
    assert found.measures["depth_range"]["4d"].clips == 1, "what was not measured is left out"


def test_the_tables_show_strengths_x100() -> None:
    lines = statistics_text(run_statistics(ROWS)).splitlines()
    (row,) = (line.split() for line in lines if line.startswith("motion") and " 4d " in line)
    assert row[-5:] == ["2.10", "2.50", "3.00", "3.50", "3.90"]


def test_an_empty_run() -> None:
    found = run_statistics([])
    assert (found.kinds, found.frames, found.camera_moves) == ({}, 0, {})
    assert "p50" in statistics_text(found)
    assert card_plots(found, ClipTable.of([])) == {}


def test_pictures_are_svg_with_every_count() -> None:
    plots = card_plots(run_statistics(ROWS), ClipTable.of(ROWS))
    assert set(plots) == {
        f"{n}.svg" for n in ("kinds", "camera_moves", "motion_strength", "duration")
    }
    texts = [node.text for node in ET.fromstring(plots["camera_moves.svg"]).iter() if node.text]
    assert [t for t in texts if t in ("dolly in", "handheld", "3", "2")] == [
        *("dolly in", "3"),
        *("handheld", "2"),
    ]
