"""A dataset written without a run: the same shards, and one clear line for what does not fit."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid.artifacts import PointTracks
from camvid.dataset.run import open_shards
from camvid.errors import ClipError, StoreError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.objects import MaskedObject
from camvid.parquet import table_from_bytes
from camvid.report.encode import encode_jpeg
from camvid.shards.dataset_writer import ClipData, DatasetWriter
from camvid.shards.manifest import read_manifest
from camvid.shards.row import cameras_from_row, image_bytes
from camvid.shards.writer import verify_shards
from camvid.store import ClipStore

T, H, W = 6, 24, 32
CAMERAS = np.tile(np.eye(3, 4), (T, 1, 1))
CAMERAS[:, 2, 3] = np.linspace(0, 1, T)
JPEGS = [encode_jpeg(np.full((H, W, 3), 40 * t, np.uint8)) for t in range(T)]
CLIP = ClipData(
    clip_id="kitchen-1",
    kind="3d",
    frames=JPEGS,
    timestamps_s=np.arange(T) / 16,
    source_uri="kitchen.mp4",
    source_sha256="5" * 64,
    licence="CC0-1.0",
    K=np.array([[30.0, 0, 16], [0, 31.0, 12], [0, 0, 1]]),
    cam_from_world=CAMERAS,
    points_world=np.array([[0, 0, 2.0], [1, 0, 4]], np.float32),
)


def test_what_goes_in_comes_out(tmp_path: Any) -> None:
    holes = CAMERAS.copy()
    holes[2] = np.nan
    tracks = PointTracks(
        xy_px=np.ones((T, 4, 2), np.float32),
        visible=np.ones((T, 4), bool),
        object_id=np.zeros(4, np.uint16),
        query_frame=np.zeros(4, np.int32),
    )
    moving = replace(
        CLIP,
        clip_id="kitchen-2",
        kind="4d",
        cam_from_world=holes,
        motion=0.05,
        tracks=tracks,
        masks=np.ones((T, H, W), np.uint16),
        objects=[MaskedObject(1, "cat", 0.9)],
        processing=["imported from COLMAP"],
    )
    with DatasetWriter(str(tmp_path)) as writer:
        writer.add(CLIP)
        writer.add(moving)
    store = ClipStore(str(tmp_path))
    assert verify_shards(store) == []
    assert read_manifest(store)["counts"] == {"4d": 1, "3d": 1, "video": 0}
    still, moved = (
        table_from_bytes(store.read_bytes(f"shards/{kind}-00000.parquet")).to_pylist()[0]
        for kind in ("3d", "4d")
    )
    assert image_bytes(still["frames"]) == JPEGS, "as they came"
    assert (still["fps"], still["licence"], still["motion_strength"]) == (16, "CC0-1.0", None)
    assert still["scene_scale"] == pytest.approx(3.5)
    assert still["K"]["fy"] == 31
    np.testing.assert_array_equal(cameras_from_row(moved)[0], holes)
    assert moved["registered"] == [True, True, False, True, True, True]
    assert (moved["motion_strength"], moved["objects"][0]["label"]) == (0.05, "cat")
    assert moved["provenance"]["processing"] == ["imported from COLMAP"]
    assert moved["tracks"]["num_tracks"] == 4
    options = DataOptions(num_frames=4, height_px=64, width_px=64)
    assert {ClipDataset(store.root, options)[row].indicator for row in (0, 1)} == {0, 2}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clip_id": "a/b"}, "clip_id must be letters, digits"),
        ({"kind": "5d"}, "kind must be one of 4d, 3d, video, got '5d'"),
        ({"kind": "4d"}, "kind 4d needs a finite motion strength, got nan"),
        ({"K": None}, "kind 3d needs K and cam_from_world"),
        ({"K": np.zeros((3, 3))}, r"K must be finite, \[3, 3\], with a focal length above 0"),
        ({"frames": JPEGS[:2]}, "timestamps_s must have an entry for each of 2 frames, got 6"),
        ({"frames": [b"png"] * T}, "frames must be JPEGs, frame 0 is not"),
        ({"frames": np.zeros((T, H, W))}, "rgb as uint8"),
        ({"timestamps_s": np.zeros(T)}, "timestamps_s must increase strictly"),
        ({"cam_from_world": CAMERAS[1:]}, r"cam_from_world must be \[6, 3, 4\], got \[5, 3, 4\]"),
        ({"cam_from_world": 2 * CAMERAS}, "must begin with rotations"),
        ({"cam_from_world": CAMERAS * [-1, 1, 1, 1]}, "must not mirror"),
        ({"camera": "rotating"}, "a rotating camera must have no trajectory"),
        ({"depth": np.full((T, H, W), -1.0)}, "depth must be finite and not below 0"),
        ({"masks": np.full((T, H, W), 0.5)}, "masks must be object ids, integers from 0 to 65535"),
        ({"masks": np.zeros((T, W, H))}, r"masks must have shape \[6, 24, 32\] as the frames"),
        ({"points_world": np.full((2, 3), np.nan)}, "points_world must be finite"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Any, values: dict[str, Any], message: str
) -> None:
    with DatasetWriter(str(tmp_path)) as writer:
        writer.add(CLIP)
        with pytest.raises(ClipError, match=rf"^clip .*{message}"):
            writer.add(replace(CLIP, **({"clip_id": "other"} | values)))
    assert read_manifest(ClipStore(str(tmp_path)))["num_clips"] == 1


def test_ids_are_of_one_clip_and_files_of_others_stay(tmp_path: Any) -> None:
    with DatasetWriter(str(tmp_path)) as writer:
        writer.add(CLIP)
        with pytest.raises(ClipError, match="clip_id must be of one clip alone"):
            writer.add(CLIP)
    with pytest.raises(KeyError), DatasetWriter(str(tmp_path)) as writer:
        raise KeyError
    store = ClipStore(str(tmp_path))
    with pytest.raises(StoreError, match="must hold shards/_manifest"):
        read_manifest(store)
    with DatasetWriter(str(tmp_path)) as writer:  # may replace what the one before wrote
        writer.add(replace(CLIP, clip_id="new"))
    store.remove("shards/_manifest.json")
    with pytest.raises(StoreError, match="must be a shard of this run"):
        with DatasetWriter(str(tmp_path)) as writer:
            writer.add(CLIP)


def test_what_the_page_of_formats_writes_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "FORMATS.md"
    (block,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    (clip,) = open_shards("kitchen").clips("3d")
    assert clip.frames.shape == (5, 64, 96, 3)
    assert clip.registered.all()
