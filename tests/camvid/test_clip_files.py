"""A clip's files in one archive: found as before, whenever packing was killed, and when damaged."""

import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from camvid.artifacts import Clip, DepthMaps, ObjectMasks, Verdict
from camvid.clip_files import ARCHIVE, FILE_NAMES
from camvid.errors import DamagedArtifact
from camvid.store import ClipStore, StageRecord

ID = "c" * 16
FOLDER = ClipStore.clip_folder(ID)
KINDS = (Clip, DepthMaps, ObjectMasks, Verdict)
LARGE = random.Random(0).randbytes(200_000)  # more than is read of an archive with its directory


def record(stage: str, error: str = "") -> StageRecord:
    known = {"artifact": "ObjectMasks", "fingerprint": "f", "error": error}
    return StageRecord(clip_id=ID, stage=stage, version=1, status="ok", **known)


def fill(store: ClipStore, text: str = "first") -> dict[str, bytes]:
    """Files of a clip as its stages leave them; what each name holds."""
    files = {store.artifact_name(ID, kind): f"{text} {kind.__name__}".encode() for kind in KINDS}
    files[store.artifact_name(ID, DepthMaps)] = LARGE + text.encode()
    for name, data in files.items():
        store.write_bytes(name, data)
    store.save_record(record("segment", text))
    name = store.record_name(ID, "segment")
    return {**files, name: store.read_bytes(name)}


def found(store: ClipStore, names: dict[str, bytes]) -> dict[str, bytes | None]:
    """What each name holds, for one who looks each up and for one who looks once."""
    held = ClipStore(store.root).of_clip(ID)
    seen = {name: held.read_bytes(name) if held.exists(name) else None for name in names}
    fresh = ClipStore(store.root)
    assert seen == {n: fresh.read_bytes(n) if fresh.exists(n) else None for n in names}
    return seen


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ClipStore:
    root = tmp_path / "run" if request.param == "local" else f"memory://{tmp_path.name}/run"
    return ClipStore(str(root))


@pytest.fixture
def packed(tmp_path: Path) -> tuple[ClipStore, dict[str, bytes]]:
    store = ClipStore(str(tmp_path / "run"))
    files = fill(store)
    store.pack(ID)
    return store, files


def test_names_hold_what_they_held(store: ClipStore) -> None:
    files = fill(store)
    store.write_bytes(f"{FOLDER}/notes.txt", b"mine")
    sizes = {name: store.size_bytes(name) for name in files}
    store.pack(ID)
    assert store.list_names(FOLDER) == [ARCHIVE, "notes.txt"]
    assert found(store, files) == files
    assert {name: store.size_bytes(name) for name in files} == sizes
    assert store.load_record(ID, "segment") == record("segment", "first")
    assert store.load_record(ID, "track") is None
    assert list(store.clip_ids()) == [ID]
    size = store.size_bytes(f"{FOLDER}/{ARCHIVE}")
    assert list(store.clip_sizes()) == [(ID, size)] == [(ID, store.clip_size(ID))]
    with store.open_local(f"{FOLDER}/{ARCHIVE}") as path, zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None, "anybody's unzip opens it"
        assert {f"{FOLDER}/{name}" for name in archive.namelist()} == files.keys()


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    archives: list[bytes] = []
    for root, text in (("a", ()), ("b", ("first", "second"))):
        store = ClipStore(str(tmp_path / root))
        for each in (*text, "last"):
            fill(store, each)
            store.pack(ID)
        archives.append(store.read_bytes(f"{FOLDER}/{ARCHIVE}"))
    assert archives[0] == archives[1]


def test_a_newer_file_beside_the_archive_counts(store: ClipStore) -> None:
    files = fill(store)
    store.pack(ID)
    name = store.artifact_name(ID, Verdict)
    store.write_bytes(name, b"newer verdict")
    packed = store.size_bytes(f"{FOLDER}/{ARCHIVE}")
    assert list(store.clip_sizes()) == [(ID, packed + 13)] == [(ID, store.clip_size(ID))]
    for _ in range(2):
        assert found(store, files) == files | {name: b"newer verdict"}
        store.pack(ID)
    assert store.list_names(FOLDER) == [ARCHIVE]


def test_what_is_taken_away_does_not_come_back(store: ClipStore) -> None:
    files = fill(store)
    store.pack(ID)
    store.save_record(record("segment", "begun"))
    store.remove_record(ID, "segment")
    assert store.load_record(ID, "segment") is None
    assert store.list_names(FOLDER) == [ARCHIVE], "in one file still"
    store.remove_of_clip(ID, [FILE_NAMES[DepthMaps]])
    gone = [store.record_name(ID, "segment"), store.artifact_name(ID, DepthMaps)]
    assert found(store, files) == files | dict.fromkeys(gone)
    store.remove_of_clip(ID, list(FILE_NAMES.values()))
    assert store.list_names(FOLDER) == []


