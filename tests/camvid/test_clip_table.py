"""Rows of the index as columns say the same as the records that they stand for."""

import csv
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid.books.clip_table import ClipTable
from camvid.columns import to_row
from camvid.outcome import Reason
from camvid.record import ClipRecord, Measures
from camvid.report.clips_csv import write_clips_csv
from camvid.report.selection import choose


def record(number: int, **more: Any) -> ClipRecord:
    known: dict[str, Any] = {
        "clip_id": f"{number * 7919 % 9973:04d}",
        "source_uri": f"{number}.mp4",
        "status": "ok",
        "kind": "4d",
    }
    return ClipRecord(**(known | more))


MIXED = [
    record(0, measures=Measures(motion_background=0.5)),
    record(1, kind="3d", reasons=(Reason("min_motion_strength", 0.001, 0.003), Reason("b"))),
    record(2, status="rejected", kind="none", reasons=(Reason("camera_fixed"),)),
    record(3, status="failed", kind="", cause="BackendError", error="x"),
    record(4, kind="video", clip_id=""),
]


def test_columns_say_what_the_records_say() -> None:
    table = ClipTable.of(MIXED)
    assert ClipTable.of(table) is table
    assert [to_row(r) for r in table] == [to_row(r) for r in MIXED]
    assert to_row(table[-1]) == to_row(MIXED[-1])
    assert table.outcome.to_pylist() == [r.outcome for r in MIXED]
    noise = table.numbers("motion_background")
    assert noise[0] == 0.5
    assert math.isnan(noise[1])


@pytest.mark.parametrize("part", [slice(0, 5), slice(1, 4), slice(2, 5), slice(4, 4)])
def test_the_first_reason_is_found_in_any_slice(part: slice) -> None:
    expected = [r.reasons[0].name if r.reasons else None for r in MIXED[part]]
    table = ClipTable.of(MIXED)
    assert table[part].first_reason.to_pylist() == expected
    sliced = ClipTable(table.table.slice(part.start, part.stop - part.start))
    assert sliced.first_reason.to_pylist() == expected


def test_the_csv_has_every_row_and_runs_nothing(tmp_path: Path) -> None:
    rows = [*MIXED, record(5, source_uri="=cmd|'/c calc'!A0,\"x\".mp4")]
    write_clips_csv(str(tmp_path / "clips.csv"), ClipTable.of(rows))
    with open(tmp_path / "clips.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["clip_id"] for row in read] == [row.clip_id for row in rows]
    assert read[1]["reasons"] == "min_motion_strength; b"
    assert read[5]["source_uri"] == "'" + rows[5].source_uri
    write_clips_csv(str(tmp_path / "part.csv"), ClipTable(ClipTable.of(rows).table.slice(1, 1)))
    assert "min_motion_strength; b" in (tmp_path / "part.csv").read_text()


def test_a_short_table_is_listed_whole() -> None:
    assert choose(ClipTable.of(MIXED), 5).tolist() == [0, 1, 2, 3, 4]
    assert choose(ClipTable.of([]), 5).tolist() == []


def test_of_many_rows_each_kind_and_the_noisiest_are_listed() -> None:
    random = np.random.default_rng(0)
    rows = [
        record(n, measures=Measures(motion_background=float(noise)))
        for n, noise in enumerate(random.random(1000))
    ]
    rare = record(2000, status="rejected", kind="none", reasons=(Reason("camera_zooming"),))
    failed = record(2001, status="failed", kind="", cause="BackendError")
    table = ClipTable.of([*rows[:500], rare, *rows[500:], failed])
    chosen = choose(table, 100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == sorted(chosen.tolist())
    outcomes = Counter(table[n].outcome for n in chosen.tolist())
    assert outcomes == {"4d": 98, "none": 1, "failed": 1}
    noise = table.numbers("motion_background")
    assert set(np.argsort(-np.nan_to_num(noise))[:20]) <= set(chosen.tolist())
    assert choose(table, 100).tolist() == chosen.tolist()
