"""The artifacts that stages exchange: one frozen, validated dataclass each.

Shapes: T frames, H rows, W columns, N tracks, P points, O observations, M objects, Q frame pairs.
Arrays are checked where they are made and are read-only from then on.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from camvid.camerawork.moves import CameraMove
from camvid.checked import F32, F64, I32, U8, U16, Bool, Checked
from camvid.geometry import zoomed_K
from camvid.objects import MaskedObject
from camvid.outcome import KINDS, Kind, Reason
from camvid.source_video import Video

CameraKind = Literal["moving", "fixed", "rotating", "zooming", "unknown"]
DepthSource = Literal["geometric", "mono", "none"]
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip(Checked):
    """A span of one shot, resampled to the working frame rate and size."""

    clip_id: str
    video: Video
    start_s: float
    end_s: float
    timestamps_s: F64  # [T] in the source video, strictly increasing
    source_frame_index: I32  # [T] in the source video
    width_px: int
    height_px: int
    crop_px: tuple[int, int, int, int]  # x, y, width, height kept of the source (letterbox gone)
    processing: tuple[str, ...] = ()  # what decoding did to the frames, in words: "deinterlaced"
    num_lost: int = 0  # frames of the source within the span that damage left out
    change_hashes: tuple[int, ...] = ()  # by which copies are found (camvid.video.change_hash)

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("timestamps_s", np.float64, ("T",), dims)
        self.check("source_frame_index", np.int32, ("T",), dims)
        if len(self.timestamps_s) > 1 and not (np.diff(self.timestamps_s) > 0).all():
            raise ValueError(f"Clip.timestamps_s must increase strictly (clip {self.clip_id})")

    @property
    def video_id(self) -> str:
        return self.video.video_id

    @property
    def num_frames(self) -> int:
        return len(self.timestamps_s)

    @property
    def fps(self) -> float:
        """Usual frame rate of the clip in hertz (frames may be unevenly spaced).

        Rounding and jitter of timestamps average out; gaps far off the median do not count.
        """
        gaps = np.diff(self.timestamps_s)
        if not len(gaps):
            return self.video.fps
        median = np.median(gaps)
        return float(1.0 / gaps[np.abs(gaps - median) <= median / 2].mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames(Checked):
    """The clip's frames as images."""

    rgb: U8  # [T, H, W, 3]

    def __post_init__(self) -> None:
        self.check("rgb", np.uint8, ("T", "H", "W", 3), {})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectMasks(Checked):
    """Everything that may move, as instances whose ids persist over the clip."""

    object_id: U16  # [T, H, W], 0 = background
    objects: tuple[MaskedObject, ...]

    def __post_init__(self) -> None:
        self.check("object_id", np.uint16, ("T", "H", "W"), {})
        ids = [o.object_id for o in self.objects]
        if len(set(ids)) != len(ids) or any(i < 1 for i in ids):
            raise ValueError(f"ObjectMasks.objects must have distinct ids above 0, got {ids}")

    @classmethod
    def none(cls, num_frames: int, height_px: int, width_px: int) -> "ObjectMasks":
        """No object at all."""
        return cls(object_id=np.zeros((num_frames, height_px, width_px), np.uint16), objects=())

    def verified(self) -> "ObjectMasks":
        """The same masks, as final ones."""
        return ObjectMasks(object_id=self.object_id, objects=self.objects)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovableMasks(ObjectMasks):
    """What the segmenter thinks may move, before the cameras are known: masked greedily for SfM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionQuality:
    """The measures by which cameras are accepted; NaN where a measure does not apply."""

    registered_fraction: float = 0.0
    num_points: int = 0
    points_per_frame: float = NAN
    mean_reprojection_error_px: float = NAN
    median_triangulation_angle_deg: float = NAN
    focal_px: float = NAN
    focal_uncertainty: float = NAN  # relative standard deviation
    inlier_fraction: float = NAN  # of held-out observations that some static point explains
    median_flow_px: float = NAN  # of static tracks at the widest spacing
    rotation_residual_px: float = NAN  # what the best rotation leaves of that flow
    masked_fraction: float = NAN  # of all pixels, hidden from the solver
    solver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconstruction(Checked):
    """Cameras and sparse points of the static scene; OpenCV axes, pixel centres at 0.5.

    Only a `moving` camera has a trajectory: the others that are known, `fixed`, `rotating` and
    `zooming`, turn at most, and their translation is exactly 0. For frames whose camera is not
    known `cam_from_world` is NaN and `registered` False; of an `unknown` camera that is every
    frame. A path is never made up; `reasons` says which acceptance tests failed.
    """

    camera: CameraKind
    K: F64  # [3, 3] in pixels (NaN where unknown)
    cam_from_world: F64  # [T, 3, 4], x_cam = R x_world + t
    registered: Bool  # [T]
    points_world: F32  # [P, 3]
    point_rgb: U8  # [P, 3]
    observation_frame: I32  # [O]
    observation_point: I32  # [O] index into points_world
    observation_xy_px: F32  # [O, 2]
    quality: ReconstructionQuality
    # [T] focal length over that of K; 1, and need not be given, where the lens does not zoom:
    zoom: F64 = field(default_factory=lambda: np.ones(0))
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        if not self.zoom.size:
            object.__setattr__(self, "zoom", np.ones(len(self.registered)))
        dims: dict[str, int] = {}
        self.check("K", np.float64, (3, 3), dims, finite=False)
        self.check("zoom", np.float64, ("T",), dims)
        self.check("cam_from_world", np.float64, ("T", 3, 4), dims, finite=False)
        self.check("registered", np.bool_, ("T",), dims)
        self.check("points_world", np.float32, ("P", 3), dims)
        self.check("point_rgb", np.uint8, ("P", 3), dims)
        self.check("observation_frame", np.int32, ("O",), dims)
        self.check("observation_point", np.int32, ("O",), dims)
        self.check("observation_xy_px", np.float32, ("O", 2), dims)
        known = self.cam_from_world[self.registered]
        if not np.isfinite(known).all():
            raise ValueError("Reconstruction.cam_from_world must be finite where registered")
        if self.camera == "unknown" and len(known):
            raise ValueError("Reconstruction: an unknown camera must have no registered frame")
        if self.camera != "moving" and known[:, :, 3].any():
            raise ValueError(f"Reconstruction: a {self.camera} camera must have no trajectory")
        may_zoom = self.camera in ("zooming", "moving")
        if not (self.zoom > 0).all() or not (may_zoom or (self.zoom == 1).all()):
            raise ValueError("Reconstruction.zoom must be above 0, and 1 unless zooming or moving")

    @property
    def has_trajectory(self) -> bool:
        """Whether the camera travels along a known path: only then can depth be measured."""
        return self.camera == "moving" and self.has_cameras

    @property
    def has_cameras(self) -> bool:
        """Whether it is known where the camera looks, be it from one place."""
        return bool(self.registered.any())

    def K_of(self, frame_index: int) -> F64:
        """K [3, 3] of one frame: that of the clip under the frame's zoom."""
        return self.K_per_frame[frame_index]

    @property
    def K_per_frame(self) -> F64:
        """[T, 3, 3]"""
        return zoomed_K(self.K, self.zoom)

    @classmethod
    def without_trajectory(
        cls,
        camera: CameraKind,
        num_frames: int,
        *,
        quality: ReconstructionQuality,
        reasons: tuple[Reason, ...],
    ) -> "Reconstruction":
        """A camera of which no frame is known: named, with reasons."""
        return cls.rotation_only(
            camera,
            np.full((num_frames, 3, 3), NAN),
            K=np.full((3, 3), NAN),
            zoom=np.ones(num_frames),
            quality=quality,
            reasons=reasons,
        )

    @classmethod
    def rotation_only(
        cls,
        camera: CameraKind,
        rotation: F64,
        *,
        K: F64,
        zoom: F64,
        quality: ReconstructionQuality,
        reasons: tuple[Reason, ...],
    ) -> "Reconstruction":
        """A camera that does not travel, by its rotations [T, 3, 3]; NaN where not known."""
        known = np.asarray(np.isfinite(rotation).all(axis=(1, 2)))
        cam_from_world = np.full((len(rotation), 3, 4), NAN)
        cam_from_world[known, :, :3] = rotation[known]
        cam_from_world[known, :, 3] = 0.0
        return cls(
            camera=camera,
            K=K,
            zoom=zoom,
            cam_from_world=cam_from_world,
            registered=known,
            points_world=np.zeros((0, 3), np.float32),
            point_rgb=np.zeros((0, 3), np.uint8),
            observation_frame=np.zeros(0, np.int32),
            observation_point=np.zeros(0, np.int32),
            observation_xy_px=np.zeros((0, 2), np.float32),
            quality=quality,
            reasons=reasons,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthMaps(Checked):
    """Depth along z in the camera frame, in the units of the reconstruction."""

    depth: F32  # [T, H, W], 0 where not valid
    valid: Bool  # [T, H, W]
    confidence: U8  # [T, H, W], 0 = a guess, 255 = measured
    scale: F64  # [T] inverse_depth = scale * relative_inv_depth + shift; 1 if geometric
    shift: F64  # [T]; 0 if geometric
    residual: F64  # [T] median relative error against the sparse points (NaN: none seen)
    source: DepthSource

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("depth", np.float32, ("T", "H", "W"), dims)
        self.check("valid", np.bool_, ("T", "H", "W"), dims)
        self.check("confidence", np.uint8, ("T", "H", "W"), dims)
        self.check("scale", np.float64, ("T",), dims)
        self.check("shift", np.float64, ("T",), dims)
        self.check("residual", np.float64, ("T",), dims, finite=False)

    @classmethod
    def none(cls, num_frames: int, height_px: int, width_px: int) -> "DepthMaps":
        """No depth at all (no cameras to measure it with); takes no memory."""
        shape = (num_frames, height_px, width_px)
        return cls(
            depth=np.broadcast_to(np.float32(0), shape),
            valid=np.broadcast_to(np.bool_(False), shape),
            confidence=np.broadcast_to(np.uint8(0), shape),
            scale=np.ones(num_frames),
            shift=np.zeros(num_frames),
            residual=np.full(num_frames, NAN),
            source="none",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointTracks(Checked):
    """Keypoints followed through the clip; background keypoints (object 0) are the control."""

    xy_px: F32  # [T, N, 2]; the last known place where not visible
    visible: Bool  # [T, N]
    object_id: U16  # [N] of the object the keypoint was put on, 0 = background
    query_frame: I32  # [N] where it was put

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("xy_px", np.float32, ("T", "N", 2), dims)
        self.check("visible", np.bool_, ("T", "N"), dims)
        self.check("object_id", np.uint16, ("N",), dims)
        self.check("query_frame", np.int32, ("N",), dims)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rigidity(Checked):
    """How well one static point explains each track, under the cameras of the clip."""

    log_ratio: F64  # [N] log likelihood of a smooth motion over a static point's; NaN: hardly seen
    image_ratio: F64  # [N] the same of what the images show where a track strays; NaN: not asked
    unexplained: F64  # [N] speed in image sides a second that no depth explains; NaN: hardly seen
    white_px: float  # standard deviation of an observation along one axis; NaN: no camera
    slow_px: F64  # [K] of the amplitudes of slow cosines along each track

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("log_ratio", np.float64, ("N",), dims, finite=False)
        self.check("image_ratio", np.float64, ("N",), dims, finite=False)
        self.check("unexplained", np.float64, ("N",), dims, finite=False)
        self.check("slow_px", np.float64, ("K",), dims, finite=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMotion:
    """How much one object moves in the world, as a fraction of the image side.

    `lower_bound` is what no static 3D point could explain, whatever its depth;
    `low` and `high` bracket the strength over all depths the object may have, likely or not.
    """

    object_id: int
    label: str
    motion_strength: float
    lower_bound: float
    low: float
    high: float
    num_tracks: int
    num_pairs: int
    area_fraction: float
    interval_low: float = NAN  # 90 % interval from the noise of tracks and of depth
    interval_high: float = NAN
    probability: float = NAN  # that it moves, by the posterior of its tracks and their images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionReport(Checked):
    """Motion strength of a clip: the maximum over its objects, with its noise floor."""

    motion_strength: float
    lower_bound: float  # of the object that decides
    background: float  # the same measure on static background: the noise floor
    confidence: float  # 0 to 1: does the motion stand out of the noise floor?
    pair_gap_s: float
    method: Literal["depth", "homography"]  # how camera motion was taken out
    per_object: tuple[ObjectMotion, ...]
    pair_frames: I32  # [Q, 2] frames i, j of each pair
    pair_strength: F64  # [Q, 1 + M] background, then each object in order; NaN: no track
    num_tracks: int
    interval_low: float = NAN  # 90 %, the largest of any object
    interval_high: float = NAN
    probability: float = NAN  # that what was measured moves at all
    depth_residual: float = NAN  # median relative error of the depth it was measured with
    overlay_fraction: float = 0.0  # of the image, on which nothing is measured
    unmeasured_fraction: float = NAN  # of the image: the largest object of unknown motion
    unmeasured_probability: float = NAN  # that one moves that has tracks, but no strength
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        dims: dict[str, int] = {}
        self.check("pair_frames", np.int32, ("Q", 2), dims)
        columns = 1 + len(self.per_object)
        self.check("pair_strength", np.float64, ("Q", columns), dims, finite=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the clip is good for, and every threshold that decided it."""

    kind: Kind
    reasons: tuple[Reason, ...]
    camera: CameraKind = "unknown"
    camera_moves: tuple[CameraMove, ...] = ()  # as the description has them
    caption: str | None = None
    camera_reasons: tuple[Reason, ...] = ()  # why the solver did not trust a trajectory
    motion_reasons: tuple[Reason, ...] = ()  # why the motion strength is not to be relied on
    measured: dict[str, float] = field(default_factory=dict[str, float])
    limits: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Verdict.kind must be one of {KINDS}, got {self.kind!r}")
