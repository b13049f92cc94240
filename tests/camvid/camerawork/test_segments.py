"""Camera paths whose motions are known, with the noise of solved cameras: classes, order, sizes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import CameraKind, Clip, Reconstruction, ReconstructionQuality
from camvid.camerawork.caption import label_caption
from camvid.camerawork.movers import Mover
from camvid.camerawork.moves import CameraMove, CameraWork, Move, MoveSegment
from camvid.camerawork.segments import camera_work
from camvid.geometry import invert_rigid
from camvid.objects import MaskedObject, Origin
from tests.factories import make_clip

FPS, DEPTH = 24.0, 5.0
AXES = {"x": 0, "y": 1, "z": 2, "tilt": 3, "pan": 4, "roll": 5, "zoom": 6}
Leg = dict[str, float]  # metres of travel, degrees of turn, log of zoom, and seconds


def driven(
    legs: list[Leg], *, noise: float = 1.0, shake_deg: float = 0.0, ease: bool = False
) -> tuple[Clip, Reconstruction]:
    """(clip, cameras) driven along each leg in turn, as an operator does."""
    rng = np.random.default_rng(3)
    world_from_cam, zoom = [np.eye(4)], [1.0]
    for leg in legs:
        num = round(leg.get("s", 2.0) * FPS)
        speed = np.full(num, 1 / num)
        if ease:
            speed = np.diff((1 - np.cos(np.linspace(0, np.pi, num + 1))) / 2)
        total = np.zeros(7)
        for name, index in AXES.items():
            total[index] = leg.get(name, 0.0)
        for share in speed:
            step = np.eye(4)
            step[:3, :3] = Rotation.from_rotvec(np.radians(total[3:6]) * share).as_matrix()
            step[:3, 3] = total[:3] * share
            world_from_cam.append(world_from_cam[-1] @ step)
            zoom.append(zoom[-1] * np.exp(total[6] * share))
    num = len(zoom)
    phase = np.linspace(0, num / FPS, num)[:, None] * 2 * np.pi * np.array([2.1, 3.3, 4.7])
    off = np.radians(shake_deg) * np.sin(phase) + rng.normal(0, noise * 2e-4, (num, 3))
    pose = invert_rigid(np.stack(world_from_cam)[:, :3])
    cam_from_world = Rotation.from_rotvec(off).as_matrix() @ pose
    cam_from_world[..., 3] += rng.normal(0, noise * 2e-4 * DEPTH, (num, 3))
    travels = np.ptp(np.stack(world_from_cam)[:, :3, 3], axis=0).max() > 0
    kind: CameraKind = "moving" if travels else "zooming" if np.ptp(zoom) else "rotating"
    if not travels:
        cam_from_world[..., 3] = 0
    points = np.tile([[0.0, 0.0, DEPTH]], (9, 1)) if travels else np.zeros((0, 3))
    solved = Reconstruction(
        camera=kind,
        K=np.array([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]]),
        zoom=np.array(zoom),
        cam_from_world=cam_from_world,
        registered=np.ones(num, bool),
        points_world=points.astype(np.float32),
        point_rgb=np.zeros((len(points), 3), np.uint8),
        observation_frame=np.zeros(0, np.int32),
        observation_point=np.zeros(0, np.int32),
        observation_xy_px=np.zeros((0, 2), np.float32),
        quality=ReconstructionQuality(),
    )
    return make_clip("c" * 16, num), solved


def work_of(*legs: Leg, shake_deg: float = 0.0, ease: bool = False) -> CameraWork:
    return camera_work(*driven(list(legs), shake_deg=shake_deg, ease=ease))


CLASSES: list[tuple[Leg, str, float]] = [
    ({"z": 1.5}, "dolly_in", 1.5 / 4.25),  # of the depth on the way, in the median,
    ({"z": -1.5}, "dolly_out", 1.5 / 5.75),
    ({"x": 1.0}, "truck_right", 0.2),
    ({"x": -1.0}, "truck_left", 0.2),
    ({"y": -1.0}, "pedestal_up", 0.2),
    ({"y": 1.0}, "pedestal_down", 0.2),
    ({"pan": 20}, "pan_right", 20),
    ({"pan": -20}, "pan_left", 20),
    ({"tilt": 10}, "tilt_up", 10),
    ({"tilt": -10}, "tilt_down", 10),
    ({"roll": 15}, "roll_clockwise", 15),
    ({"roll": -15}, "roll_counterclockwise", 15),
    ({"zoom": 0.3}, "zoom_in", np.exp(0.3) - 1),
    ({"zoom": -0.3}, "zoom_out", np.exp(0.3) - 1),
    ({"x": DEPTH * 0.5, "pan": -np.degrees(0.5)}, "arc_right", np.degrees(0.5)),
    ({"x": -DEPTH * 0.5, "pan": np.degrees(0.5)}, "arc_left", np.degrees(0.5)),
]


@pytest.mark.parametrize(("leg", "name", "amount"), CLASSES)
@pytest.mark.parametrize("ease", [False, True])
def test_each_class(leg: Leg, name: str, amount: float, ease: bool) -> None:
    work = work_of(leg, ease=ease)
    assert work.classes == (name,)
    assert len(work.segments) == 1
    (move,) = work.segments[0].moves
    assert move.amount == pytest.approx(amount, rel=0.06)


def test_signs_are_those_of_the_image() -> None:
    """What a camera that pans right and tilts up sees leaves to the left and downwards."""
    _, solved = driven([{"pan": 5, "tilt": 3}], noise=0)
    ahead = solved.cam_from_world[-1, :, :3] @ [0, 0, 1.0]
    assert ahead[0] < 0 < ahead[1]
    _, rolled = driven([{"roll": 5}], noise=0)
    right = rolled.cam_from_world[-1, :, :3] @ [1.0, 0, 0]
    assert right[1] < 0  # what was on the right rises as the camera's right side goes down


@pytest.mark.parametrize(
    ("legs", "order"),
    [
        ([{"z": 2.0}, {"pan": -20}], [("dolly_in",), ("pan_left",)]),
        ([{"pan": 20}, {"pan": -20}], [("pan_right",), ("pan_left",)]),
        ([{"s": 1.5}, {"pan": 20}, {"s": 1.5}], [(), ("pan_right",), ()]),
        ([{"z": 1}, {"z": 1, "s": 4}], [("dolly_in",)]),  # slower, but on the same way
        ([{"z": 2.0, "zoom": -0.35}], [("dolly_in", "zoom_out")]),
        (
            [{"x": 1.5}, {"tilt": 12}, {"y": -1.5}],
            [("truck_right",), ("tilt_up",), ("pedestal_up",)],
        ),
    ],
)
def test_order(legs: list[Leg], order: list[tuple[str, ...]]) -> None:
    segments = work_of(*legs).segments
    assert [tuple(move.name for move in s.moves) for s in segments] == order
    assert [s.start_s for s in segments[1:]] == [s.end_s for s in segments[:-1]]


@pytest.mark.parametrize("shake_deg", [0.0, 0.3])
def test_mixtures_of_up_to_three_ways(shake_deg: float) -> None:
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(40):
        chosen = [CLASSES[n] for n in rng.choice(len(CLASSES), rng.integers(1, 4), replace=False)]
        legs = [{**leg, "s": float(rng.uniform(1, 2.5))} for leg, _, _ in chosen]
        work = work_of(*legs, shake_deg=shake_deg, ease=bool(rng.integers(2)))
        found = [tuple(move.name for move in segment.moves) for segment in work.segments]
        right += found == [(name,) for _, name, _ in chosen]
    assert right >= 36


def test_a_corner_is_where_the_camera_changes_its_way() -> None:
    first, _ = work_of({"z": 2.0, "s": 1.0}, {"pan": -20, "s": 3.0}).segments
    assert first.end_s == pytest.approx(1.0, abs=0.1)


def test_shake_is_told_from_noise_and_from_the_way() -> None:
    assert work_of({"z": 1.5}).handheld is False
    assert work_of({"z": 1.5}, shake_deg=0.4).classes == ("dolly_in", "handheld")
    assert work_of({"pan": 0.2}, shake_deg=0.4).classes == ("handheld",)
    assert work_of({"pan": 0.2}).classes == ("static",)


def test_unknown_and_fixed_cameras() -> None:
    clip, solved = driven([{"z": 1.5}])
    unknown = Reconstruction.without_trajectory(
        "unknown", clip.num_frames, quality=solved.quality, reasons=()
    )
    assert camera_work(clip, unknown).classes == ()
    fixed = Reconstruction.without_trajectory(
        "fixed", clip.num_frames, quality=solved.quality, reasons=()
    )
    assert camera_work(clip, fixed).classes == ("static",)


def test_frames_without_a_camera_are_passed_over() -> None:
    clip, solved = driven([{"x": 1.0}])
    cam_from_world, registered = solved.cam_from_world.copy(), solved.registered.copy()
    cam_from_world[5:20], registered[5:20] = np.nan, False
    holed = replace(solved, cam_from_world=cam_from_world, registered=registered)
    (move,) = camera_work(clip, holed).segments[0].moves
    assert (move.name, move.amount) == ("truck_right", pytest.approx(0.2, rel=0.06))


def test_the_sentence() -> None:
    moves = (Move(CameraMove.DOLLY_IN, 0.4), Move(CameraMove.TILT_UP, 4.6))
    segments = (
        MoveSegment(start_s=0, end_s=2, moves=moves),
        MoveSegment(start_s=2, end_s=3, moves=()),
        MoveSegment(start_s=3, end_s=4, moves=(Move(CameraMove.ARC_LEFT, 30),)),
    )
    dog = MaskedObject(1, "dog", 0.9)
    movers = (
        Mover(dog, 0.05, 0.02, "from left to right"),
        Mover(MaskedObject(2, "moving", 0.9, Origin.MOVING), 0.001, 0.01, ""),
    )
    assert label_caption(CameraWork(segments, handheld=True), movers) == (
        "The hand-held camera dollies in by 40 % of the scene's depth and tilts up 5 degrees,"
        " then stands still, then arcs left around the scene by 30 degrees; a dog moves from left"
        " to right and a small object moves."
    )
    assert label_caption(work_of({"zoom": 0.3}), ()) == "The camera zooms in 1.3 times."
    assert label_caption(work_of({"pan": 0.1}), ()) == "The camera is static."
    assert label_caption(CameraWork((), handheld=False), ()) is None


def test_movers_that_do_the_same_are_counted() -> None:
    ways = ["from left to right"] * 2 + ["", "upwards", "downwards"]
    movers = [Mover(MaskedObject(n, "dog", 0.9), 0.05, 0.02, way) for n, way in enumerate(ways)]
    assert label_caption(CameraWork((), handheld=False), movers) == (
        "2 dogs move from left to right, another dog moves, another dog moves upwards and 1 more"
        " object moves."
    )
