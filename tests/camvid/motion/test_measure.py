"""Motion strength on exact tracks: still things must be still, and known speeds must come out."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from camvid.artifacts import (
    F64,
    Clip,
    DepthMaps,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Rigidity,
    Video,
)
from camvid.geometry import img_from_cam, transform_points
from camvid.motion import measure_motion
from camvid.motion.objects import PAIR_GAP_S
from camvid.rigidity.cameras import cameras_of
from camvid.rigidity.estimate import estimate_rigidity

WIDTH, HEIGHT = 320, 240
K = np.array([[300.0, 0, WIDTH / 2], [0, 300.0, HEIGHT / 2], [0, 0, 1]])
WALL, OBJECT = 10.0, 6.0  # depths; cameras look along z and never leave z = 0
GAP_S = PAIR_GAP_S


def measured(
    clip: Clip,
    masks: ObjectMasks,
    cameras: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
) -> MotionReport:
    """As the stages do it."""
    rigidity = rated(clip, cameras, tracks)
    return measure_motion(clip, masks, cameras, depth, tracks, rigidity)


def rated(clip: Clip, cameras: Reconstruction, tracks: PointTracks) -> Rigidity:
    size_px, owner = (clip.width_px, clip.height_px), tracks.object_id
    posed = cameras_of(cameras, tracks, owner, size_px)
    return estimate_rigidity(tracks, owner, posed, size_px, clip.fps)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A wall and one cloud of keypoints in front of it, seen by a camera that slides sideways."""

    timestamps_s: F64 = field(default_factory=lambda: np.arange(36) / 24)
    object_speed: tuple[float, float, float] = (0.0, 0.0, 0.0)  # units per second
    camera_speed: float = 0.6  # along x
    pan_deg_s: float = 0.0
    noise_px: float = 0.03
    object_depth_factor: float = 1.0  # wrong depth on the object
    object_confidence: int = 255
    caught_background: float = 0.0  # share of the object's keypoints that lie on the wall
    outliers: float = 0.0  # share of the object's keypoints that jump about
    object_points: int = 60
    camera: str = "moving"
    zoom: float = 1.0  # focal length at the end over that at the start
    solved: bool = True  # whether the rotations of a camera that only turns are known

    def measure(self) -> MotionReport:
        tracks = self.tracks()
        masks = self.masks()
        return measured(self.clip(), masks, self.cameras(), self.depth(masks), tracks)

    def expected(self) -> float:
        """Strength of an object moving across the line of sight."""
        x, y, _ = self.object_speed
        shift_px = 300.0 / OBJECT * GAP_S * np.array([x, y])
        return float(np.linalg.norm(shift_px / (WIDTH, HEIGHT)))

    def clip(self) -> Clip:
        video = Video(
            video_id="v", uri="", sha256="", width_px=WIDTH, height_px=HEIGHT, fps=24.0,
            num_frames=len(self.timestamps_s), duration_s=1.0,
        )  # fmt: skip
        return Clip(
            clip_id="c",
            video=video,
            start_s=0.0,
            end_s=1.0,
            timestamps_s=self.timestamps_s,
            source_frame_index=np.arange(len(self.timestamps_s), dtype=np.int32),
            width_px=WIDTH,
            height_px=HEIGHT,
            crop_px=(0, 0, WIDTH, HEIGHT),
        )

    def cam_from_world(self) -> F64:
        angle = np.radians(self.pan_deg_s * self.timestamps_s)
        poses = np.zeros((len(angle), 3, 4))
        poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
        poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
        poses[:, 1, 1] = 1
        poses[:, 0, 3] = -self.camera_speed * (self.timestamps_s - self.timestamps_s.mean())
        return poses

    def cameras(self) -> Reconstruction:
        num_frames = len(self.timestamps_s)
        rotation = self.cam_from_world()[:, :, :3]
        if self.camera != "moving":
            return Reconstruction.rotation_only(
                self.camera,  # pyright: ignore[reportArgumentType]
                rotation if self.solved else np.full_like(rotation, np.nan),
                K=K,
                zoom=np.ones(num_frames),
                quality=ReconstructionQuality(),
                reasons=(),
            )
        return Reconstruction(
            camera="moving",
            K=K,
            zoom=self.zooms(),
            cam_from_world=self.cam_from_world(),
            registered=np.ones(num_frames, bool),
            points_world=np.zeros((0, 3), np.float32),
            point_rgb=np.zeros((0, 3), np.uint8),
            observation_frame=np.zeros(0, np.int32),
            observation_point=np.zeros(0, np.int32),
            observation_xy_px=np.zeros((0, 2), np.float32),
            quality=ReconstructionQuality(),
        )

    def zooms(self) -> F64:
        return np.geomspace(1.0, self.zoom, len(self.timestamps_s))

    def seen(self, points: F64) -> F64:
        """Pixels [T, N, 2] of world points [T, N, 3]."""
        xy_px, _ = img_from_cam(K, transform_points(self.cam_from_world(), points))
        return (xy_px - K[:2, 2]) * self.zooms()[:, None, None] + K[:2, 2]

    def tracks(self) -> PointTracks:
        rng = np.random.default_rng(0)
        wall = rng.uniform((-4, -3, WALL), (4, 3, WALL), (150, 3))
        thing = rng.uniform((-0.6, -0.6, OBJECT), (0.6, 0.6, OBJECT), (self.object_points, 3))
        num_caught = round(self.caught_background * self.object_points)
        thing[:num_caught] *= WALL / OBJECT
        moved = np.repeat(np.concatenate([wall, thing])[None], len(self.timestamps_s), 0)
        since = self.timestamps_s - self.timestamps_s.mean()
        moved[:, 150 + num_caught :] += since[:, None, None] * np.array(self.object_speed)
        xy_px = self.seen(moved)
        xy_px += rng.normal(0, self.noise_px, xy_px.shape)
        wild = 150 + self.object_points - round(self.outliers * self.object_points)
        xy_px[:, wild:] += rng.normal(0, 15, xy_px[:, wild:].shape)
        inside = (xy_px > 0).all(axis=2) & (xy_px < (WIDTH, HEIGHT)).all(axis=2)
        object_id = np.repeat([0, 1], [150, self.object_points]).astype(np.uint16)
        return PointTracks(
            xy_px=xy_px.astype(np.float32),
            visible=np.asarray(inside, bool),
            object_id=object_id,
            query_frame=np.zeros(len(object_id), np.int32),
        )

    def masks(self) -> ObjectMasks:
        """A box about where the object is; keypoints say by themselves what they are on."""
        since = self.timestamps_s - self.timestamps_s.mean()
        center = since[:, None] * np.array(self.object_speed) + (0, 0, OBJECT)
        xy_px = self.seen(center[:, None])[:, 0]
        object_id = np.zeros((len(since), HEIGHT, WIDTH), np.uint16)
        for ids, (x, y) in zip(object_id, xy_px.astype(int), strict=True):
            ids[max(y - 36, 0) : max(y + 36, 0), max(x - 36, 0) : max(x + 36, 0)] = 1
        return ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "thing", 1.0),))

    def depth(self, masks: ObjectMasks) -> DepthMaps:
        own = masks.object_id > 0
        num_frames = len(self.timestamps_s)
        if self.camera != "moving":
            return DepthMaps.none(*own.shape)
        depth = np.where(own, OBJECT * self.object_depth_factor, WALL).astype(np.float32)
        return DepthMaps(
            depth=depth,
            valid=np.ones(own.shape, bool),
            confidence=np.where(own, self.object_confidence, 255).astype(np.uint8),
            scale=np.ones(num_frames),
            shift=np.zeros(num_frames),
            residual=np.zeros(num_frames),
            source="mono",
        )


