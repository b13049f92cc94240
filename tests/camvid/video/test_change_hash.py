"""Copies of a video are found by how it changes, and what is none is told apart."""

import cv2
import numpy as np
import pyarrow as pa
import pytest

from camvid.artifacts import U8
from camvid.duplicates import COLUMNS, Duplicate, find_duplicates
from camvid.video.change_hash import STEP_S, ChangeHashes, thumbnail_of

FPS = 24.0


def room(seed: int, num_frames: int = 120) -> U8:
    """A camera on a tripod before one and the same wall, and what moves there: [T, H, W]."""
    wall = cv2.resize(np.random.default_rng(0).integers(0, 255, (12, 20), np.uint8), (160, 96))
    rng = np.random.default_rng(seed)
    path = cv2.GaussianBlur(rng.normal(size=(num_frames, 4)).astype(np.float32), (1, 31), 12)
    path = (path - path.min(0)) / np.ptp(path, axis=0)
    frames = np.repeat(wall[None], num_frames, axis=0)
    for frame, (x, y, u, v) in zip(frames, path, strict=True):
        cv2.circle(frame, (int(150 * x), int(90 * y)), 14, 255, -1)
        cv2.rectangle(
            frame, (int(130 * u), int(70 * v)), (int(130 * u) + 25, int(70 * v) + 25), 0, -1
        )
    return frames


def hashes(frames: U8, fps: float = FPS) -> list[int]:
    found = ChangeHashes()
    for number, frame in enumerate(frames):
        found.add(thumbnail_of(frame), number / fps)
    return found.hashes


def clips(**videos: list[int]) -> pa.Table:
    """One clip of each."""
    rows = [(f"clip_{name}", f"{name}.mp4", 0.0, found) for name, found in videos.items()]
    schema = pa.schema([*((name, pa.string()) for name in COLUMNS[:2]), ("start_s", pa.float64())])
    schema = schema.append(pa.field("change_hashes", pa.list_(pa.int64())))
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return pa.table({name: list(column) for name, column in columns.items()}, schema)


def coded(frames: U8, quality: int = 20) -> U8:
    jpegs = [
        cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in frames
    ]
    return np.stack([cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE) for jpeg in jpegs]).astype(np.uint8)


COPIES = {
    "coded": lambda frames: hashes(coded(frames)),
    "scaled": lambda frames: hashes(np.stack([cv2.resize(f, (97, 50)) for f in frames])),
    "brighter": lambda frames: hashes(cv2.convertScaleAbs(frames, alpha=0.8, beta=30)),
    "trimmed": lambda frames: hashes(frames[25:100]),
    "half_rate": lambda frames: hashes(frames[::2], FPS / 2),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found(kind: str) -> None:
    original, copy = hashes(room(1)), COPIES[kind](room(1))
    (found,) = find_duplicates(clips(b_original=original, other=hashes(room(2)), c_copy=copy))
    assert (found.clip_id, found.kept) == ("clip_c_copy", "clip_b_original")
    assert found.share > 0.7


def test_what_happens_before_the_same_wall_at_two_times_is_no_copy() -> None:
    table = clips(**{f"v{seed}": hashes(room(seed)) for seed in range(20)})
    assert find_duplicates(table) == []


def test_who_is_kept_does_not_depend_on_the_order() -> None:
    frames = room(1)
    table = clips(a=hashes(frames[:100]), b=hashes(coded(frames)), c=hashes(frames), d=[])
    found = find_duplicates(table)
    assert [each[:2] for each in found] == [("clip_c", "clip_b"), ("clip_a", "clip_b")]
    assert find_duplicates(table.take([3, 2, 1, 0])) == found
    known = clips(z=hashes(frames[:100]))
    assert {each.kept for each in find_duplicates(table, known)} == {"clip_z"}


def test_a_clip_that_straddles_two_of_the_longer_video() -> None:
    whole, half = hashes(room(1, 240)), 38
    table = clips(a1=whole[:half], a2=whole[half:], b=whole[20:60])
    table = table.set_column(1, "source_uri", [["a.mp4", "a.mp4", "b.mp4"]])
    table = table.set_column(2, "start_s", [[0.0, half * STEP_S, 0.0]])
    (found,) = find_duplicates(table)
    assert found == Duplicate("clip_b", "clip_a2", 1.0)


def test_no_change_is_no_evidence() -> None:
    still = np.repeat(room(1)[:1], 60, axis=0)
    assert set(hashes(still)) == {0}
    assert find_duplicates(clips(a=hashes(still), b=hashes(still))) == []
