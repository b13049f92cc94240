"""LeRobot's version 3.0, read by its documented layout: paths, offsets, features, tasks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from camvid.errors import ConfigError
from camvid.exports.options import ExportOptions
from camvid.exports.registry import make_format
from camvid.scenes.movie import read_video
from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 8.0, "frames": 9, "width_px": 96, "height_px": 64}
KEY = "observation.images.main"


def read_episode(root: Path, number: int) -> tuple[dict[str, Any], pd.DataFrame, np.ndarray]:
    """An episode's metadata, the rows of its frames, and its frames, by the paths of info.json."""
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    tables = sorted((root / "meta/episodes").glob("*/*.parquet"))
    episode = pd.concat([pd.read_parquet(table) for table in tables]).iloc[number].to_dict()
    data, video = (
        root
        / info[f"{what}_path"].format(
            video_key=KEY,
            chunk_index=int(episode[f"{prefix}/chunk_index"]),
            file_index=int(episode[f"{prefix}/file_index"]),
        )
        for what, prefix in (("data", "data"), ("video", f"videos/{KEY}"))
    )
    frames = pd.read_parquet(data)
    within = frames["index"].between(
        episode["dataset_from_index"], episode["dataset_to_index"], inclusive="left"
    )
    return episode, frames[within], read_video(video)


def test_episodes_are_the_clips(run: ClipStore, tmp_path: Path) -> None:
    root = tmp_path / "out"
    export(run, root, "lerobot", **OPTIONS)
    info = json.loads((root / "meta/info.json").read_text())
    tasks = pd.read_parquet(root / "meta/tasks.parquet")
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (2, 18, 8)
    for number, view in enumerate(views(run, **OPTIONS)):
        episode, frames, video = read_episode(root, number)
        assert video.shape == (9, *info["features"][KEY]["shape"])
        assert set(frames.columns) | {KEY} == set(info["features"])
        state, action = (
            np.stack(frames[name]).reshape(-1, 3, 4) for name in ("observation.state", "action")
        )
        assert_same_cameras(state, view)
        followed = action[:-1, :, :3] @ state[:-1]
        followed[..., 3] += action[:-1, :, 3]
        np.testing.assert_allclose(followed, state[1:], atol=1e-6)
        np.testing.assert_allclose(frames["timestamp"], np.arange(9) / 8, atol=1e-6)
        assert set(frames["episode_index"]) == {number}
        assert episode[f"videos/{KEY}/to_timestamp"] == 9 / 8
        assert [tasks.iloc[task].name for task in frames["task_index"]] == list(
            episode["tasks"]
        ) * 9
    stats = json.loads((root / "meta/stats.json").read_text())
    assert np.shape(stats[KEY]["mean"]) == (3, 1, 1)
    assert np.shape(stats["action"]["std"]) == (12,)


def test_one_rate_and_one_size_are_needed() -> None:
    with pytest.raises(ConfigError, match="needs one --size and a whole --fps"):
        make_format("lerobot", ExportOptions(fps=12.5, width_px=64, height_px=64))