STILL = 0.001  # a tenth of a percent of the side: what people are shown as 0.1


def test_still_object_under_a_moving_camera_is_still() -> None:
    report = Scene().measure()
    assert report.method == "depth"
    assert report.motion_strength < 0.0005
    assert report.lower_bound < 0.0005
    assert report.background < 0.0005
    assert report.confidence < 0.3


def test_still_object_under_a_camera_that_zooms_on_the_way_is_still() -> None:
    zoomed = Scene(zoom=1.2)
    assert zoomed.measure().motion_strength < 0.0005
    forgotten = replace(zoomed.cameras(), zoom=np.ones(36))  # the zoom would pass for motion
    masks = zoomed.masks()
    report = measured(zoomed.clip(), masks, forgotten, zoomed.depth(masks), zoomed.tracks())
    assert report.background > 0.001


@pytest.mark.parametrize("speed", [(0.0, 1.0, 0.0), (1.5, 0.0, 0.0), (0.6, -0.9, 0.0)])
def test_known_speed_comes_out(speed: tuple[float, float, float]) -> None:
    scene = Scene(object_speed=speed)
    report = scene.measure()
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)
    assert report.per_object[0].low <= report.motion_strength <= report.per_object[0].high
    assert report.confidence > 0.7
    assert report.reasons == ()


