"""Lenses that distort and images that are shifted on their sensor, told by accepted cameras."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from camvid.artifacts import PointTracks, ReconstructionQuality
from camvid.sfm.acceptance import LIMITS, with_lens_uncertainty
from camvid.sfm.adjustment import adjust_keyframes, solve_all_frames
from camvid.sfm.keyframes import choose_keyframes
from camvid.sfm.lens_evidence import Estimate, LensEvidence, find_lens_evidence
from camvid.sfm.mapping import map_keyframes
from camvid.sfm.observations import observations_of

SIZE = np.array([640, 360])


def with_places(tracks: PointTracks, xy_px: np.ndarray) -> PointTracks:
    inside = ((xy_px > 2) & (xy_px < SIZE - 2)).all(axis=-1)
    return PointTracks(
        xy_px=xy_px.astype(np.float32),
        visible=tracks.visible & inside,
        object_id=tracks.object_id,
        query_frame=tracks.query_frame,
    )


def distorted(tracks: PointTracks, focal_px: float, k1: float) -> PointTracks:
    ray = (tracks.xy_px - SIZE / 2) / focal_px
    stretched = ray * (1 + k1 * (ray**2).sum(axis=-1, keepdims=True))
    return with_places(tracks, SIZE / 2 + focal_px * stretched)


def shaken(tracks: PointTracks, focal_px: float, *, stabilised: bool) -> PointTracks:
    """By a hand that turns the camera 1 degree; then shifted back in the image, as editors do."""
    num_frames = len(tracks.xy_px)
    shake = gaussian_filter1d(np.random.default_rng(1).normal(0, 1, (num_frames, 2)), 1.0, axis=0)
    shake /= shake.std(axis=0)
    turn = Rotation.from_euler("xy", shake, degrees=True).as_matrix()
    ray = np.concatenate(
        [(tracks.xy_px - SIZE / 2) / focal_px, np.ones((*tracks.visible.shape, 1))], axis=-1
    )
    ray = np.einsum("tij,tnj->tni", turn, ray)
    xy_px = SIZE / 2 + focal_px * ray[..., :2] / ray[..., 2:]
    if stabilised:
        shift_px = focal_px * (turn[:, :2, 2] / turn[:, 2:, 2])
        xy_px -= shift_px[:, None]
    return with_places(tracks, xy_px)


def evidence_of(tracks: PointTracks) -> tuple[float, LensEvidence]:
    """(focal length found, what speaks against it)"""
    num_frames = len(tracks.visible)
    seen = observations_of(tracks, tracks.visible.sum(axis=0) >= 3)
    keyframes = choose_keyframes(tracks, 640)
    cameras = next(map_keyframes(seen, keyframes, num_frames, (640, 360)))
    *_, cameras = adjust_keyframes(cameras, seen, (640, 360))
    cameras, structure = solve_all_frames(cameras, seen, (640, 360))
    return float(cameras.K[0, 0]), find_lens_evidence(cameras, structure, (640, 360))


@pytest.fixture(params=[500.0, 300.0])
def clip(request, scene_of) -> tuple[float, PointTracks]:
    t = np.linspace(0, 1, 20)
    position = np.stack([3 * t - 1.5, 0.1 * np.sin(5 * t), 0.5 * t], axis=1)
    focal_px = float(request.param)
    return focal_px, scene_of(position, 10 - 20 * t, focal_px=np.full(20, focal_px)).tracks


@pytest.mark.parametrize("corner", [-0.14, -0.1, 0.1])  # its shift over its radius
def test_distortion_is_told_with_the_error_that_it_makes_of_the_focal_length(clip, corner):
    focal_px, tracks = clip
    k1 = corner * focal_px**2 / float((SIZE / 2) @ (SIZE / 2))
    found_px, evidence = evidence_of(distorted(tracks, focal_px, k1))
    assert evidence.corner_shift.least > LIMITS.max_radial_distortion
    assert evidence.corner_shift.value == pytest.approx(corner, rel=0.35)
    assert found_px * (1 + evidence.focal_shift.value) == pytest.approx(focal_px, rel=0.02)


def test_a_long_lens_is_put_off_by_distortion(scene_of):
    t = np.linspace(0, 1, 20)
    position = np.stack([3 * t - 1.5, 0.1 * np.sin(5 * t), 0.5 * t], axis=1)
    tracks = scene_of(position, 10 - 20 * t, focal_px=np.full(20, 800.0)).tracks
    found_px, evidence = evidence_of(distorted(tracks, 800.0, -0.475))
    assert found_px < 760
    assert found_px * (1 + evidence.focal_shift.value) == pytest.approx(800, rel=0.03)
    assert evidence.corner_shift.least > LIMITS.max_radial_distortion


def test_a_lens_without_distortion_is_not_blamed(clip):
    focal_px, tracks = clip
    found_px, evidence = evidence_of(tracks)
    assert found_px == pytest.approx(focal_px, rel=0.02)
    for shift in (evidence.focal_shift, evidence.corner_shift):
        assert shift.least < 0.005
        assert abs(shift.value) < 4 * shift.deviation
    assert evidence.wander_fraction < 0.1


def test_where_little_is_seen_distortion_is_uncertain(scene_of):
    t = np.linspace(0, 1, 20)
    few = scene_of(np.stack([0.5 * t, 0 * t, 0 * t], axis=1), 0 * t, num_points=60, noise_px=0.3)
    _, evidence = evidence_of(few.tracks)
    assert evidence.focal_shift.deviation > 0.05
    assert evidence.focal_shift.least < LIMITS.max_distortion_focal_error


def test_an_image_that_was_stabilised_wanders_over_its_principal_point(clip):
    focal_px, tracks = clip
    _, by_hand = evidence_of(shaken(tracks, focal_px, stabilised=False))
    assert by_hand.wander_fraction < 0.1
    assert by_hand.wander_focal_deviation < 0.01
    found_px, stabilised = evidence_of(shaken(tracks, focal_px, stabilised=True))
    assert stabilised.wander_fraction > LIMITS.max_center_wander_fraction
    assert abs(found_px / focal_px - 1) < 3 * stabilised.wander_focal_deviation


def test_a_crop_that_is_off_the_middle_is_told(clip):
    _, tracks = clip
    _, whole = evidence_of(tracks)
    for shift in whole.center_shift:
        assert shift.least < 0.005
        assert abs(shift.value) < 4 * shift.deviation
    _, cropped = evidence_of(with_places(tracks, tracks.xy_px - [80, 45]))
    x, y = cropped.center_shift
    assert np.hypot(x.least, y.least) > LIMITS.max_center_shift
    assert (x.value, y.value) == pytest.approx((-80 / 640, -45 / 640), abs=0.06)


def test_an_accepted_focal_length_counts_what_the_lens_may_have_done_to_it():
    centred = Estimate(0.0, 0.01), Estimate(0.0, 0.01)
    lens = LensEvidence(0.001, Estimate(-0.05, 0.01), Estimate(-0.02, 0.01), 0.1, 0.04, centred)
    counted = with_lens_uncertainty(ReconstructionQuality(focal_uncertainty=0.001), lens)
    assert counted.focal_uncertainty == pytest.approx(np.hypot(0.03, 0.04), rel=0.01)
    pinhole = lens._replace(
        focal_shift=Estimate(-0.015, 0.01), wander_fraction=0.0, wander_focal_deviation=0.0
    )
    counted = with_lens_uncertainty(ReconstructionQuality(focal_uncertainty=0.001), pinhole)
    assert counted.focal_uncertainty == pytest.approx(0.001)
