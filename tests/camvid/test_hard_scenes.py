"""What makes generated scenes hard: is it in the images, and is the truth still true?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.geometry import img_from_cam, transform_points
from camvid.scenes.fairness import observable, relative_baseline
from camvid.scenes.figures import TORSO_HEIGHT_M, car, jelly, person
from camvid.scenes.files import load_truth, write_scene
from camvid.scenes.furnish import room
from camvid.scenes.generate import CHALLENGES, random_scene
from camvid.scenes.limbs import Limb, Squeezed
from camvid.scenes.motion import Dolly, RigidMotion, fixed
from camvid.scenes.render import render
from camvid.scenes.routes import PATH_KINDS, PathKind
from camvid.scenes.sensor import Sensor
from camvid.scenes.spec import Body, SceneSpec
from camvid.scenes.textures import Texture
from camvid.scenes.truth import true_motion_strength

CLEAN = Sensor(noise=0.0)
TRIPOD = fixed((0.0, -4.0, 1.2), (0.0, 0.5, 0.9))
GAP_S = 1 / 12


def coarse(spec: SceneSpec) -> SceneSpec:
    """The scene with textures that are quick to paint."""

    def plain(texture: Texture) -> Texture:
        return replace(texture, px_per_m=20.0)

    def all_plain(bodies: tuple[Body, ...]) -> tuple[Body, ...]:
        return tuple(replace(body, texture=plain(body.texture)) for body in bodies)

    walls = {name: plain(getattr(spec.room, name)) for name in ("wall", "floor", "ceiling")}
    return replace(
        spec,
        room=replace(spec.room, **walls),
        objects=all_plain(spec.objects),
        furniture=all_plain(spec.furniture),
    )


def scene(*objects: Body, num_frames: int = 6, **changes: object) -> SceneSpec:
    """A small coarse scene before a fixed camera."""
    spec = SceneSpec(
        name="hard", seed=0, path=TRIPOD, room=room(0), objects=objects, num_frames=num_frames
    )
    return coarse(replace(spec, width_px=160, height_px=90, sensor=CLEAN, **changes))


def box(**motion: object) -> Body:
    return Body(
        name="box",
        half_size_m=(0.35, 0.35, 0.35),
        texture=Texture(seed=3),
        motion=RigidMotion(position_m=(0.0, 0.0, 0.35), **motion),  # pyright: ignore[reportArgumentType]
    )


def walker(stride_hz: float) -> tuple[Body, ...]:
    velocity = (0.9, 0.0, 0.0) if stride_hz else (0.0, 0.0, 0.0)
    root = RigidMotion(
        position_m=(-0.5, 0.0, TORSO_HEIGHT_M), yaw_deg=-90, velocity_m_per_s=velocity
    )
    colours = (200, 60, 40), (40, 60, 200)
    return person("walker", root, seed=5, colours=colours, stride_hz=stride_hz)


@pytest.mark.parametrize(("seed", "path"), list(enumerate(PATH_KINDS)))
def test_random_scenes_are_what_was_asked_for(seed: int, path: PathKind):
    wanted = {"fixed": "fixed", "pan": "rotating", "zoom": "zooming"}.get(path, "moving")
    spec = coarse(random_scene(seed, path=path, num_movers=2))
    truth = render(replace(spec, width_px=96, height_px=54, num_frames=6, fps=3.0))
    assert truth.camera == wanted
    assert len(truth.moving_ids) == 2
    assert truth.depth.min() > 1.0  # the camera never runs into anything
    assert set(np.unique(truth.object_id)) >= {0, *truth.moving_ids}  # movers are seen


def test_any_forty_seeds_hold_every_path_and_challenge():
    found = {name for seed in range(300, 340) for name in random_scene(seed).ingredients}
    lenses = {"long_lens", "wide_lens"}
    assert found >= {*PATH_KINDS, *CHALLENGES, *lenses}
    still = ["nothing_moves" in random_scene(seed).ingredients for seed in range(300, 340)]
    assert sum(still) >= 10


@pytest.mark.parametrize("seed", [26, 52, 78, 104])
def test_a_dominant_mover_hides_about_half_of_the_image(seed: int):
    spec = coarse(random_scene(seed))
    assert "dominant_mover" in spec.ingredients
    truth = render(replace(spec, width_px=96, height_px=54, num_frames=6, fps=3.0))
    assert truth.moving_ids == (1,)
    assert 0.35 < (truth.object_id == 1).mean() < 0.7


def test_limbs_keep_to_their_joints():
    parent = RigidMotion(position_m=(1.0, 2.0, 3.0), velocity_m_per_s=(0.5, 0.0, 0.0), yaw_deg=30)
    limb = Limb(
        parent=parent,
        pivot_m=(0.1, 0.0, -0.3),
        centre_m=(0.0, 0.0, -0.2),
        swing_deg=40.0,
        swing_hz=1.0,
    )
    times_s = np.linspace(0, 1, 9)
    joint = np.array([[0.0, 0.0, 0.2]])  # the pivot, in the limb's own axes
    ends = np.array([[0.0, 0.0, -0.2]])
    for moment, whole in zip(limb(times_s), parent(times_s), strict=True):
        there = transform_points(whole[:3], np.array([limb.pivot_m]))
        np.testing.assert_allclose(transform_points(moment[:3], joint), there, atol=1e-12)
    swing = np.stack([transform_points(moment[:3], ends)[0] for moment in limb(times_s)])
    assert np.ptp(swing[:, 2]) > 0.05


def test_what_is_squeezed_keeps_its_place_and_about_its_volume():
    base = RigidMotion(position_m=(0.0, 1.0, 0.5), spin_deg_per_s=(0, 0, 30))
    squeezed = Squeezed(base=base, stretch=(0.2, 0.2, 0.2), stretch_hz=1.0)
    times_s = np.linspace(0, 1, 13)
    volumes = np.linalg.det(squeezed(times_s)[:, :3, :3])
    assert squeezed.moves
    assert np.abs(volumes - 1).max() < 0.07
    np.testing.assert_array_equal(squeezed(times_s)[:, :3, 3], base(times_s)[:, :3, 3])
    lengths = np.linalg.norm(squeezed(times_s)[:, :3, :3], axis=1)
    assert np.ptp(lengths[:, 0]) > 0.3


def test_a_walker_is_one_object_of_many_parts_on_disk_too(tmp_path: Path):
    truth = render(scene(*walker(1.0)))
    assert len(truth.part_names) == 10
    assert truth.object_names == ("walker",)
    assert set(np.unique(truth.object_id)) == {0, 1}
    write_scene(truth, tmp_path)
    read = load_truth(tmp_path)
    assert (read.part_names, read.part_ids) == (truth.part_names, truth.part_ids)
    np.testing.assert_array_equal(read.world_from_part, truth.world_from_part)
    assert true_motion_strength(read, GAP_S)[1] == pytest.approx(
        true_motion_strength(truth, GAP_S)[1], rel=0.02
    )


def test_limbs_move_more_than_the_walker_and_a_standing_figure_not_at_all():
    walking = true_motion_strength(render(scene(*walker(1.0))), GAP_S)[1]
    box_alone = true_motion_strength(render(scene(box(velocity_m_per_s=(0.9, 0.0, 0.0)))), GAP_S)[1]
    assert walking > box_alone
    parked = car("car", RigidMotion(position_m=(0.5, 1.0, 0.0)), seed=8, colour=(90, 90, 200))
    still = render(scene(*walker(0.0), *parked))
    assert still.moving_ids == ()
    assert true_motion_strength(still, GAP_S) == {1: 0.0, 2: 0.0}


def test_points_of_a_squeezed_body_lie_on_what_is_seen():
    motion = RigidMotion(position_m=(0.0, 0.0, 0.8))
    body = jelly("jelly", motion, seed=1, colour=(200, 40, 40), half_m=(0.5, 0.5, 0.5))
    truth = render(scene(body, num_frames=12))
    for frame in (0, 5, 11):
        world = transform_points(truth.world_from_part[frame, 0, :3], truth.surface_points[0])
        cam = transform_points(truth.cam_from_world[frame], world)
        xy_px, depth = img_from_cam(truth.K, cam)
        column, row = xy_px.astype(int).T
        front = depth < np.median(depth) - 0.25  # far from the outline
        assert front.sum() > 10
        np.testing.assert_allclose(truth.depth[frame, row, column][front], depth[front], rtol=0.02)


def test_points_lie_evenly_on_boxes_and_ellipsoids_alike():
    """Between bodies by their areas, and on an ellipsoid no denser at its tips."""
    rest = RigidMotion(position_m=(0.0, 0.0, 0.5))
    block = Body(name="thing/a", half_size_m=(0.3, 0.3, 0.3), texture=Texture(seed=3), motion=rest)
    ball = replace(block, name="thing/b", shape="ellipsoid")
    on_block, on_ball = scene(block, ball).surface_points
    assert len(on_ball) / len(on_block) == pytest.approx(np.pi / 6, rel=0.03)
    limb = replace(ball, half_size_m=(0.05, 0.05, 0.5))
    along = np.abs(scene(limb).surface_points[0][:, 2]) / 0.5
    assert along.mean() == pytest.approx(0.424, abs=0.06)  # 4 / (3 pi); evenly in z it is 0.5


def test_a_zoom_changes_K_and_nothing_else():
    small = replace(box(), half_size_m=(0.3, 0.3, 0.3))
    raised = replace(small, motion=RigidMotion(position_m=(0.0, 0.0, 1.0)))
    truth = render(scene(raised, zoom=1.5))
    focal_px = truth.K_per_frame[:, 0, 0]
    assert focal_px[-1] / focal_px[0] == pytest.approx(1.5)
    assert (truth.camera, truth.kind) == ("zooming", "none")
    area = (truth.object_id == 1).sum(axis=(1, 2))
    assert area[-1] / area[0] == pytest.approx(1.5**2, rel=0.05)
    assert true_motion_strength(truth, GAP_S) == {1: 0.0}


def test_a_shadow_falls_away_from_the_lamp_and_only_on_the_floor():
    spec = scene(box(), num_frames=1)
    lit, shaded = render(spec), render(replace(spec, lamp=(-1.0, 0.0, 1.0)))
    np.testing.assert_array_equal(lit.depth, shaded.depth)
    np.testing.assert_array_equal(lit.object_id, shaded.object_id)
    darker = shaded.rgb[0].mean(axis=-1) < 0.7 * lit.rgb[0].mean(axis=-1)
    # the box is 0.7 m high, the lamp at 45 degrees on the left: shadow over x from 0.35 to 1.05
    for x, expected in ((0.6, True), (0.9, True), (1.3, False), (-0.6, False)):
        on_floor = transform_points(spec.cam_from_world[0], np.array([[x, 0.0, 0.0]]))
        column, row = img_from_cam(lit.K, on_floor)[0][0].astype(int)
        assert darker[row, column] == expected, x
    change = np.abs(lit.rgb.astype(int) - shaded.rgb)
    assert (change[lit.object_id == 1] > 2).mean() < 0.03  # pixels of its outline


def test_blur_smears_what_moves_and_leaves_the_rest_and_the_truth():
    spec = scene(box(velocity_m_per_s=(2.0, 0.0, 0.0)), num_frames=3)
    sharp, blurred = render(spec), render(replace(spec, sensor=replace(CLEAN, shutter=0.9)))
    np.testing.assert_array_equal(sharp.depth, blurred.depth)
    difference = np.abs(sharp.rgb[1].astype(int) - blurred.rgb[1]).mean(axis=-1)
    assert difference[:20].mean() < 0.5  # the wall
    assert difference[sharp.object_id[1] == 1].mean() > 2


def test_sensors_darken_corners_flicker_in_bands_and_drift():
    light = np.full((40, 60, 3), 100, np.float32)
    dark = Sensor(noise=0.0, vignette=0.5).expose(light, 0.0, 0.0, [0])
    assert dark[20, 30, 0] == 100
    assert dark[0, 0, 0] == 50
    banded = Sensor(noise=0.0, flicker=0.1, bands=2.0).expose(light, 0.0, 0.0, [0])
    assert np.ptp(banded, axis=1).max() == 0  # rows are exposed at once
    assert np.ptp(banded[:, 0, 0].astype(int)) == 20
    drift = Sensor(noise=0.0, gain=(1.0, 0.6))
    assert drift.expose(light, 1.0, 0.0, [0]).mean() == 60


def test_what_the_images_cannot_tell_is_said():
    step = Dolly(eye_m=((0.0, -4.0, 1.2), (0.05, -4.0, 1.2)), target_m=((0.0, 1.0, 0.9),) * 2)
    tiny = render(scene(path=step))
    assert tiny.camera == "moving"
    assert relative_baseline(tiny) < 0.01
    assert not observable(tiny).camera
    crawling = render(scene(box(velocity_m_per_s=(0.2, 0.0, 0.0))))
    assert observable(crawling).camera
    assert not observable(crawling).motion
    running = render(scene(box(velocity_m_per_s=(1.0, 0.0, 0.0))))
    assert observable(running).kind
