"""Every reason why a clip is rejected or its kind is no better, declared here and only here.

A reason has the name of the option that holds its limit, or that of a fact. Its member says what is
measured, in which unit, on which side of the limit a clip must lie, and what a person can do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto, unique
from typing import Literal, Self

from camvid.artifacts import CameraKind
from camvid.columns import Unit, columns_of
from camvid.outcome import Reason
from camvid.record import ClipRecord

Bound = Literal["at least", "at most", ""]


class About(Enum):
    """What a reason speaks of: what code may decide by, where it does not name the reason."""

    TRACKS = auto()  # too little could be tracked, or solved from it
    PARALLAX = auto()  # no point is seen from far enough apart to show its depth
    LENS = auto()  # the camera is not the pinhole that the solver knows
    MOTION = auto()  # asked of clips in which something moves
    STILLNESS = auto()  # asked of clips in which nothing does
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is said of a reason."""

    name: str  # of the option that holds the limit, or of the fact
    metric: str = ""  # what is measured, by name; empty: nothing
    label: str  # the measure for people or, of a fact, half a sentence that says it
    unit: Unit = ""
    bound: Bound = ""  # where a clip must lie, seen from the limit
    remedy: str = ""  # what to do, as half a sentence
    about: About = About.OTHER

    @property
    def is_fact(self) -> bool:
        """Whether the label says it all."""
        return not self.metric


_MEASURES = {known.name: known for known in columns_of(ClipRecord)}


def _at_least(
    metric: str,
    label: str = "",
    unit: Unit = "",
    *,
    remedy: str = "",
    about: About = About.OTHER,
    bound: Bound = "at least",
) -> Rule:
    """A lower limit of a measure; one of the clip's record is labelled there."""
    if not label:
        label, unit = _MEASURES[metric].label, _MEASURES[metric].unit
    return Rule(
        name=("min_" if bound == "at least" else "max_") + metric,
        metric=metric,
        label=label,
        unit=unit,
        bound=bound,
        remedy=remedy,
        about=about,
    )


def _at_most(
    metric: str,
    label: str = "",
    unit: Unit = "",
    *,
    remedy: str = "",
    about: About = About.OTHER,
) -> Rule:
    return _at_least(metric, label, unit, remedy=remedy, about=about, bound="at most")


def _fact(name: str, label: str, *, remedy: str = "", about: About = About.OTHER) -> Rule:
    return Rule(name=name, label=label, remedy=remedy, about=about)


_TRAVEL = "film from more than one place"
_WITHOUT = "export to huggingface or webdataset, which need no cameras"
_PINHOLE = "undistort the footage, or give it as it was before it was stabilised or cropped"