def test_lower_bound_sees_motion_across_the_epipolar_lines() -> None:
    scene = Scene(object_speed=(0.0, 1.0, 0.0))
    assert scene.measure().lower_bound == pytest.approx(scene.expected(), rel=0.15)


def test_motion_along_the_epipolar_lines_needs_depth() -> None:
    """The same images as a static point at half the depth: only the depth map tells."""
    scene = Scene(object_speed=(-0.6, 0.0, 0.0))
    report = scene.measure()
    assert report.lower_bound < STILL
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)


def test_motion_along_the_epipolar_lines_is_doubted_without_depth() -> None:
    report = Scene(object_speed=(-0.2, 0.0, 0.0), object_confidence=15).measure()
    assert report.motion_strength < STILL
    assert report.per_object[0].high > STILL
    assert [reason.name for reason in report.reasons] == ["min_depth_confidence"]


@pytest.mark.parametrize(("factor", "confidence"), [(1.2, 255), (0.85, 255), (1.5, 15)])
def test_wrong_depth_is_no_motion(factor: float, confidence: int) -> None:
    report = Scene(object_depth_factor=factor, object_confidence=confidence).measure()
    assert report.motion_strength < STILL
    assert report.per_object[0].high > STILL


@pytest.mark.parametrize("fps", [10, 24, 60])
def test_strength_does_not_depend_on_the_frame_rate(fps: int) -> None:
    scene = Scene(object_speed=(0.3, 1.0, 0.0), timestamps_s=np.arange(int(1.5 * fps)) / fps)
    report = scene.measure()
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)
    assert report.pair_gap_s == GAP_S


@pytest.mark.parametrize("fps", [2, 3.3, 4, 5, 6, 8])
@pytest.mark.parametrize("speed", [0.0, 0.5])
def test_low_frame_rates_are_measured_too(fps: float, speed: float) -> None:
    scene = Scene(
        object_speed=(0.0, speed, 0.0), camera_speed=0.2, timestamps_s=np.arange(int(4 * fps)) / fps
    )
    report = scene.measure()
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03, abs=STILL / 4)
    assert report.unmeasured_fraction == 0
    assert (report.interval_low > 0.001) == (speed > 0)
    probability = report.per_object[0].probability
    assert probability > 0.95 if speed else probability < 0.05


def test_a_hole_in_the_timestamps_makes_no_pair_and_hides_no_motion() -> None:
    seconds = np.arange(48) / 24
    seconds[20:] += 0.6
    report = (scene := Scene(object_speed=(0.0, 0.6, 0.0), timestamps_s=seconds)).measure()
    assert np.diff(seconds[report.pair_frames], axis=1).max() < 0.1
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)


def test_uneven_timestamps() -> None:
    rng = np.random.default_rng(3)
    timestamps_s = np.cumsum(rng.uniform(0.01, 0.07, 50))
    scene = Scene(object_speed=(0.0, 1.0, 0.0), timestamps_s=timestamps_s)
    assert scene.measure().motion_strength == pytest.approx(scene.expected(), rel=0.03)


