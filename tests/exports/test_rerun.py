"""Rerun opens its recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid.geometry import invert_rigid
from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 8.0, "frames": 5, "width_px": 96, "height_px": 64}


def test_one_timeline_drives_everything(run: ClipStore, tmp_path: Path) -> None:
    reading = pytest.importorskip("rerun.chunk", reason="needs rerun-sdk")
    export(run, tmp_path / "out", "rerun", **OPTIONS)
    for view in views(run, **OPTIONS):
        reader = reading.RrdReader(tmp_path / "out" / f"{view.clip.clip_id}.rrd")
        assert len(reader.blueprints()) == 1
        columns: dict[str, list[Any]] = {}
        for chunk in reader.stream():
            for name, column in chunk.to_record_batch().to_pydict().items():
                columns.setdefault(f"{chunk.entity_path} {name}", []).extend(column)
        timed = {name.split(" ")[0] for name, rows in columns.items() if name.endswith(" time")}
        image = "/world/camera/image"
        assert timed == {
            "/world/camera",
            image,
            *(f"{image}/{name}" for name in ("frame", "masks", "depth", "tracks")),
        }
        translation = np.array(columns["/world/camera Transform3D:translation"])[:, 0]
        columns_major = np.array(columns["/world/camera Transform3D:mat3x3"]).reshape(-1, 3, 3)
        world_from_cam = np.concatenate(
            [columns_major.transpose(0, 2, 1), translation[..., None]], axis=2
        )
        assert_same_cameras(invert_rigid(world_from_cam), view)
        lens = np.array(columns[f"{image} Pinhole:image_from_camera"]).reshape(-1, 3, 3)
        np.testing.assert_allclose(lens.transpose(0, 2, 1), view.K, rtol=1e-6)
