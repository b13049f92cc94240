"""New verdicts from the index alone: the same that the filter stage gives, under any policy."""

import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from camvid.artifacts import Clip
from camvid.books.clip_table import SCHEMA
from camvid.books.index import (
    INDEX,
    read_index,
    stopped_record,
    verdict_record,
    write_index,
)
from camvid.columns import to_row
from camvid.errors import StoreError
from camvid.outcome import Reason
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.record import ClipRecord, Measures
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Policy, decide, needed_columns
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
    record = verdict_record(ROW, clip, decide(measures, Policy()))
    write_index(store, [record])
    (read,) = read_index(store)
    assert to_row(read) == to_row(record)
    expected = decide(measures, policy)
    found = decide(read.measures, policy, read.camera_reasons, read.motion_reasons)
    assert (found.kind, found.reasons) == (expected.kind, expected.reasons)
    assert found.measured == pytest.approx(expected.measured, nan_ok=True)


def write_older(store: ClipStore, record: ClipRecord, *, without: str = "") -> None:
    """The index as versions up to 1.4 wrote it: no version, reasons as text."""
    row = to_row(record)
    for name in ("reasons", "camera_reasons", "motion_reasons"):
        row[name] = [str(reason) for reason in getattr(record, name)]
    row.pop(without, None)
    store.write_bytes(INDEX, table_to_bytes(pa.Table.from_pylist([row])))


def test_an_index_of_an_older_version_is_read(clip: Clip, tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    still = replace(GOOD, motion_strength=0.0002, motion_interval_low=0.0, motion_background=0.004)
    upstream = (Reason("min_focal_share", 0.02, 0.3), Reason("camera_fixed"))
    record = verdict_record(ROW, clip, decide(still, Policy(), upstream))
    assert len(record.reasons) > 3
    write_older(store, record)
    (read,) = read_index(store, needed_columns())
    assert [str(reason) for reason in read.reasons] == [str(reason) for reason in record.reasons]
    assert read.measures == record.measures


def test_what_an_older_version_did_not_measure_is_reported(clip: Clip, tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    record = verdict_record(ROW, clip, decide(GOOD, Policy()))
    write_older(store, record, without="unmeasured_fraction")
    with pytest.raises(StoreError, match=r"columns unmeasured_fraction.*`camvid curate` again"):
        read_index(store, needed_columns())
    (read,) = read_index(store)
    assert math.isnan(read.measures.unmeasured_fraction)
    write_older(store, record, without="points_per_frame")
    assert read_index(store, needed_columns()), "nothing is decided by that"


def test_a_newer_or_damaged_index_is_refused(clip: Clip, tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    row = to_row(verdict_record(ROW, clip, decide(GOOD, Policy())))
    newer = SCHEMA.with_metadata({"camvid.schema_version": "3.0"})
    store.write_bytes(INDEX, table_to_bytes(pa.Table.from_pylist([row], schema=newer)))
    with pytest.raises(StoreError, match=r"schema version 3\.0"):
        read_index(store)
    row["kind"] = "none"
    store.write_bytes(INDEX, table_to_bytes(pa.Table.from_pylist([row], schema=SCHEMA)))
    with pytest.raises(StoreError, match="status must be ok with kind"):
        read_index(store)


def test_null_stands_for_what_was_not_measured(clip: Clip, tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    record = verdict_record(ROW, clip, decide(replace(GOOD, focal_px=math.nan), Policy()))
    failed = ClipRow(clip_id="", video_uri="b.mp4", status="failed", error="x", cause="VideoError")
    write_index(store, [record, stopped_record(failed, None)])
    table = table_from_bytes(store.read_bytes(INDEX)).to_pandas()
    assert table["focal_px"].isna().tolist() == [True, True]
    assert table["start_s"].tolist()[0] == 0.0
    assert table["cause"].tolist() == ["", "VideoError"]
