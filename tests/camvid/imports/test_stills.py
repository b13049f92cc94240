"""Photographs of a rendered scene: posed without an order, EXIF's focal length heard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camvid.errors import VideoError
from camvid.geometry import rotation_angle_deg
from camvid.imports.formats import find_sources
from camvid.imports.posed import Footage
from camvid.imports.stills import read
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render

WIDTH, HEIGHT, ORDER = 480, 270, [3, 0, 5, 1, 4, 2]


def write_photograph(path: Path, rgb: np.ndarray, focal_in_35mm: int = 0) -> None:
    exif = Image.Exif()
    if focal_in_35mm:
        exif.get_ifd(0x8769)[0xA405] = focal_in_35mm
    Image.fromarray(rgb).save(path, quality=95, exif=exif)


def test_photographs_become_views_with_cameras(tmp_path: Path) -> None:
    scene = next(spec for spec in demo_scenes() if spec.name == "orbit_still")
    made = render(replace(scene, num_frames=6, width_px=WIDTH, height_px=HEIGHT))
    focal_px = made.K[0, 0]
    for n, at in enumerate(ORDER):
        path = tmp_path / f"{n}.jpg"
        write_photograph(path, made.rgb[at], round(36 * focal_px / WIDTH))
    assert find_sources(str(tmp_path), "stills") == ("stills", [str(tmp_path)])
    views = read(tmp_path, Footage())
    assert [path.name for path in views.footage] == [f"{n}.jpg" for n in range(6)]
    assert views.K[0, 0, 0] == pytest.approx(focal_px, rel=0.02)
    true, found = made.cam_from_world[ORDER, :, :3], views.cam_from_world[:, :, :3]
    turns = (true @ true[0].T) @ (found @ found[0].T).transpose(0, 2, 1)
    assert rotation_angle_deg(turns).max() < 0.5


def test_photographs_of_nothing_are_one_line(tmp_path: Path) -> None:
    for n in range(3):
        write_photograph(tmp_path / f"{n}.jpg", np.full((90, 160, 3), 128, np.uint8))
    with pytest.raises(VideoError, match="from several places, found 3 of which no 3"):
        read(tmp_path, Footage())
