"""Books in numbered parts: merged, read whole, nothing lost to a kill or to a damaged part."""

from pathlib import Path

import pyarrow as pa
import pytest

from camvid.books import parts
from camvid.books.parts import Parts, last_of_each
from camvid.store import ClipStore

SCHEMA = pa.schema([("clip_id", pa.string()), ("stage", pa.string()), ("number", pa.int64())])


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ClipStore:
    root = tmp_path / "run" if request.param == "local" else f"memory://{tmp_path.name}/run"
    return ClipStore(str(root))


def book(store: ClipStore) -> Parts:
    return Parts(store, "book", SCHEMA, ("clip_id", "stage"))


def lines(*numbers: int, stage: str = "split") -> pa.Table:
    rows = [{"clip_id": f"c{n % 10}", "stage": stage, "number": n} for n in numbers]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def numbers(store: ClipStore) -> list[int]:
    return book(store).read()["number"].to_pylist()


def test_parts_are_read_in_their_order(store: ClipStore) -> None:
    first = book(store)
    first.append(lines(1, 2))
    first.append(lines(3))
    book(store).append(lines(4))  # a second run goes on with the numbers
    assert store.list_names("book") == [f"part-0000{n}.parquet" for n in range(3)]
    assert numbers(store) == [1, 2, 3, 4]
    coded = book(store).read(["stage"], coded=["stage"])
    assert coded["stage"].combine_chunks().dictionary.to_pylist() == ["split"]


def test_merging_keeps_the_last_line_of_a_key(store: ClipStore) -> None:
    writer = book(store)
    for number in (1, 2, 11, 3):
        writer.append(lines(number))
    writer.append(lines(12, stage="segment"))
    assert book(store).compact() == []
    assert store.list_names("book") == ["part-00004.parquet"]
    assert numbers(store) == [2, 11, 3, 12]
    book(store).append(lines(4))
    assert numbers(store) == [2, 11, 3, 12, 4]


def test_a_long_run_merges_what_it_wrote(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_MERGE_AT", 4)
    writer = book(store)
    for number in range(10):
        writer.append(lines(number))
    assert numbers(store) == list(range(10))
    assert len(store.list_names("book")) == 4


def test_killed_while_merging_no_line_is_lost(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = book(store)
    for number in range(3):
        writer.append(lines(number))

    def killed(store: ClipStore, name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ClipStore, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            book(store).compact()
    assert set(numbers(store)) == {0, 1, 2}
    book(store).compact()
    assert sorted(numbers(store)) == [0, 1, 2], "each once"


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", b"{}"])
def test_a_damaged_part_is_named_and_the_others_are_kept(store: ClipStore, damage: bytes) -> None:
    writer = book(store)
    for number in range(3):
        writer.append(lines(number))
    store.write_bytes("book/part-00001.parquet", damage)
    store.write_bytes("book/mine.parquet", b"mine")
    assert numbers(store) == [0, 2]
    assert book(store).compact() == ["book/part-00001.parquet"]
    assert numbers(store) == [0, 2]
    assert store.read_bytes("book/mine.parquet") == b"mine"


def test_large_parts_are_left_alone(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = book(store)
    for number in range(3):
        writer.append(lines(number))
    monkeypatch.setattr(parts, "_LARGE_BYTES", 1)
    store.write_bytes("book/part-00001.parquet", b"damaged")
    assert book(store).compact() == ["book/part-00001.parquet"]
    assert len(store.list_names("book")) == 3


def test_last_of_each_sees_nulls_and_codes() -> None:
    table = pa.table({"a": ["x", None, "x", None, "y"], "b": ["1", "1", "1", "2", "1"]})
    coded = table.set_column(0, "a", table["a"].dictionary_encode())
    for each in (table, coded):
        assert last_of_each(each, ["a", "b"]).to_pylist() == [False, True, True, True, True]
