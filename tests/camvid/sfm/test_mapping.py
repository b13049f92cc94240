"""From tracks alone to all the cameras of a known scene."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import ReconstructionQuality
from camvid.geometry import camera_centers
from camvid.sfm.acceptance import (
    Evidence,
    failed_tests,
    held_out_error_px,
    measure_quality,
    step_agreement,
    trajectory_jump,
)
from camvid.sfm.adjustment import (
    adjust_keyframes,
    solve_all_frames,
    uncertainty_of_focal,
    without_strays,
)
from camvid.sfm.bundle import adjust
from camvid.sfm.cameras import Cameras
from camvid.sfm.keyframes import choose_keyframes, mean_overlap
from camvid.sfm.lens import CALIBRATED_SPREAD, USUAL_LENS, LensPrior
from camvid.sfm.lens_evidence import Estimate, LensEvidence
from camvid.sfm.mapping import map_keyframes
from camvid.sfm.observations import observations_of
from camvid.sfm.starts import best_start

SIZE_PX = 640, 360
SURE_NONE = Estimate(0.0, 0.01)
PINHOLE = LensEvidence(0.001, SURE_NONE, SURE_NONE, 0.0, 0.0, (SURE_NONE, SURE_NONE))
GOOD = Evidence(border_share=1.0, off_flat_image=0.8, lens=PINHOLE)


def solve(scene, use=None):
    num_frames, num_tracks = scene.tracks.visible.shape
    use = np.ones(num_tracks, bool) if use is None else use
    observations = observations_of(scene.tracks, use)
    keyframes = choose_keyframes(scene.tracks, 640)
    cameras = next(map_keyframes(observations, keyframes, num_frames, SIZE_PX))
    *_, cameras = adjust_keyframes(cameras, observations, SIZE_PX)
    return solve_all_frames(cameras, observations, SIZE_PX)


def judge(scene, cameras, structure, held_out, evidence=GOOD, uncertainty=0.01):
    before = ReconstructionQuality(rotation_residual_px=20.0, focal_uncertainty=uncertainty)
    unseen = observations_of(scene.tracks, held_out)
    quality = measure_quality(before, cameras, structure, unseen)
    return quality, failed_tests(quality, cameras, structure, evidence, 640)


def blamed(**lens) -> Evidence:
    return GOOD._replace(lens=PINHOLE._replace(**lens))


def test_all_frames_are_found_where_they_are_and_accepted(walk):
    held_out = np.arange(len(walk.xyz_world)) % 10 == 0
    cameras, structure = solve(walk, ~held_out)
    assert cameras.registered.all()
    assert walk.position_error(cameras) < 0.005
    assert cameras.K[0, 0] == pytest.approx(500, rel=0.02)
    quality, reasons = judge(walk, cameras, structure, held_out)
    assert reasons == ()
    assert quality.inlier_fraction > 0.97
    assert quality.mean_reprojection_error_px < 0.2


def test_unmasked_movers_are_left_out_of_the_structure(scene_of):
    t = np.linspace(0, 1, 20)
    position = np.stack([3 * t - 1.5, 0 * t, 0.5 * t], axis=1)
    scene = scene_of(position, 10 - 20 * t, moving_fraction=0.2)
    cameras, structure = solve(scene)
    assert scene.position_error(cameras) < 0.005
    kept = np.isfinite(structure.xyz_world[:, 0])
    assert kept[100:].mean() > 0.6
    assert kept[:100].mean() < 0.3


def test_the_same_tracks_give_the_same_bits(walk):
    (first, structure), (second, again) = solve(walk), solve(walk)
    np.testing.assert_array_equal(first.cam_from_world, second.cam_from_world)
    np.testing.assert_array_equal(structure.xyz_world, again.xyz_world)


def test_adjustment_repairs_disturbed_cameras(walk):
    rng = np.random.default_rng(1)
    disturbed = walk.cameras.cam_from_world.copy()
    disturbed[:, :, 3] += rng.normal(0, 0.02, (20, 3))
    off = walk.cameras._replace(
        K=walk.cameras.K * np.array([[1.05], [1.05], [1]]), cam_from_world=disturbed
    )
    off.K[:2, 2] = 320, 180
    observations = observations_of(walk.tracks, walk.tracks.visible.sum(axis=0) >= 3)
    fixed = adjust(off, observations, walk.xyz_world, SIZE_PX, 50)
    assert walk.position_error(off) > 5 * walk.position_error(fixed)
    assert fixed.K[0, 0] == pytest.approx(500, rel=0.01)


def test_keyframes_span_the_clip_evenly(walk):
    chosen = choose_keyframes(walk.tracks, 640)
    assert chosen[0] == 0
    assert chosen[-1] == 19
    assert len(chosen) >= 14
    assert np.diff(chosen).max() <= 3


def test_untrusted_cameras_are_refused_by_the_name_of_the_limit(walk):
    cameras, structure = solve(walk)
    none_held_out = np.zeros(len(walk.xyz_world), bool)
    collapsed = cameras._replace(K=cameras.K * np.array([[0.02], [0.02], [1]]))
    _, reasons = judge(walk, collapsed, structure, none_held_out)
    assert {"min_focal_ratio", "min_inlier_fraction"} <= {r.name for r in reasons}
    for name, spoilt in {
        "min_border_share": GOOD._replace(border_share=0.2),
        "min_off_flat_image_fraction": GOOD._replace(off_flat_image=0.02),
        "max_radial_distortion": blamed(corner_shift=Estimate(-0.08, 0.02)),
        "max_distortion_focal_error": blamed(focal_shift=Estimate(0.2, 0.02)),
        "max_center_wander_fraction": blamed(wander_fraction=0.6),
        "max_center_wander_focal_error": blamed(wander_focal_deviation=0.2),
        "max_center_shift": blamed(center_shift=(Estimate(0.06, 0.01), Estimate(-0.06, 0.01))),
    }.items():
        _, reasons = judge(walk, cameras, structure, none_held_out, spoilt)
        assert name in {r.name for r in reasons}
    unsure = blamed(corner_shift=Estimate(-0.08, 0.04), focal_shift=Estimate(0.1, 0.04))
    _, reasons = judge(walk, cameras, structure, none_held_out, unsure)
    assert not {"max_radial_distortion", "max_distortion_focal_error"} & {r.name for r in reasons}
    _, reasons = judge(walk, cameras, structure, none_held_out, uncertainty=np.inf)
    assert "max_focal_uncertainty" in {r.name for r in reasons}
    half = cameras.cam_from_world.copy()
    half[10:] = np.nan
    _, reasons = judge(walk, cameras._replace(cam_from_world=half), structure, none_held_out)
    failed = {r.name: (r.measured, r.limit) for r in reasons}
    assert failed["min_registered_fraction"] == (0.5, 0.8)


def test_held_out_tracks_betray_wrong_cameras(walk):
    cameras, structure = solve(walk)
    wrong = cameras.cam_from_world.copy()
    wrong[::2, 1, 3] += 0.05 * np.linalg.norm(np.ptp(camera_centers(wrong), axis=0))
    everything = np.ones(len(walk.xyz_world), bool)
    quality, reasons = judge(walk, cameras._replace(cam_from_world=wrong), structure, everything)
    assert quality.inlier_fraction < 0.5
    assert "min_inlier_fraction" in {r.name for r in reasons}


def test_the_focal_length_is_as_uncertain_as_it_turns_out_to_be(scene_of, walk):
    t = np.linspace(0, 1, 20)
    hardly = scene_of(np.stack([0.3 * t, 0 * t, 0 * t], axis=1), 0 * t, num_points=60)
    cameras, structure = solve(walk)
    sure = uncertainty_of_focal(cameras, structure, SIZE_PX)
    assert sure < 0.01
    assert cameras.K[0, 0] == pytest.approx(500, rel=3 * sure)
    everything = np.ones(len(hardly.xyz_world), bool)
    tracks = observations_of(hardly.tracks, everything)
    found = solve_all_frames(hardly.cameras, tracks, SIZE_PX)
    unsure = uncertainty_of_focal(*found, SIZE_PX)
    assert unsure > 10 * sure
    assert found[0].K[0, 0] == pytest.approx(500, rel=3 * unsure)


@pytest.mark.parametrize("start", [0.75, 1.3])
def test_the_focal_length_is_found_on_a_short_way_whichever_it_begins_with(scene_of, start):
    """Ten iterations end at 480 px; without points below a degree of parallax it stays at 650."""
    t = np.linspace(0, 1, 20)
    short = scene_of(np.stack([0.2 * t, 0 * t, 0.06 * t], axis=1), 10 * t - 5)
    tracks = observations_of(short.tracks, np.ones(len(short.xyz_world), bool))
    off = Cameras(np.diag([start, start, 1]) @ short.cameras.K, *short.cameras[1:])
    cameras, structure = solve_all_frames(off, tracks, SIZE_PX)
    assert cameras.K[0, 0] == pytest.approx(500, rel=0.005)
    assert uncertainty_of_focal(cameras, structure, SIZE_PX) < 0.01


def test_a_focal_length_that_is_given_holds_where_the_observations_hardly_tell(scene_of):
    t = np.linspace(0, 1, 20)
    short = scene_of(np.stack([0.3 * t, 0 * t, 0 * t], axis=1), 0 * t, num_points=60)
    given = LensPrior(focal=500 / 640, spread=CALIBRATED_SPREAD)
    tracks = observations_of(short.tracks, np.ones(60, bool))
    off = Cameras(np.diag([1.2, 1.2, 1]) @ short.cameras.K, *short.cameras[1:])
    focal, unsure = [], []
    for lens in (USUAL_LENS, given):
        cameras, structure = solve_all_frames(off, tracks, SIZE_PX, lens)
        focal.append(cameras.K[0, 0])
        unsure.append(uncertainty_of_focal(cameras, structure, SIZE_PX, lens))
    assert abs(focal[0] / 500 - 1) > 0.03
    assert focal[1] == pytest.approx(500, rel=0.01)
    assert unsure[1] < 0.02 < unsure[0]


def test_keyframes_overlap_as_far_as_tracks_reach(scene_of, walk):
    every_second = np.arange(0, 20, 2, dtype=np.int32)
    t = np.linspace(0, 1, 20)
    still = scene_of(np.zeros((20, 3)), 0 * t)
    assert mean_overlap(still.tracks, every_second) == 1
    assert 0.2 < mean_overlap(walk.tracks, every_second) < 0.8
    assert mean_overlap(walk.tracks, every_second[:1]) == 1


def test_a_jump_stands_out_of_the_steps_around_it():
    t = np.arange(30.0)
    path = np.zeros((30, 3, 4))
    path[:, :, :3] = np.eye(3)
    path[:, 0, 3] = t
    K = np.eye(3)
    assert trajectory_jump(Cameras(K, path, np.ones(len(path)))) == pytest.approx(1.0)
    path[15:, 0, 3] += 20
    assert trajectory_jump(Cameras(K, path, np.ones(len(path)))) == pytest.approx(21.0)


def _path(centers: np.ndarray) -> Cameras:
    pose = np.zeros((len(centers), 3, 4))
    pose[:, :, :3], pose[:, :, 3] = np.eye(3), -centers
    return Cameras(np.eye(3), pose, np.ones(len(centers)))


def test_the_steps_of_a_path_agree_and_those_of_noise_do_not():
    t = np.linspace(0, 1, 48)
    rng = np.random.default_rng(0)
    walk = np.column_stack([t, 0.1 * np.sin(9 * t), 0 * t])
    assert step_agreement(_path(walk)) > 0.95
    assert step_agreement(_path(walk + rng.normal(0, 0.004, walk.shape))) > 0.8  # at wide spacing
    assert step_agreement(_path(rng.normal(0, 1, (48, 3)))) < 0
    assert step_agreement(_path(np.cumsum(rng.normal(0, 1, (48, 3)), axis=0))) < 0.3
    assert step_agreement(_path(walk[:5])) == 1.0


def test_a_path_to_and_fro_is_refused_where_parallax_is_small(walk):
    cameras, structure = solve(walk)
    noise = np.random.default_rng(0).normal(0, 1, (cameras.registered.sum(), 3))
    jumpy = _path(noise)._replace(K=cameras.K)
    quality = ReconstructionQuality(median_triangulation_angle_deg=1.5, focal_px=500)
    asked = (structure, GOOD, 640)
    assert "min_step_agreement" in {r.name for r in failed_tests(quality, jumpy, *asked)}
    assert "min_step_agreement" not in {r.name for r in failed_tests(quality, cameras, *asked)}
    sure = replace(quality, median_triangulation_angle_deg=6.0)
    assert "min_step_agreement" not in {r.name for r in failed_tests(sure, jumpy, *asked)}


def test_every_way_of_mapping_finds_the_same_cameras(walk):
    observations = observations_of(walk.tracks, np.ones(len(walk.xyz_world), bool))
    keyframes = choose_keyframes(walk.tracks, 640)
    ways = map_keyframes(observations, keyframes, 20, SIZE_PX, LensPrior(starts=()))
    globally, incremental = ways
    for cameras in (incremental, globally):
        assert walk.position_error(cameras) < 0.01
        assert cameras.K[0, 0] == pytest.approx(500, rel=0.05)
        assert set(np.flatnonzero(cameras.registered)) == set(keyframes)


def test_the_best_start_is_the_one_that_unseen_tracks_agree_with(walk):
    held_out = np.arange(len(walk.xyz_world)) % 10 == 0
    used, unused = observations_of(walk.tracks, ~held_out), observations_of(walk.tracks, held_out)
    keyframes = choose_keyframes(walk.tracks, 640)
    best = best_start(used, unused, keyframes, 20, SIZE_PX)
    assert best is not None
    assert walk.position_error(best) < 0.005
    bent = best.cam_from_world.copy()
    bent[keyframes[::2], 1, 3] += 0.3
    bent = best._replace(cam_from_world=bent)
    test = unused.where(np.isin(unused.frame, keyframes))
    assert held_out_error_px(best, test) < 0.3
    assert held_out_error_px(bent, test) > 1.0
    one_lost = best.cam_from_world.copy()
    one_lost[keyframes[1]] = np.nan
    lost = held_out_error_px(best._replace(cam_from_world=one_lost), test)
    assert lost > held_out_error_px(best, test) + 0.1


def test_a_frame_far_off_the_path_has_no_pose(walk):
    strayed = walk.cameras.cam_from_world.copy()
    strayed[[0, 9], 0, 3] += 5.0
    kept = without_strays(walk.cameras._replace(cam_from_world=strayed))
    assert np.flatnonzero(~kept.registered).tolist() == [0, 9]
    assert without_strays(walk.cameras).registered.all()
    turned = walk.cameras.cam_from_world.copy()
    turned[10:, 0, 3] += 5.0  # one half against the other: which of them strays?
    assert without_strays(walk.cameras._replace(cam_from_world=turned)).registered.all()
