"""What images say of tracks that stray: a mover shows, a track that slid along an edge does not."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import F64, U8, PointTracks, Rigidity
from camvid.rigidity.cameras import ClipCameras
from camvid.rigidity.image_evidence import image_evidence, soft_gray
from camvid.rigidity.observations import track_observations
from camvid.rigidity.posterior import posterior
from camvid.rigidity.static_points import fit_static_points

T, HEIGHT, WIDTH = 16, 120, 240
STEP_PX = 3.0  # of the scene in the image, leftwards: a camera that goes sideways
FOCAL, DEPTH = 200.0, 4.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
DOWN = 2.0  # px a frame that the mover goes, and the track that slides along the edge


def cameras() -> ClipCameras:
    pose = np.repeat(np.eye(3, 4)[None], T, 0)
    pose[:, 0, 3] = -STEP_PX * DEPTH / FOCAL * np.arange(T)
    return ClipCameras(np.repeat(K[None], T, 0), pose)


def images() -> U8:
    """A plain wall with one slanted outline, and a textured square that goes down before it."""
    rng = np.random.default_rng(0)
    wall = np.full((HEIGHT, WIDTH + 100, 3), 60, np.uint8)
    corners = np.array([[150, 0], [WIDTH + 100, 0], [WIDTH + 100, HEIGHT], [150 + HEIGHT, HEIGHT]])
    cv2.fillPoly(wall, [corners.astype(np.int32)], (120, 120, 120))
    square = cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (24, 24))
    frames = [wall[:, round(STEP_PX * t) :][:, :WIDTH].copy() for t in range(T)]
    for t, frame in enumerate(frames):
        x, y = round(70 - STEP_PX * t / 2), round(20 + DOWN * t)
        frame[y : y + 24, x : x + 24] = square
    noise = rng.normal(0, 3, (T, HEIGHT, WIDTH, 1))
    return np.clip(np.stack(frames) + noise, 0, 255).astype(np.uint8)


def tracks() -> PointTracks:
    """One on the square, and one that slides down the outline."""
    t = np.arange(T)
    mover = np.column_stack([82 - STEP_PX * t / 2, 32 + DOWN * t])
    slid = np.column_stack([150 + 40 + (DOWN - STEP_PX) * t, 40 + DOWN * t])
    xy_px = np.stack([mover, slid], axis=1).astype(np.float32)
    return PointTracks(
        xy_px=xy_px,
        visible=np.ones((T, 2), bool),
        object_id=np.zeros(2, np.uint16),
        query_frame=np.zeros(2, np.int32),
    )


def evidence(stray: tuple[bool, bool]) -> F64:
    observations = track_observations(tracks(), cameras())
    points = fit_static_points(observations, cameras())
    bounds = np.full(2, 0.1), np.full(2, 0.5)
    gray = soft_gray(images())
    return image_evidence(gray, observations, points, cameras(), bounds, np.array(stray))


def test_a_mover_shows_and_a_track_along_an_edge_does_not() -> None:
    mover, slid = evidence((True, True))
    assert mover > 2
    assert slid < -1


def test_only_tracks_that_stray_are_asked() -> None:
    mover, other = evidence((True, False))
    assert np.isfinite(mover)
    assert np.isnan(other)


@pytest.mark.parametrize(("image", "moves"), [(1.5, True), (-1.5, False)])
def test_images_say_whether_a_thing_moves_or_misleads_its_tracks(image: float, moves: bool) -> None:
    """Slats over what is seen between them: all tracks stray, and none shows motion."""
    num, background = 40, 2000
    found = Rigidity(
        log_ratio=np.repeat([8.0, -8.0], [num, background]),
        image_ratio=np.repeat([image, np.nan], [num, background]),
        unexplained=np.full(num + background, 0.1),
        white_px=0.1,
        slow_px=np.full(8, 0.1),
    )
    owner = np.repeat(np.array([1, 0], np.uint16), [num, background])
    rated = posterior(found, owner, {1: 0.3})
    assert (rated.objects[1].moves > 0.95) == moves
    assert (rated.objects[1].moves < 0.05) != moves
    assert (rated.track_moves[:num].mean() > 0.5) == moves