@unique
class Why(StrEnum):
    """The reasons by name: `Why.MIN_FPS` is "min_fps", and `Why.MIN_FPS.rule` what is said of it.

    A new reason is one line here, beside what finds it.
    """

    rule: Rule

    def __new__(cls, rule: Rule) -> Self:
        member = str.__new__(cls, rule.name)
        member._value_ = rule.name
        member.rule = rule
        return member

    # split: what a clip must be
    NO_DECODABLE_SPAN = _fact("no_decodable_span", "no part of the video could be decoded")
    MIN_CLIP_S = _at_least("clip_s", "length", "s")
    MIN_FPS = _at_least("fps", "frame rate")
    MIN_SIDE_PX = _at_least("side_px", "shorter side", "px")
    MIN_BRIGHTNESS = _at_least("brightness", "brightness")
    MIN_CORNER_COUNT = _at_least("corner_count", "number of corners")
    MIN_FRAME_CHANGE = _at_least("frame_change", "change between frames")
    MAX_COMBING = _at_most(
        "combing", "share of combed pixels", "%", remedy="deinterlace the footage"
    )
    MAX_LOST_SHARE = _at_most("lost_share", "share of frames lost to damage", "%")

    # segment
    MAX_INSET_FRACTION = _at_most(
        "inset_fraction",
        "share of the image that shows another video (inset or split screen)",
        "%",
        remedy="crop to one of the videos",
    )

    # track
    MIN_BRIDGING_FRACTION = _at_least(
        "bridging_fraction",
        "share of points that are still seen a second later (none is across a wipe)",
        "%",
        remedy="cut the video there",
    )

    # reconstruct: what the camera does
    CAMERA_FIXED = _fact(
        "camera_fixed", "the camera stands still, so nothing can be triangulated", remedy=_TRAVEL
    )
    CAMERA_ROTATING = _fact(
        "camera_rotating", "the camera only rotates, so nothing can be triangulated", remedy=_TRAVEL
    )
    CAMERA_ZOOMING = _fact(
        "camera_zooming",
        "the camera zooms in place, so nothing can be triangulated",
        remedy=_TRAVEL,
    )
    CAMERA_UNKNOWN = _fact("camera_unknown", "no trustworthy camera path was found")

    # reconstruct: whether its path can be trusted
    MIN_STATIC_TRACKS = _at_least("static_tracks", "number of static tracks", about=About.TRACKS)
    MIN_REGISTERED_FRACTION = _at_least("registered_fraction", about=About.TRACKS)
    MIN_POINTS_PER_FRAME = _at_least("points_per_frame")
    MIN_EXPLAINED_FRACTION = _at_least("explained_fraction", "explained fraction", "%")
    MIN_BORDER_SHARE = _at_least("border_share", "share of the image border explained", "%")
    MIN_INLIER_FRACTION = _at_least("inlier_fraction")
    MAX_MEAN_REPROJECTION_ERROR_PX = _at_most("mean_reprojection_error_px")
    MAX_TRAJECTORY_JUMP = _at_most("trajectory_jump", "jump in the camera path")
    MIN_FOCAL_RATIO = _at_least("focal_ratio", "focal ratio")
    MAX_FOCAL_RATIO = _at_most("focal_ratio", "focal ratio")
    MIN_PARALLAX_TO_ERROR = _at_least("parallax_to_error", "parallax to error", remedy=_TRAVEL)
    MIN_OFF_FLAT_IMAGE_FRACTION = _at_least(
        "off_flat_image_fraction",
        "share of tracks that a flat image sliding does not explain",
        "%",
    )
    MIN_MEDIAN_TRIANGULATION_ANGLE_DEG = _at_least(
        "median_triangulation_angle_deg", remedy=_TRAVEL, about=About.PARALLAX
    )
    MIN_STEP_AGREEMENT = _at_least(
        "step_agreement", "agreement of the camera path's steps", about=About.PARALLAX
    )
    MAX_FOCAL_UNCERTAINTY = _at_most("focal_uncertainty", remedy=_TRAVEL, about=About.PARALLAX)
    MAX_RADIAL_DISTORTION = _at_most(
        "radial_distortion",
        "shift of the image's corner by the lens's distortion",
        "%",
        remedy=_PINHOLE,
        about=About.LENS,
    )
    MAX_DISTORTION_FOCAL_ERROR = _at_most(
        "distortion_focal_error",
        "relative error of the focal length for the lens's distortion",
        "%",
        remedy=_PINHOLE,
        about=About.LENS,
    )
    MAX_CENTER_WANDER_FRACTION = _at_most(
        "center_wander_fraction",
        "share of the error that an image shifted on its sensor explains",
        "%",
        remedy=_PINHOLE,
        about=About.LENS,
    )
    MAX_CENTER_WANDER_FOCAL_ERROR = _at_most(
        "center_wander_focal_error",
        "relative uncertainty of the focal length for such an image",
        "%",
        remedy=_PINHOLE,
        about=About.LENS,
    )
    MAX_CENTER_SHIFT = _at_most(
        "center_shift",
        "distance of the lens's axis from the image's middle",
        "%",
        remedy=_PINHOLE,
        about=About.LENS,
    )

    # measure_motion: whether the strength is to be relied on
    MIN_OBJECT_TRACKS = _at_least("object_tracks", "number of tracks on the object")
    MIN_OBJECT_PAIRS = _at_least("object_pairs", "number of frame pairs of the object")
    MIN_AREA_FRACTION = _at_least("area_fraction", "area fraction", "%")
    MIN_BACKGROUND_TRACKS = _at_least(
        "background_tracks", "number of background tracks in a frame pair"
    )
    MIN_OFF_EPIPOLAR_RATIO = _at_least(
        "off_epipolar_ratio",
        "distance of its tracks from the epipolar lines, over the background's",
    )
    MIN_DEPTH_CONFIDENCE = _at_least("depth_confidence", "depth confidence")
    DEPTH_TOLERANCE = _fact(
        "depth_tolerance", "it moves by depth alone, and depth may be wrong by as much"
    )
    MOTION_INTERVAL_LOW = replace(_at_least("motion_interval_low"), name="motion_interval_low")
    MOTION_INTERVAL_HIGH = replace(_at_most("motion_interval_high"), name="motion_interval_high")

    # export: whether a clip can take the form that is asked for
    MIN_FRAMES = _at_least("frames", "number of frames with cameras between them")
    NO_CAMERAS = _fact("no_cameras", "no frame has a camera", remedy=_WITHOUT)
    NO_INTRINSICS = _fact("no_intrinsics", "no focal length is known", remedy=_WITHOUT)
    NO_SCALE = _fact("no_scale", "no depth is known to set the unit of length by")
    # write_shards: of clips that show the same, one is kept
    DUPLICATE = replace(
        _at_most("repeated_share", "share of the clip that a clip of another video shows", "%"),
        name="duplicate",
    )

    # filter: what the clip is good for
    CAMERA_MOVES = _fact(
        "camera_moves", "the camera does not move as `filter.camera_moves` wants it to"
    )
    MIN_MOTION_STRENGTH = _at_least("motion_strength")
    MIN_MOTION_CONFIDENCE = _at_least("motion_confidence", about=About.MOTION)
    MIN_MOTION_PROBABILITY = _at_least("motion_probability", about=About.MOTION)
    MAX_MOTION_PROBABILITY = _at_most("motion_probability", about=About.STILLNESS)
    MAX_UNMEASURED_FRACTION = _at_most("unmeasured_fraction", about=About.STILLNESS)
    MAX_MOTION_BACKGROUND = _at_most("motion_background")
    MAX_DEPTH_RESIDUAL = _at_most("depth_residual")
    MAX_OVERLAY_FRACTION = _at_most("overlay_fraction", remedy="crop to what shows the scene")

    @classmethod
    def of_camera(cls, camera: CameraKind) -> "Why":
        """The fact that speaks against a camera that does not travel."""
        return cls(f"camera_{camera}")


def missed_limits(measured: Mapping[Why, float], options: object) -> tuple[Reason, ...]:
    """A reason for each measure beyond the limit that `options` has for it, or not measured.

    `options` is the dataclass whose fields are named as the reasons.
    """
    missed: list[Reason] = []
    for why, value in measured.items():
        limit = float(getattr(options, why))
        inside = value >= limit if why.rule.bound == "at least" else value <= limit
        if not inside:  # NaN is not inside
            missed.append(Reason(why, value, limit))
    return tuple(missed)


def rule_of(name: str) -> Rule:
    """What is said of a reason; of one that only an older version knew, its name in words."""
    return Why(name).rule if name in _NAMES else Rule(name=name, label=name.replace("_", " "))


def about(reason: Reason) -> About:
    """What the reason speaks of."""
    return rule_of(reason.name).about


_NAMES = frozenset(map(str, Why))
