"""A flat image that slides past, and scenes that have depth or a slant."""

import numpy as np
import pytest

from camvid.artifacts import PointTracks
from camvid.sfm.acceptance import LIMITS
from camvid.sfm.flatness import off_flat_image, seen_static
from camvid.sfm.observations import observations_of

LIMIT = LIMITS.min_off_flat_image_fraction


def sheet(growth: float, turn: float, noise_px: float = 0.15) -> PointTracks:
    """24 frames of a page that slides by 400 px, grows and turns in its plane."""
    rng = np.random.default_rng(0)
    start = rng.uniform([-700, -300], [700, 300], (900, 2)) @ [1, 1j]
    t = np.linspace(0, 1, 24)[:, None]
    place = start * np.exp((growth + 1j * turn) * t) - 200 + 400 * t
    xy_px = np.stack([place.real, place.imag], axis=-1) + [320, 180]
    xy_px += rng.normal(0, noise_px, xy_px.shape)
    return PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=((xy_px > 2) & (xy_px < [638, 358])).all(axis=-1),
        object_id=np.zeros(900, np.uint16),
        query_frame=np.zeros(900, np.int32),
    )


@pytest.mark.parametrize(("growth", "turn"), [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.3)])
def test_a_page_that_slides_is_flat(growth: float, turn: float):
    assert off_flat_image(sheet(growth, turn), (640, 360)) < 0.2 * LIMIT


def test_a_scene_with_depth_is_not_flat(walk):
    assert off_flat_image(walk.tracks, (640, 360)) > 4 * LIMIT


def test_a_wall_seen_at_a_slant_is_not_flat(walk):
    wall = walk.xyz_world.copy()
    wall[:, 2] = 7 + 0.5 * wall[:, 0]
    tracks = walk.tracks
    seen = np.einsum("tij,nj->tni", walk.cameras.cam_from_world[:, :, :3], wall)
    seen += walk.cameras.cam_from_world[:, None, :, 3]
    xy_px = 500 * seen[..., :2] / seen[..., 2:] + [320, 180]
    visible = ((xy_px > 2) & (xy_px < [638, 358])).all(axis=-1)
    slanted = PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=visible,
        object_id=tracks.object_id,
        query_frame=tracks.query_frame,
    )
    assert off_flat_image(slanted, (640, 360)) > 2 * LIMIT


def test_only_what_cameras_explain_is_asked():
    page = sheet(0.0, 0.0)
    xy_px = page.xy_px.copy()
    xy_px[:, :300] += 2.0 * np.arange(24)[:, None, None]  # a third moves over the page
    tracks = PointTracks(
        xy_px=xy_px,
        visible=page.visible,
        object_id=page.object_id,
        query_frame=page.query_frame,
    )
    assert off_flat_image(tracks, (640, 360)) > LIMIT
    static = observations_of(tracks, np.arange(900) >= 300)
    assert off_flat_image(seen_static(tracks, static), (640, 360)) < 0.2 * LIMIT


def test_without_pairs_nothing_is_said(walk):
    nothing = seen_static(walk.tracks, observations_of(walk.tracks, np.zeros(500, bool)))
    assert off_flat_image(nothing, (640, 360)) == 1.0
