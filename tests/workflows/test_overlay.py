"""A still room behind a logo, through the whole graph: it is `3d`, and the logo is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import DepthMaps, MotionReport, ObjectMasks, PointTracks
from camvid.books.index import read_index
from camvid.objects import Origin
from camvid.overlay.find import find_overlay
from camvid.overlay.masks import overlay_of
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_video
from camvid.scenes.render import render
from camvid.scenes.spec import SceneSpec
from camvid.store import ClipStore
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.refilter import refilter

LOGO = np.s_[14:54, 370:460]  # rows, columns: 2.8 % of the image


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    still = next(scene for scene in demo_scenes() if scene.name == "orbit_still")
    rgb = render(still).rgb.copy()
    patch = np.full((40, 90, 3), (30, 60, 160), np.uint8)
    cv2.putText(patch, "TV7", (10, 31), cv2.FONT_HERSHEY_DUPLEX, 1.1, (250, 250, 250), 2)
    rgb[:, *LOGO] = patch
    folder: Path = tmp_path_factory.mktemp("overlay")
    write_video(folder / "logo.mp4", rgb, 24.0)
    root = str(folder / "run")
    curate([str(folder / "logo.mp4")], root, CurateConfig(), in_process.run)
    return ClipStore(root)


@pytest.mark.parametrize("scene", demo_scenes(), ids=lambda scene: scene.name)
def test_what_a_camera_follows_is_no_overlay(scene: SceneSpec) -> None:
    """In the pan a box keeps its place in the image, one upright edge of it to the pixel."""
    assert find_overlay(render(scene).rgb, 24.0).mask.mean() < 0.01


def test_a_logo_makes_no_scene_move(store: ClipStore) -> None:
    (row,) = read_index(store)
    assert (row.kind, row.measures.camera) == ("3d", "moving")
    assert row.measures.motion_strength < 0.001
    assert row.measures.overlay_fraction == pytest.approx(0.03, abs=0.015)


def test_the_logo_is_named_and_nothing_is_measured_on_it(store: ClipStore) -> None:
    (row,) = read_index(store)
    clip_id = row.clip_id
    masks = store.load(clip_id, ObjectMasks)
    (item,) = [o for o in masks.objects if o.origin is Origin.OVERLAY]
    hidden = overlay_of(masks)
    assert hidden[:, *LOGO].mean() > 0.95
    assert not store.load(clip_id, DepthMaps).valid[hidden].any()
    report = store.load(clip_id, MotionReport)
    assert item.object_id not in {o.object_id for o in report.per_object}
    tracks = store.load(clip_id, PointTracks)
    t, n = np.nonzero(tracks.visible)
    column, line = np.floor(tracks.xy_px[t, n]).astype(int).T
    assert not hidden[t, line, column].any()


def test_too_large_an_overlay_is_refused_from_the_index_alone(store: ClipStore) -> None:
    refilter(store, ["filter.max_overlay_fraction=0.01"], dry_run=False)
    (row,) = read_index(store)
    assert row.kind == "none"
    assert row.reasons[0].name == "max_overlay_fraction"
