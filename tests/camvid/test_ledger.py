"""The ledger keeps reasons as numbers, and reads the parts and records that kept them as text."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from camvid.books.ledger import SCHEMA, LedgerWriter, read_ledger
from camvid.outcome import Reason
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.reasons import Why
from camvid.store import ClipStore, StageRecord

MISSED = Reason(Why.MIN_FPS, 1.0, 2.0)
PLAIN = {"name": "min_fps", "measured": 1.0, "limit": 2.0}


def record(reason: Reason) -> StageRecord:
    return StageRecord(
        clip_id="a",
        stage="split",
        version=1,
        artifact="Clip",
        fingerprint="f",
        status="rejected" if reason else "ok",
        reason=reason,
        measured={"fps": 1.0},
    )


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(str(tmp_path))


def written(store: ClipStore) -> list[object]:
    LedgerWriter(store, part_s=0).append([record(MISSED), record(Reason())])
    return read_ledger(store)["reason"].to_pylist()


def test_reasons_are_numbers(store: ClipStore) -> None:
    assert written(store) == [PLAIN, None]


def test_parts_that_kept_reasons_as_text_are_read_with_the_others(store: ClipStore) -> None:
    written(store)
    part = table_from_bytes(store.read_bytes("ledger/part-00000.parquet"))
    texts = pa.array([str(MISSED), ""])
    older = part.set_column(SCHEMA.get_field_index("reason"), "reason", texts)
    store.write_bytes("ledger/part-00001.parquet", table_to_bytes(older))
    table = read_ledger(store)
    assert table["reason"].to_pylist() == [PLAIN, None] * 2
    assert table["measured"].to_pylist() == [[("fps", 1.0)]] * 4


def test_records_that_kept_reasons_as_text_are_read(store: ClipStore) -> None:
    store.save_record(record(MISSED))
    name = "clips/a/a/split.record.json"
    older = json.loads(store.read_bytes(name)) | {"reason": str(MISSED)}
    store.write_bytes(name, json.dumps(older).encode())
    assert store.load_record("a", "split") == record(MISSED)
