"""What a sample costs of a remote store: how many requests, how many bytes."""

import time
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import pytest

from camvid.genxd.data.dataset import READS_AT_ONCE, ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.shards.folder import ShardFolder
from camvid.shards.manifest import write_manifest
from camvid.shards.row import checksums
from camvid.shards.writer import ShardOptions, ShardWriter
from camvid.store import ClipStore
from tests.genxd.counting import CountingFileSystem
from tests.genxd.datasets import equal

FRAMES, HEIGHT_PX, WIDTH_PX = 46, 160, 288
OPTIONS = DataOptions(share_3d=0.0, share_video=0.0, height_px=64, width_px=64)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of about 3 MB of images, and as much of what training leaves out."""
    store = ClipStore(str(tmp_path_factory.mktemp("run")))
    writer = ShardWriter(store, "4d", ShardOptions(), ShardFolder(store, ()).put)
    for number in range(2):
        writer.add(_row(number))
    writer.close()
    write_manifest(store, writer.shards)
    return Path(store.root)


def _row(number: int, height_px: int = HEIGHT_PX, width_px: int = WIDTH_PX) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    noise = rng.integers(0, 255, (height_px, width_px, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    cameras = np.tile(np.eye(3, 4), (FRAMES, 1, 1))
    cameras[:, 0, 3] = np.linspace(0, 1, FRAMES)
    return {
        "clip_id": f"{number:016x}",
        "kind": "4d",
        "source_sha256": f"{number:064x}",
        "num_frames": FRAMES,
        "height_px": height_px,
        "width_px": width_px,
        "timestamps_s": (np.arange(FRAMES) / 24).tolist(),
        "frames": [{"bytes": jpeg}] * FRAMES,
        "frame_crc32": checksums([jpeg] * FRAMES),
        "K": {"fx": 300.0, "fy": 300.0, "cx": 144.0, "cy": 80.0},
        "cam_from_world": cameras.reshape(FRAMES, 12).tolist(),
        "points_world": rng.normal(size=(4000, 3)).tolist(),
        "scene_scale": 4.0,
        "motion_strength": 0.02,
        "depth": [rng.bytes(60_000)] * FRAMES,
    }


@pytest.fixture
def ranges() -> list[int]:
    CountingFileSystem.ranges.clear()
    return CountingFileSystem.ranges


def test_a_sample_is_read_in_three_requests_of_what_it_needs(run: Path, ranges: list[int]) -> None:
    near = ClipDataset(str(run), OPTIONS)
    images = sum(len(jpeg.as_py()) for jpeg in near._reader.read(near.index.place(0))["frames"])
    assert 2_500_000 < images < 3_100_000
    far = ClipDataset(f"counting://{run}", OPTIONS)
    assert len(ranges) == 1  # the manifest
    ranges.clear()
    sample = far.load(Pick(0, 0))[0]
    assert len(ranges) <= 3  # the footer, and the columns on either side of the points
    assert sum(ranges) < images + 100_000 <= 3_200_000
    ranges.clear()
    assert equal(far.load(Pick(1, 1))[0], near.load(Pick(1, 1))[0])
    assert len(ranges) <= 2  # the shard stays open
    assert sample.rgb is not None


def test_the_split_by_source_reads_no_images(run: Path, ranges: list[int]) -> None:
    far = ClipDataset(f"counting://{run}", OPTIONS)
    ranges.clear()
    assert far.index.sources() == [f"{number:064x}" for number in range(2)]
    assert sum(ranges) < 100_000


def test_what_is_read_ahead_is_the_same(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "run"
    (broken / "shards").mkdir(parents=True)
    for path in (run / "shards").iterdir():
        (broken / "shards" / path.name).write_bytes(path.read_bytes())
    shard = broken / "shards" / "4d-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 16] ^= 4  # within an image of the first clip
    shard.write_bytes(content)
    picks = [Pick(number, number % 2) for number in range(4)]
    far = ClipDataset(f"counting://{broken}", OPTIONS)
    ahead = far.load_all(picks)
    for pick, (sample, skipped) in zip(picks, ahead, strict=True):
        one, also = far.load(pick)
        assert equal(sample, one)
        assert skipped == also
        assert [skip.clip_id for skip in skipped] == [f"{0:016x}"] * (pick.row == 0)


def test_clips_of_several_shards_are_awaited_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ClipStore(str(tmp_path))
    writer = ShardWriter(store, "4d", ShardOptions(max_shard_bytes=1), ShardFolder(store, ()).put)
    count = READS_AT_ONCE + 2
    for number in range(count):
        writer.add(_row(number, height_px=16, width_px=32))
    writer.close()
    write_manifest(store, writer.shards)
    assert len(writer.shards) == count
    far = ClipDataset(f"counting://{tmp_path}", OPTIONS)
    begins_and_ends: list[int] = []
    read, lock = CountingFileSystem.cat_file, Lock()

    def slowly(self: CountingFileSystem, path: str, **kwargs: Any) -> bytes:
        with lock:
            begins_and_ends.append(1)
        time.sleep(0.02)
        content = read(self, path, **kwargs)
        with lock:
            begins_and_ends.append(-1)
        return content

    monkeypatch.setattr(CountingFileSystem, "cat_file", slowly)
    picks = [Pick(number, number) for number in range(count)]
    samples = [sample for sample, _ in far.load_all(picks)]
    assert max(np.cumsum(begins_and_ends)) == READS_AT_ONCE
    near = ClipDataset(str(tmp_path), OPTIONS)
    assert all(equal(a, near.load(pick)[0]) for a, pick in zip(samples, picks, strict=True))


def test_forked_workers_read_for_themselves(run: Path, ranges: list[int]) -> None:
    pytest.importorskip("torch")
    from itertools import islice

    from camvid.genxd.data.loader import ClipLoader

    far = ClipDataset(f"counting://{run}", OPTIONS)
    first = far[0]  # the parent's connection and threads must not be the workers'
    loader = ClipLoader(far, batch_size=1, num_workers=2, multiprocessing_context="fork")
    found = {batch.clip_ids[0] for batch in islice(loader, 4)}
    assert found == {f"{number:016x}" for number in range(2)}
    assert equal(far[0], first)
