"""Runs with tiny clips, written by the real writers."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from camvid.artifacts import Reconstruction, ReconstructionQuality, Verdict
from camvid.outcome import Kind
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.factories import SIZE, make_clip
from tests.shard_runs import write_shards

KINDS: dict[str, Kind] = {"4": "4d", "3": "3d", "v": "video"}


def clip_id(index: int) -> str:
    return f"{index:016x}"


def smooth_jpeg(rng: np.random.Generator) -> bytes:
    """Noise that a JPEG keeps well."""
    small = rng.integers(0, 255, (6, 8, 3), np.uint8)
    image = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def write_run(folder: Path, kinds: str, artifacts: tuple[object, ...], **sizes: int) -> ClipStore:
    """A run with one clip of 6 frames for each letter of `kinds` (keys of KINDS), in shards."""
    store = ClipStore(str(folder))
    lost = Reconstruction.without_trajectory(
        "fixed", 6, quality=ReconstructionQuality(), reasons=()
    )
    rows: Any = {}
    for index, letter in enumerate(kinds):
        name = clip_id(index)
        clip = make_clip(name)
        rng = np.random.default_rng(index)
        store.save_frames(clip, [smooth_jpeg(rng) for _ in range(6)])
        for artifact in (clip, *artifacts):
            video = letter == "v" and isinstance(artifact, Reconstruction)
            store.save(name, lost if video else artifact)
        kind = KINDS[letter]
        store.save(name, Verdict(kind=kind, reasons=()))
        rows[name] = (ClipRow(clip_id=name, video_uri="a.mp4"), kind)
    write_shards(store, rows, **({"max_row_group_clips": 2} | sizes))
    return store
