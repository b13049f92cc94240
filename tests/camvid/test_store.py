"""The store: atomic, resumable, clear about damage; on local disk and on any fsspec filesystem."""

import os
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import Clip, Frames, ObjectMasks
from camvid.errors import BackendUnavailable, ConfigError, StoreError
from camvid.outcome import Reason
from camvid.report.encode import encode_jpeg
from camvid.store import ClipStore, StageRecord


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ClipStore:
    root = tmp_path / "run" if request.param == "local" else f"memory://{tmp_path.name}/run"
    return ClipStore(str(root))


def test_artifacts_and_frames(store: ClipStore, clip: Clip, masks: ObjectMasks) -> None:
    rng = np.random.default_rng(0)
    jpegs = [encode_jpeg(rng.integers(0, 255, (24, 32, 3), np.uint8)) for _ in range(6)]
    store.save(clip.clip_id, masks)
    store.save_frames(clip, jpegs)
    assert store.load(clip.clip_id, ObjectMasks).objects == masks.objects
    assert store.load_jpegs(clip.clip_id) == jpegs
    assert store.load(clip.clip_id, Frames).rgb.shape == (6, 24, 32, 3)
    assert list(store.clip_ids()) == [clip.clip_id]
    assert not store.has(clip.clip_id, Clip)


def test_damage_is_named(store: ClipStore, clip: Clip, masks: ObjectMasks) -> None:
    with pytest.raises(StoreError, match="must be readable"):
        store.load(clip.clip_id, ObjectMasks)
    store.save(clip.clip_id, masks)
    name = store.artifact_name(clip.clip_id, ObjectMasks)
    store.write_bytes(name, store.read_bytes(name)[:-40])
    with pytest.raises(StoreError, match=r"object_masks.npz must hold a ObjectMasks, but is dam"):
        store.load(clip.clip_id, ObjectMasks)
    store.write_bytes(store.artifact_name(clip.clip_id, Frames), b"no parquet")
    with pytest.raises(StoreError, match=r"frames.parquet"):
        store.load(clip.clip_id, Frames)


def test_what_neighbouring_stages_want_is_not_read_again(
    store: ClipStore, clip: Clip, masks: ObjectMasks
) -> None:
    stored = store.save(clip.clip_id, masks)
    store.write_bytes(store.artifact_name(clip.clip_id, ObjectMasks), b"whatever lies there")
    assert store.load(clip.clip_id, ObjectMasks, stored).objects == masks.objects
    store.save("another", masks)
    with pytest.raises(StoreError, match="it is not what was written"):
        store.load(clip.clip_id, ObjectMasks, stored)


def test_records(store: ClipStore, clip: Clip) -> None:
    record = StageRecord(
        clip_id=clip.clip_id,
        stage="segment",
        version=1,
        artifact="ObjectMasks",
        fingerprint="f",
        status="rejected",
        reason=Reason("min_x", 1.0, 2.0),
        measured={"x": 1.0},
    )
    assert store.load_record(clip.clip_id, "segment") is None
    store.save_record(record)
    assert store.load_record(clip.clip_id, "segment") == record
    name = store.record_name(clip.clip_id, "segment")
    whole = store.read_bytes(name)
    store.write_bytes(name, b"{half")
    assert store.load_record(clip.clip_id, "segment") is None
    for said, changed in {"segment": "track", "ObjectMasks": "", clip.clip_id: "b"}.items():
        store.write_bytes(name, whole.replace(f'"{said}"'.encode(), f'"{changed}"'.encode()))
        assert store.load_record(clip.clip_id, "segment") is None, "it tells of something else"
    store.remove_record(clip.clip_id, "segment")
    store.remove_record(clip.clip_id, "segment")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ClipStore(str(tmp_path))
    store.write_bytes("a.txt", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StoreError, match="No space left"):
        store.write_bytes("a.txt", b"new")
    assert store.read_bytes("a.txt") == b"old"


@pytest.mark.parametrize(
    ("root", "kind", "message"),
    [
        ("nowhere://bucket/run", ConfigError, "nowhere://bucket/run must be a folder: .*nowhere"),
        ("dropbox://me:pw@box/run", BackendUnavailable, "^dropbox://box/run needs a package"),
    ],
)
def test_a_filesystem_that_is_not_there_is_one_line(
    root: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        ClipStore(root)