@pytest.mark.parametrize("speed", [(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
def test_outlier_tracks_do_not_decide(speed: tuple[float, float, float]) -> None:
    scene = Scene(object_speed=speed, outliers=0.08)  # fewer than are trimmed
    assert scene.measure().motion_strength == pytest.approx(scene.expected(), rel=0.1, abs=STILL)


def test_background_caught_in_the_mask_does_not_decide() -> None:
    scene = Scene(object_speed=(0.0, 1.0, 0.0), caught_background=0.4, object_confidence=15)
    assert scene.measure().motion_strength == pytest.approx(scene.expected(), rel=0.05)


@pytest.mark.parametrize("solved", [True, False])
def test_pan_is_taken_out_by_homographies(solved: bool) -> None:
    pan = Scene(camera="rotating", camera_speed=0.0, pan_deg_s=12.0, solved=solved)
    assert pan.measure().method == "homography"
    assert pan.measure().motion_strength < STILL
    moving = replace(pan, object_speed=(0.0, 1.0, 0.0))
    assert moving.measure().motion_strength == pytest.approx(moving.expected(), rel=0.06)


def test_where_no_depth_is_known_homographies_take_the_place_of_poses() -> None:
    scene = Scene(camera_speed=0.0, object_speed=(0.0, 1.0, 0.0))
    masks = scene.masks()
    none = DepthMaps.none(*masks.object_id.shape)
    report = measured(scene.clip(), masks, scene.cameras(), none, scene.tracks())
    assert report.method == "homography"
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.06)


def test_fixed_camera_needs_no_background() -> None:
    scene = Scene(camera="fixed", camera_speed=0.0, object_speed=(0.0, 1.0, 0.0))
    tracks = scene.tracks()
    only = PointTracks(
        xy_px=tracks.xy_px[:, 150:],
        visible=tracks.visible[:, 150:],
        object_id=tracks.object_id[150:],
        query_frame=tracks.query_frame[150:],
    )
    masks = scene.masks()
    report = measured(scene.clip(), masks, scene.cameras(), scene.depth(masks), only)
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)
    assert "min_background_tracks" in [reason.name for reason in report.reasons]


def test_no_objects_gives_zero_and_the_noise_floor() -> None:
    scene = Scene()
    none = ObjectMasks(object_id=np.zeros((36, HEIGHT, WIDTH), np.uint16), objects=())
    report = measured(scene.clip(), none, scene.cameras(), scene.depth(none), scene.tracks())
    assert report.motion_strength == 0
    assert report.unmeasured_fraction == 0
    assert 0 < report.background < 0.0005
    assert report.per_object == ()
    assert report.pair_strength.shape == (len(report.pair_frames), 1)


def test_one_frame_has_no_motion() -> None:
    report = Scene(timestamps_s=np.zeros(1)).measure()
    assert report.motion_strength == 0
    assert len(report.pair_frames) == 0
    assert "min_object_pairs" in [reason.name for reason in report.reasons]


def test_an_object_with_too_few_tracks_is_not_heard() -> None:
    report = Scene(object_speed=(0.0, 1.0, 0.0), object_points=6).measure()
    assert report.motion_strength == 0
    assert report.unmeasured_fraction == pytest.approx(report.per_object[0].area_fraction)
    assert report.per_object[0].motion_strength > STILL
    assert report.reasons[0].name == "min_object_tracks"
    assert (report.reasons[0].measured, report.reasons[0].limit) == (6, 8)


def test_each_object_counts_for_its_share_of_the_strongest() -> None:
    report = Scene(object_speed=(0.0, 1.0, 0.0)).measure()
    (only,) = report.per_object
    assert report.probability == pytest.approx(only.probability)
    still = Scene().measure()
    assert still.probability < 0.05


def test_the_clips_interval_is_that_of_the_strongest_object() -> None:
    report = Scene(object_speed=(0.0, 1.0, 0.0)).measure()
    assert report.interval_low == report.per_object[0].interval_low
    assert report.interval_high == report.per_object[0].interval_high


def test_unregistered_frames_make_no_pairs() -> None:
    scene = Scene(object_speed=(0.0, 1.0, 0.0))
    masks, cameras = scene.masks(), scene.cameras()
    registered = np.arange(36) >= 10
    path = np.where(registered[:, None, None], cameras.cam_from_world, np.nan)
    part = replace(cameras, registered=registered, cam_from_world=path)
    report = measured(scene.clip(), masks, part, scene.depth(masks), scene.tracks())
    assert report.pair_frames.min() == 10
    assert report.motion_strength == pytest.approx(scene.expected(), rel=0.03)


def test_motion_that_is_sure_whatever_the_depth_is_not_doubted() -> None:
    """Half the strength is certain even at the worst depth: far more than the noise."""
    report = Scene(object_speed=(-1.0, 0.4, 0.0), object_confidence=15).measure()
    assert report.per_object[0].low < 0.7 * report.motion_strength
    assert report.confidence > 0.7
