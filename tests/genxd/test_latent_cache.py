"""Latents kept beside the shards: the same batches, no decoding, never the wrong ones."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from shutil import rmtree
from threading import Semaphore
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch")

from camvid.artifacts import (  # noqa: E402
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.errors import ConfigError, StoreError  # noqa: E402
from camvid.genxd import encoding  # noqa: E402
from camvid.genxd.codec import PatchCodec, fit_on_shards  # noqa: E402
from camvid.genxd.data import sample  # noqa: E402
from camvid.genxd.data.dataset import ClipDataset  # noqa: E402
from camvid.genxd.data.latent_cache import ready_latents, write_latents  # noqa: E402
from camvid.genxd.data.latents import LatentsKey, open_latents  # noqa: E402
from camvid.genxd.data.loader import Batch, ClipLoader  # noqa: E402
from camvid.genxd.data.options import DataOptions  # noqa: E402
from camvid.genxd.data.sample import Sample  # noqa: E402
from camvid.genxd.data.shards import find_shards  # noqa: E402
from camvid.genxd.encoding import ClipFrames, FrameEncoder  # noqa: E402
from camvid.parquet import table_from_bytes  # noqa: E402
from camvid.shards.schema import shard_schema  # noqa: E402
from camvid.store import ClipStore  # noqa: E402
from tests.genxd.runs import clip_id, write_run  # noqa: E402

OPTIONS = DataOptions(num_frames=4, height_px=64, width_px=64, fit="centre_crop")


@pytest.fixture
def store(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> ClipStore:
    return write_run(tmp_path / "run", "44334vv4", (masks, reconstruction, depth, tracks, motion))


@pytest.fixture
def codec(store: ClipStore) -> PatchCodec:
    return fit_on_shards(ClipDataset(store.root, OPTIONS), num_samples=4)


def cached(store: ClipStore, codec: PatchCodec, options: DataOptions = OPTIONS) -> ClipDataset:
    index = find_shards(store.root)
    latents = open_latents(index, write_latents(index, options, codec))
    return ClipDataset(index, options, latents=latents)


def sample_of(data: ClipDataset, clip: str) -> Sample:
    rows = range(data.index.num_rows)
    return data[next(row for row in rows if data.index.place(row).clip_id == clip)]


def batches(dataset: ClipDataset, **kwargs: Any) -> list[Batch]:
    return list(islice(ClipLoader(dataset, batch_size=3, **kwargs), 6))


def files(store: ClipStore) -> dict[str, int]:
    """Files of latents and when they were written."""
    found = Path(store.full_path("shards/latents")).rglob("*.parquet*")
    return {str(path): path.stat().st_mtime_ns for path in found}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_same_batches_as_encoding_on_the_fly(
    store: ClipStore, codec: PatchCodec, num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = batches(ClipDataset(store.root, OPTIONS))
    dataset = cached(store, codec)
    monkeypatch.setattr(sample, "decode_jpeg", lambda *_: pytest.fail("a frame was decoded"))
    ours = batches(dataset, num_workers=num_workers)
    for batch, other in zip(ours, expected, strict=True):
        assert batch.rgb is None
        torch.testing.assert_close(
            batch.encoded(codec), other.encoded(codec), rtol=2**-8, atol=1e-5
        )
        for name in ("is_given", "is_dropped", "rays", "indicator", "motion_ids", "numbers"):
            assert torch.equal(getattr(batch, name), getattr(other, name))
        assert batch.clip_ids == other.clip_ids


def test_only_what_is_new_is_encoded(store: ClipStore, codec: PatchCodec) -> None:
    index, done = find_shards(store.root), []
    write_latents(index, OPTIONS, codec, on_clip=done.append)
    assert sorted(done) == [clip_id(number) for number in range(8)]
    before = files(store)
    assert len(before) == len(index.shards)
    write_latents(index, OPTIONS, codec, on_clip=done.append)
    assert len(done) == 8
    assert files(store) == before
    # Broken off in the middle: that shard again, and no other.
    broken = Path(sorted(before)[0])
    broken.write_bytes(broken.read_bytes()[:500])
    write_latents(index, OPTIONS, codec)
    after = files(store)
    assert [path for path in after if after[path] != before[path]] == [str(broken)]


def test_ranks_share_the_work(store: ClipStore, codec: PatchCodec) -> None:
    index = find_shards(store.root)
    key = write_latents(index, OPTIONS, codec, rank=0, world_size=2)
    with pytest.raises(StoreError, match=r"all 3 shards must be cached, 2 are not, first .*3d-"):
        open_latents(index, key)
    write_latents(index, OPTIONS, codec, rank=1, world_size=2)
    assert len(open_latents(index, key).file_of_shard) == 3


@pytest.mark.parametrize(
    "changed", [{"height_px": 128}, {"width_px": 128}, {"fit": "pad"}], ids=lambda c: next(iter(c))
)
def test_another_size_or_crop_is_another_cache(
    store: ClipStore, codec: PatchCodec, changed: dict[str, Any]
) -> None:
    index = find_shards(store.root)
    write_latents(index, OPTIONS, codec)
    other = replace(OPTIONS, **changed)
    with pytest.raises(StoreError, match="must be cached, 3 are not"):
        open_latents(index, LatentsKey.of(other, codec.identity()))


def test_another_codec_is_another_cache(store: ClipStore, codec: PatchCodec) -> None:
    index = find_shards(store.root)
    write_latents(index, OPTIONS, codec)
    moved = PatchCodec(mean=codec.mean + 1e-3, basis=codec.basis, std=codec.std)
    assert moved.identity() != codec.identity()
    same = PatchCodec(mean=codec.mean, basis=codec.basis, std=codec.std, fitted_on="elsewhere")
    assert same.identity() == codec.identity()
    with pytest.raises(StoreError, match="must be cached"):
        open_latents(index, LatentsKey.of(OPTIONS, moved.identity()))


@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_rewritten_shard_is_encoded_again(
    store: ClipStore, codec: PatchCodec, with_manifest: bool
) -> None:
    if not with_manifest:
        store.remove("shards/_manifest.json")
    old = sample_of(cached(store, codec), clip_id(0)).latents
    assert old is not None
    name = "shards/4d-00000.parquet"
    rows = table_from_bytes(store.read_bytes(name)).to_pylist()
    for column in ("frames", "frame_crc32"):
        rows[0][column] = rows[0][column][::-1]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=shard_schema()), store.full_path(name), row_group_size=2
    )
    if with_manifest:
        store.remove("shards/_manifest.json")
    index = find_shards(store.root)
    with pytest.raises(StoreError, match=r"1 are not, first .*4d-00000"):
        open_latents(index, LatentsKey.of(OPTIONS, codec.identity()))
    new = sample_of(cached(store, codec), clip_id(0)).latents
    fresh = sample_of(ClipDataset(store.root, OPTIONS), clip_id(0)).rgb
    assert new is not None
    assert fresh is not None
    np.testing.assert_allclose(
        new, codec.encode(torch.from_numpy(fresh)[None])[0], rtol=2**-8, atol=1e-5
    )
    assert np.abs(new - old).max() > 0.1


def test_frames_that_cannot_be_decoded_are_skipped_as_ever(
    store: ClipStore, codec: PatchCodec
) -> None:
    name = "shards/3d-00000.parquet"
    rows = table_from_bytes(store.read_bytes(name)).to_pylist()
    rows[0]["frames"] = [{"bytes": b"no image"}] * 6
    pq.write_table(
        pa.Table.from_pylist(rows, schema=shard_schema()), store.full_path(name), row_group_size=2
    )
    store.remove("shards/_manifest.json")
    expected, ours = batches(ClipDataset(store.root, OPTIONS)), batches(cached(store, codec))
    assert [b.clip_ids for b in ours] == [b.clip_ids for b in expected]
    skipped = {clip for batch in ours for clip in batch.skipped}
    assert {clip.clip_id for clip in skipped} == {clip_id(2)}
    assert "must have cached latents" in skipped.pop().cause


def test_a_damaged_row_group_costs_its_clips_alone(store: ClipStore, codec: PatchCodec) -> None:
    path = Path(store.full_path("shards/4d-00000.parquet"))
    content = bytearray(path.read_bytes())
    jpeg = store.load_jpegs(clip_id(4))[3]
    content[content.find(jpeg) + len(jpeg) // 2] ^= 4
    path.write_bytes(content)
    skipped = {clip for batch in batches(cached(store, codec)) for clip in batch.skipped}
    assert {clip.clip_id for clip in skipped} == {clip_id(4), clip_id(7)}
    assert {clip.cause for clip in skipped} == {"the row must have latents"}


def test_what_cannot_be_cached_is_refused(store: ClipStore, codec: PatchCodec) -> None:
    options = DataOptions(num_frames=4, height_px=64, width_px=64)
    with pytest.raises(ConfigError, match="must be centre_crop or pad where latents are cached"):
        write_latents(find_shards(store.root), options, codec)
    with pytest.raises(ConfigError, match="a codec is fitted on images"):
        fit_on_shards(cached(store, codec))


def test_latents_lie_beside_the_shards_on_any_filesystem(
    store: ClipStore, codec: PatchCodec
) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(store.full_path("shards"), "/bucket/run/shards", recursive=True)
    try:
        index = find_shards("memory://bucket/run")
        latents = open_latents(index, write_latents(index, OPTIONS, codec))
        far = ClipDataset(index, OPTIONS, latents=latents)[0].latents
        near = cached(store, codec)[0].latents
        assert far is not None
        assert near is not None
        assert np.array_equal(far, near)
        assert {path.split("/shards/")[0] for path in latents.file_of_shard.values()} == {
            "/bucket/run"
        }
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_place_that_cannot_be_written_is_named(store: ClipStore, codec: PatchCodec) -> None:
    Path(store.full_path("shards/latents")).write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"4d-00000.parquet must be readable, and .* writable"):
        write_latents(find_shards(store.root), OPTIONS, codec)


def test_shards_that_cannot_be_written_beside_have_latents_elsewhere(
    store: ClipStore, codec: PatchCodec, tmp_path: Path
) -> None:
    near = cached(store, codec)[0].latents
    rmtree(store.full_path("shards/latents"))
    Path(store.full_path("shards/latents")).write_text("a file where the folder should be")
    index, folder = find_shards(store.root), str(tmp_path / "latents")
    latents = ready_latents(index, OPTIONS, codec, folder=folder)
    far = ClipDataset(index, OPTIONS, latents=latents)[0].latents
    assert near is not None
    assert far is not None
    assert np.array_equal(near, far)
    assert {Path(path).parent.parent for path in latents.file_of_shard.values()} == {Path(folder)}
    written = [path.stat().st_mtime_ns for path in Path(folder).rglob("*.parquet")]
    ready_latents(find_shards(store.root), OPTIONS, codec, folder=folder)
    assert [path.stat().st_mtime_ns for path in Path(folder).rglob("*.parquet")] == written


def test_images_are_decoded_while_others_are_encoded(
    store: ClipStore, codec: PatchCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "FRAMES_AT_ONCE", 2)
    begun, needed, read = Semaphore(0), [0, 2, 4], FrameEncoder._read

    def spy(self: FrameEncoder, jpeg: Any, image_hw: tuple[int, int]) -> Any:
        begun.release()
        return read(self, jpeg, image_hw)

    def waiting(rgb: Any) -> Any:
        # Two at a time: when the first are encoded, the next two are being decoded already.
        assert all(begun.acquire(timeout=60) for _ in range(needed.pop()))
        return PatchCodec.encode(codec, rgb)

    monkeypatch.setattr(FrameEncoder, "_read", spy)
    monkeypatch.setattr(codec, "encode", waiting)
    jpegs = [pa.scalar(jpeg) for jpeg in store.load_jpegs(clip_id(0))]
    with FrameEncoder(OPTIONS, codec) as encoder:
        (latents,) = encoder.encode([ClipFrames(clip_id(0), jpegs, (24, 32))])
    assert len(latents) == 6
    assert {len(frame or b"") for frame in latents} == {2 * 4 * 8 * 8}
