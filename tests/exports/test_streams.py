"""Exports that are streamed: `datasets` opens the one, `webdataset` the other."""

import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 12.0, "frames": 9, "width_px": 96, "height_px": 64}
ALL = {**OPTIONS, "kinds": ("4d", "3d", "video")}


def num_frames(mp4: bytes) -> int:
    with av.open(io.BytesIO(mp4)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture(scope="module")
def hub(run: ClipStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "out"
    assert [clip.status for clip in export(run, out, "huggingface", **ALL)] == ["ok"] * 3
    return out


def load(hub: Path, tmp_path: Path, *config: str, **options: Any) -> Any:
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    return datasets.load_dataset(str(hub), *config, split="train", cache_dir=cache, **options)


@pytest.mark.parametrize("options", [{}, {"streaming": True}])
def test_datasets_opens_the_preview_by_default(
    run: ClipStore, hub: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = load(hub, tmp_path, **options)
    assert isinstance(loaded.features["video"], datasets.Video)
    rows = list(loaded.cast_column("video", datasets.Video(decode=False)))
    assert sorted(row["kind"] for row in rows) == ["3d", "4d", "video"]
    by_id = {row["clip_id"]: row for row in rows}
    for view in views(run, **ALL):
        row = by_id.pop(view.clip.clip_id)
        assert_same_cameras(np.reshape(row["cam_from_world"], (-1, 3, 4)), view)
        np.testing.assert_allclose(
            row["fx_fy_cx_cy"], view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]], atol=1e-6
        )
        assert num_frames(row["video"]["bytes"]) == 9
    (without,) = by_id.values()
    assert without["cam_from_world"] is without["fx_fy_cx_cy"] is None


def test_datasets_opens_clips_and_index(hub: Path, tmp_path: Path) -> None:
    assert load(hub, tmp_path, "clips").num_rows == 3
    index = load(hub, tmp_path, "index")
    assert index.num_rows == 3
    assert set(index["file"]) == {"clips/00000.parquet"}
    assert "video" not in index.column_names


def test_croissant_names_every_column(hub: Path, tmp_path: Path) -> None:
    described = json.loads((hub / "croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    for records in described["recordSet"]:
        names = [field["name"] for field in records["field"]]
        assert names == load(hub, tmp_path, records["name"]).column_names


def test_webdataset_streams_its_tars(run: ClipStore, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    export(run, tmp_path / "out", "webdataset", **ALL)
    (tar,) = (tmp_path / "out/shards").iterdir()
    pipeline = webdataset.WebDataset(str(tar), shardshuffle=False)
    samples = {
        s["json"]["clip_id"]: s for s in pipeline.decode() if not s["__key__"].startswith(".")
    }
    for view in views(run, **ALL):
        sample = samples.pop(view.clip.clip_id)
        assert_same_cameras(sample["npz"]["cam_from_world"], view)
        np.testing.assert_allclose(sample["npz"]["K"], view.K, atol=1e-6)
        assert num_frames(sample["mp4"]) == sample["json"]["num_frames"] == 9
        assert sample["txt"] == ""
    (without,) = samples.values()
    assert without["json"]["kind"] == "video"
    assert np.isnan(without["npz"]["cam_from_world"]).all()
    lines = (tmp_path / "out/index.jsonl").read_text().splitlines()
    assert len(lines) == 3
