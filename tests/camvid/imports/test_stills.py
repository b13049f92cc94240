"""Photographs of a rendered scene: posed without an order, EXIF's focal length heard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camvid.errors import VideoError
from camvid.evaluation.trajectory import rotation_rmse_deg, trajectory_error
from camvid.imports.formats import find_sources
from camvid.imports.posed import Footage
from camvid.imports.stills import read
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render

WIDTH, HEIGHT, ORDER = 480, 270, [3, 0, 5, 7, 1, 4, 2, 6]


def write_photograph(path: Path, rgb: np.ndarray, focal_in_35mm: int = 0) -> None:
    exif = Image.Exif()
    if focal_in_35mm:
        exif.get_ifd(0x8769)[0xA405] = focal_in_35mm
    Image.fromarray(rgb).save(path, quality=95, exif=exif)


def test_photographs_become_views_with_cameras(tmp_path: Path) -> None:
    scene = next(spec for spec in demo_scenes() if spec.name == "orbit_still")
    made = render(replace(scene, num_frames=8, width_px=WIDTH, height_px=HEIGHT))
    focal_px = made.K[0, 0]
    for n, at in enumerate(ORDER):
        path = tmp_path / f"{n}.jpg"
        write_photograph(path, made.rgb[at], round(36 * focal_px / WIDTH))
    assert find_sources(str(tmp_path), "stills") == ("stills", [str(tmp_path)])
    views = read(tmp_path, Footage())
    assert [path.name for path in views.footage] == [f"{n}.jpg" for n in range(8)]
    assert views.K[0, 0, 0] == pytest.approx(focal_px, rel=0.02)
    found = views.cam_from_world[np.argsort(ORDER)]
    true = made.cam_from_world
    assert rotation_rmse_deg(found[..., :3], true[..., :3]) < 0.1
    error = trajectory_error(found, np.isfinite(found[:, 0, 0]), true)
    assert error.registered_fraction == 1.0
    assert error.ate_percent < 0.5


def test_photographs_of_nothing_are_one_line(tmp_path: Path) -> None:
    for n in range(3):
        write_photograph(tmp_path / f"{n}.jpg", np.full((90, 160, 3), 128, np.uint8))
    with pytest.raises(VideoError, match="from several places, found 3 of which no 3"):
        read(tmp_path, Footage())


def test_photographs_of_two_sizes_are_one_line(tmp_path: Path) -> None:
    for n in range(4):
        size = (160, 90, 3) if n == 2 else (90, 160, 3)
        write_photograph(tmp_path / f"{n}.jpg", np.full(size, 128, np.uint8))
    said = r"one size and orientation, found 3 of 160x90, 1 of 90x160 \(2\.jpg\)"
    with pytest.raises(VideoError, match=said):
        read(tmp_path, Footage())
    (tmp_path / "2.jpg").write_bytes(b"no photograph")
    with pytest.raises(VideoError, match=r"that can be decoded, found 2\.jpg damaged"):
        read(tmp_path, Footage())
