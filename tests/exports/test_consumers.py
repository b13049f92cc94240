"""Exports as other tools' own code reads them, where its pins would displace what is installed.

`make test` and `make consumers` put each tool into `build/consumers`, without what it pins; the
script of its name in `consumers/` reads there, in a process of its own.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid.geometry import invert_rigid
from camvid.scenes.movie import read_video
from camvid.store import ClipStore
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 8.0, "frames": 9, "width_px": 96, "height_px": 64}
SCRIPTS = Path(__file__).parent / "consumers"
INSTALLED = Path(__file__).parents[2] / "build" / "consumers"


def read_by(tool: str, folder: Path) -> dict[str, Any]:
    """The arrays that the tool found in a folder."""
    if not (INSTALLED / tool).exists():
        pytest.skip(f"{tool} is not there: make consumers")
    out = folder.with_suffix(".npz")
    shell = [sys.executable, str(SCRIPTS / f"read_{tool}.py"), str(folder), str(out)]
    environment = os.environ | {"PYTHONPATH": str(INSTALLED / tool), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(out) as found:
        return dict(found)


def test_lerobot(run: ClipStore, tmp_path: Path) -> None:
    root = tmp_path / "out"
    export(run, root, "lerobot", **OPTIONS)
    found = read_by("lerobot", root)
    assert found["num_episodes"] == 2
    for number, view in enumerate(views(run, **OPTIONS)):
        own = found["episode_index"] == number
        assert_same_cameras(found["observation.state"][own].reshape(-1, 3, 4), view)
        fx_fy_cx_cy = view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]]
        np.testing.assert_allclose(found["observation.intrinsics"][own], fx_fy_cx_cy, rtol=1e-6)
        np.testing.assert_allclose(found["timestamp"][own], np.arange(9) / 8, atol=1e-6)
        video = read_video(next((root / "videos").rglob(f"file-{number:03d}.mp4")))
        frames = found["frames"][own].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(255 * frames, video, atol=1)
    np.testing.assert_array_equal(found["action_ahead"], found["action"][:2])
    np.testing.assert_allclose(found["mean"], found["observation.state"].mean(axis=0), atol=1e-5)


def test_nerfstudio(run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "nerfstudio", **OPTIONS)
    arrays = read_by("nerfstudio", tmp_path / "out")
    for view in views(run, **OPTIONS):
        own = f"{view.clip.clip_id}/"
        found = {name.removeprefix(own): a for name, a in arrays.items() if name.startswith(own)}
        # Its parser turns the world: z is up there.
        turned = found["applied"][:, :3]
        rotation, centre = np.split(found["world_from_cam"], [3], axis=2)
        poses = turned.T @ np.concatenate([rotation, centre - found["applied"][:, 3:]], axis=2)
        assert_same_cameras(invert_rigid(poses * [1, -1, -1, 1]), view)
        fx_fy_cx_cy = view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]].T
        np.testing.assert_allclose(found["lens"], fx_fy_cx_cy, rtol=1e-6)
        assert found["size_px"].tolist() == [96, 64]
        assert found["depth_unit"] == 1e-3
        for kind in ("images", "masks", "depths"):
            assert len(found[kind]) == 9
            assert all(Path(path).is_file() for path in found[kind])


def test_mlcroissant(run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "huggingface", **OPTIONS)
    found = read_by("mlcroissant", tmp_path / "out")
    expected = views(run, **OPTIONS)
    for view, clip_id, cameras in zip(expected, found["clip_ids"], found["cameras"], strict=True):
        assert clip_id == view.clip.clip_id
        assert_same_cameras(cameras.reshape(-1, 3, 4), view)
    assert found["indexed"].tolist() == sorted(found["clip_ids"])
    assert (found["video_bytes"] > 1000).all()
    assert re.findall(r'Property "(\S+)"', str(found["warnings"])) == [
        "https://schema.org/datePublished"  # which is for who publishes it to say
    ]