def test_who_looked_before_it_was_packed_finds_it(store: ClipStore) -> None:
    """Two names of one video give one clip, at which two workers may be."""
    files = fill(store)
    early, late = store.of_clip(ID), store.of_clip(ID)
    for name in files:
        assert early.exists(name)
    store.pack(ID)
    assert {name: early.read_bytes(name) for name in files} == files
    for name in files:
        assert late.exists(name)
    store.write_bytes(store.artifact_name(ID, DepthMaps), LARGE * 2)
    store.pack(ID)
    files[store.artifact_name(ID, DepthMaps)] = LARGE * 2
    assert {name: late.read_bytes(name) for name in files if "depth" in name} == {
        name: data for name, data in files.items() if "depth" in name
    }


class Killed(BaseException):
    """Stands for the process's end."""


def kill_at(step: int, patch: pytest.MonkeyPatch) -> None:
    """At this step, counted from 0, of those that change a file's place."""
    steps = iter(range(1000))

    def counted(call: Callable[..., None]) -> Callable[..., None]:
        def stepped(*args: object) -> None:
            if next(steps) == step:
                raise Killed
            call(*args)

        return stepped

    for name in ("replace", "remove"):
        patch.setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("before", [(), ("old",)], ids=["first", "again"])
def test_packing_may_be_killed_at_any_step(before: tuple[str, ...], tmp_path: Path) -> None:
    num_kills = 0
    for step in range(100):
        store = ClipStore(str(tmp_path / str(step)))
        for text in before:
            fill(store, text)
            store.pack(ID)
        files = fill(store, "new")
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, patch)
            try:
                store.pack(ID)
            except Killed:
                num_kills += 1
        assert found(store, files) == files
        if num_kills == step:
            break
        store.pack(ID)
        assert found(store, files) == files
        assert store.list_names(FOLDER) == [ARCHIVE]
    assert num_kills == 1 + len(files), "the archive's place, and each file"


def test_taking_away_may_be_killed_at_any_step(tmp_path: Path) -> None:
    """An artifact that is taken away holds what it held, or nothing."""
    for step in range(3):
        store = ClipStore(str(tmp_path / str(step)))
        files = fill(store, "new")
        store.pack(ID)
        name = store.artifact_name(ID, Verdict)
        store.write_bytes(name, b"damaged")
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, patch)
            try:
                store.remove(name)
            except Killed:
                assert step < 2
        held = b"damaged" if step < 2 else None
        assert found(store, files) == files | {name: held}, "never what it had replaced"


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign", "missing"])
def test_an_archive_that_cannot_be_read_holds_nothing(
    damage: str, packed: tuple[ClipStore, dict[str, bytes]]
) -> None:
    store, files = packed
    path = Path(store.full_path(f"{FOLDER}/{ARCHIVE}"))
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-9], "empty": b"", "text": b"[]" * 99}.get(damage, b""))
    if damage == "foreign":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../mine", "mine")
    if damage == "missing":
        path.unlink()
    assert found(store, files) == dict.fromkeys(files)
    assert store.load_record(ID, "segment") is None
    store.remove(store.artifact_name(ID, Clip))
    files = fill(store, "anew")
    store.pack(ID)
    assert found(store, files) == files


def test_a_byte_of_an_archive_is_damage_of_one_file(
    packed: tuple[ClipStore, dict[str, bytes]],
) -> None:
    store, files = packed
    path = Path(store.full_path(f"{FOLDER}/{ARCHIVE}"))
    data = bytearray(path.read_bytes())
    for within in (LARGE, b'"segment"', b"first Verdict"):
        data[data.index(within) + 1] ^= 1
    path.write_bytes(data)
    for kind in (DepthMaps, Verdict):
        with pytest.raises(DamagedArtifact, match=r"must be as it was written") as caught:
            store.read_artifact(ID, kind)
        assert caught.value.name == store.artifact_name(ID, kind)
    assert store.load_record(ID, "segment") is None, "its stage runs again"
    store.remove(store.artifact_name(ID, DepthMaps))
    kept = (store.artifact_name(ID, kind) for kind in (Clip, ObjectMasks))
    assert found(store, files) == dict.fromkeys(files) | {name: files[name] for name in kept}


def test_no_damage_is_worse_than_that(packed: tuple[ClipStore, dict[str, bytes]]) -> None:
    """Any bytes of the directory: each name holds what it held, is damaged, or is not there."""
    store, files = packed
    path = Path(store.full_path(f"{FOLDER}/{ARCHIVE}"))
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(len(data) - 600, len(data))] = chance.randrange(256)
        path.write_bytes(data)
        held = store.of_clip(ID)
        for name, expected in files.items():
            try:
                seen = held.read_bytes(name) if held.exists(name) else None
            except DamagedArtifact:
                seen = None
            assert seen in (expected, None)
