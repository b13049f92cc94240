"""Turns a clip's measures into a verdict by named thresholds."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from camvid.artifacts import F64, CameraKind, Verdict
from camvid.camerawork.moves import CameraMove, Description
from camvid.errors import ConfigError
from camvid.outcome import Reason
from camvid.plain import did_you_mean
from camvid.reasons import Why, rule_of
from camvid.record import Measures
from camvid.settings import setting

Numbers = Callable[[str], F64]  # gives the measure of a name, one for each clip
_UNDESCRIBED = Description()
_Z90 = NormalDist().inv_cdf(0.95)  # standard deviations on either side that hold 90 %

# The thresholds that are asked of cameras with a path, that turn in place, and that stand still.
_OF_A_PATH = (
    Why.MIN_REGISTERED_FRACTION,
    Why.MAX_MEAN_REPROJECTION_ERROR_PX,
    Why.MIN_MEDIAN_TRIANGULATION_ANGLE_DEG,
    Why.MAX_DEPTH_RESIDUAL,
    Why.MAX_MOTION_BACKGROUND,
)
_OF_TURNS = (
    Why.MIN_REGISTERED_FRACTION,
    Why.MAX_MEAN_REPROJECTION_ERROR_PX,
    Why.MAX_FOCAL_UNCERTAINTY,
    Why.MAX_MOTION_BACKGROUND,
)

_OF_STANDING = (Why.MIN_REGISTERED_FRACTION, Why.MAX_MOTION_BACKGROUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The thresholds. A reason in a report is the name of one of these fields.

    `min_motion_strength` is a fraction of the image side per `pair_gap_s`: reports show x100.
    A motion probability is that of the strength being above `min_motion_strength`, by its
    interval: `min_motion_probability` is what a clip needs to be called moving, and
    `max_motion_probability` what it may have to be called still; between them it is undecided. So
    it is where more than `max_unmeasured_fraction` of the image is an object whose motion is not
    known: without tracks, or with some that move among more that stand still. Where the background
    itself moves by more than `max_motion_background`, the cameras are not good.
    An overlay (a logo, a hood, black corners) may hide `max_overlay_fraction` of the image.
    `rotating` says what a moving object seen by a camera that turns in place is good for: as `4d`
    its cameras count as known, with zero translation and no depth. `fixed` says the same of one
    that stands still: all its cameras are the identity, and nothing shows its focal length.
    `camera_moves` asks for classes of camera motion, of which a clip must have one at least, and
    refuses those written with a minus.
    """

    min_motion_strength: float = setting(
        0.003, "of the image's sides in 1/12 s", "A clip with a stronger object moves."
    )
    # Where no camera is known parallax may pass for motion, and trust is halved. A still scene
    # through a distorting lens had .31, a shot too fast to solve .33; 8 clips with a mover .42 up.
    min_motion_confidence: float = setting(
        0.4, "0 to 1", "A clip is called moving only if its strength stands out of the noise by it."
    )
    # Of 13 generated, 2 real movers the least was .996 by the interval alone. By the posterior
    # alone 40 of 41 generated, semi-real and real ones have .975 and more, one .75; of four still
    # clips with a strength above the limit (depth was wrong) three have .01 to .17, and one, which
    # the interval refuses, .956.
    min_motion_probability: float = setting(
        0.95, "probability", "A clip is called moving only if motion is at least as probable."
    )
    # Of 9 generated and 4 real still clips the most was .18; of a mover taken for still .23.
    max_motion_probability: float = setting(
        0.2, "probability", "A clip is called still only if motion is no more probable."
    )
    # Of 8 still clips the most was .0044; of a mover hidden in a mask of static objects .0051.
    max_unmeasured_fraction: float = setting(
        0.0047, "share of the image", "Objects of unknown motion may take as much of a still clip."
    )
    max_motion_background: float = setting(  # of all these clips the most was .0016
        0.003,
        "as min_motion_strength",
        "Cameras that let the background move more are not good.",
    )
    min_registered_fraction: float = setting(
        0.8, "share of the frames", "Good cameras are known for as many frames."
    )
    max_mean_reprojection_error_px: float = setting(
        1.2, "px", "Good cameras see the sparse points with no larger error."
    )
    min_median_triangulation_angle_deg: float = setting(
        1.0, "degrees", "Good cameras see the sparse points under no smaller an angle."
    )
    max_depth_residual: float = setting(
        0.25, "relative", "Good cameras have depth that differs no more from the sparse points."
    )
    max_overlay_fraction: float = setting(  # black corners of a round image take .25, a hood .2
        0.4,
        "share of the image",
        "Clips of which logos or a hood hide more are refused.",
    )
    max_focal_uncertainty: float = setting(
        0.15, "relative", "A rotating camera whose focal length is less certain is not good."
    )
    rotating: Literal["video", "4d"] = setting(
        "video", "kind", "Of a clip with a mover and a good rotating camera: `video` or `4d`."
    )
    fixed: Literal["video", "4d"] = setting(
        "video", "kind", "Of a clip with a mover and a camera that stands still: `video` or `4d`."
    )
    camera_moves: tuple[str, ...] = setting(
        (), "names", "A clip must have one of these, and none with a minus: `dolly_in -handheld`."
    )

    def __post_init__(self) -> None:
        for name in (name.removeprefix("-") for name in self.camera_moves):
            if name not in tuple(CameraMove):
                raise ConfigError(
                    f"camera_moves: {name!r} is no class of camera motion"
                    f"{did_you_mean(name, tuple(CameraMove))}"
                )
        for name, limit in self.limits().items():
            if not limit >= 0:
                raise ConfigError(f"{name} must be at least 0, got {limit}")

    def limits(self) -> dict[str, float]:
        """The thresholds by name."""
        choices = {"rotating", "fixed", "camera_moves"}
        names = [f.name for f in fields(Policy) if f.name not in choices]
        return {name: float(getattr(self, name)) for name in names}

    def unwanted(self, camera_moves: Sequence[Collection[str] | None]) -> NDArray[np.bool_]:
        """Which of N clips do not move as `camera_moves` wants, by the classes of each."""
        if not self.camera_moves:
            return np.zeros(len(camera_moves), bool)
        wanted = {name for name in self.camera_moves if not name.startswith("-")}
        refused = {name[1:] for name in self.camera_moves if name.startswith("-")}
        found = [set(moves or ()) for moves in camera_moves]
        return np.array([bool(refused & f or (wanted and not wanted & f)) for f in found], bool)


def needed_columns() -> frozenset[str]:
    """The columns of the index without which nothing can be decided anew."""
    asked = {rule_of(name).metric for name in Policy().limits()}
    measured = frozenset(f.name for f in fields(Measures))
    return measured & asked | {"motion_interval_low", "motion_interval_high"}


def deciding_columns() -> frozenset[str]:
    """Those, and columns that older runs may lack."""
    return needed_columns() | {"moving_probability", "unmeasured_probability", "camera_moves"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A threshold or fact held against N clips."""

    why: Why
    group: Literal["unwanted", "cameras", "undecided", "still"]
    missed: NDArray[np.bool_]  # [N] it speaks against the clip
    measured: F64 | None = None  # [N] of a threshold
    limit: float = math.nan

    def reason(self, clip: int) -> Reason:
        """The reason that it gives a clip which missed it."""
        if self.measured is None:
            return Reason(self.why)
        return Reason(self.why, float(self.measured[clip]), self.limit)


def questions(
    numbers: Numbers,
    camera: NDArray[Any],
    camera_moves: Sequence[Collection[str] | None],
    policy: Policy,
) -> tuple[Question, ...]:
    """What is asked of N clips, in the order in which reasons are named.

    Args:
        numbers: gives the measure of a name, [N], NaN where it was not taken.
        camera: the kind of each clip's camera [N].
        camera_moves: the classes of its motion, of each clip.
        policy: the thresholds.
    """
    ask = _Asking(numbers, policy)
    still = ask.missed(Why.MIN_MOTION_STRENGTH)
    turns = (camera == "rotating") & (policy.rotating == "4d")
    stands = (camera == "fixed") & (policy.fixed == "4d")
    pathless = (camera != "moving") & ~turns & ~stands
    facts = [
        _fact(Why.of_camera(kind), pathless & (camera == kind))
        for kind in get_args(CameraKind)
        if kind != "moving"
    ]
    # Several views of a still scene need more than one place.
    facts.append(_fact(Why.CAMERA_ROTATING, turns & still))
    facts.append(_fact(Why.CAMERA_FIXED, stands & still))
    return (
        Question(why=Why.CAMERA_MOVES, group="unwanted", missed=policy.unwanted(camera_moves)),
        ask.that(Why.MAX_OVERLAY_FRACTION, "unwanted"),
        *facts,
        *(ask.that(why, "cameras", of=turns) for why in _OF_TURNS),
        *(ask.that(why, "cameras", of=stands) for why in _OF_STANDING),
        *(ask.that(why, "cameras", of=camera == "moving") for why in _OF_A_PATH),
        ask.that(Why.MIN_MOTION_PROBABILITY, "undecided", of=~still),
        ask.that(Why.MIN_MOTION_CONFIDENCE, "undecided", of=~still),
        ask.that(Why.MAX_MOTION_PROBABILITY, "undecided", of=still),
        ask.that(Why.MAX_UNMEASURED_FRACTION, "undecided", of=still),
        ask.that(Why.MIN_MOTION_STRENGTH, "still"),
    )


def kinds_of(asked: Sequence[Question]) -> NDArray[Any]:
    """The kind of each clip [N], by what it missed."""

    def missed(group: str) -> NDArray[np.bool_]:
        return np.logical_or.reduce([q.missed for q in asked if q.group == group])

    cameras, still = missed("cameras"), missed("still")
    kind = np.where(cameras, np.where(still, "none", "video"), np.where(still, "3d", "4d"))
    # A strength that was not measured misses the probability, too.
    return np.where(missed("unwanted") | missed("undecided"), "none", kind)


class _Asking:
    """Holds thresholds against the clips' numbers."""

    def __init__(self, numbers: Numbers, policy: Policy) -> None:
        self._numbers, self._policy = numbers, policy
        self._probability = motion_probabilities(numbers, policy.min_motion_strength)

    def that(self, why: Why, group: Any, of: NDArray[np.bool_] | None = None) -> Question:
        """Asks it of the clips `of`, or of all."""
        missed = self.missed(why)
        return Question(
            why=why,
            group=group,
            missed=missed if of is None else missed & of,
            measured=self._measured(why),
            limit=float(getattr(self._policy, why)),
        )

    def missed(self, why: Why) -> NDArray[np.bool_]:
        """Where the measure is beyond its limit, or was not taken."""
        measured, limit = self._measured(why), float(getattr(self._policy, why))
        return ~(measured >= limit if why.rule.bound == "at least" else measured <= limit)

    def _measured(self, why: Why) -> F64:
        metric = why.rule.metric
        return self._probability if metric == "motion_probability" else self._numbers(metric)


def _fact(why: Why, missed: NDArray[np.bool_]) -> Question:
    return Question(why=why, group="cameras", missed=missed)


def motion_probabilities(numbers: Numbers, limit: float) -> F64:
    """Probability [N] that a clip's strength is above the limit; NaN where it has no interval.

    What moves so much must move at all: strength is measured at the likeliest depth, and where that
    is wrong what stands still is strong, too. The 90 % interval gives a normal distribution on
    either side of the strength. An interval that begins at or above the limit is a probability of
    0.95 and more. What seems still may yet move along the rays, where depth is a guess: its
    interval reaches far up. But of motions as large as the limit, only those hide that are within
    the noise of that direction. An object that may move though nothing tells how much may do so by
    more than the limit.
    """
    strength, background = numbers("motion_strength"), numbers("motion_background")
    low, high = numbers("motion_interval_low"), numbers("motion_interval_high")
    moves = np.nan_to_num(numbers("moving_probability"), nan=1.0)  # older runs do not say
    unmeasured = np.nan_to_num(numbers("unmeasured_probability"))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        side = np.where(strength >= limit, strength - low, high - strength)
        probability = ndtr((strength - limit) / np.maximum(side / _Z90, 1e-12))
        noise = np.fmax(strength, background)
        given = np.where(strength >= limit, moves, np.minimum(noise / limit, 1.0))
    known = ~(np.isnan(strength) | np.isnan(low) | np.isnan(high))
    return np.where(known, 1 - (1 - probability * given) * (1 - unmeasured), np.nan)


def motion_probability(measures: Measures, limit: float) -> float:
    """That of one clip."""
    return float(motion_probabilities(_numbers_of(measures), limit)[0])


def _numbers_of(measures: Measures) -> Numbers:
    return lambda name: np.array([getattr(measures, name)], np.float64)


def decide(
    measures: Measures,
    policy: Policy,
    upstream: tuple[Reason, ...] = (),
    motion_reasons: tuple[Reason, ...] = (),
    description: Description = _UNDESCRIBED,
) -> Verdict:
    """The clip's kind and every threshold that decided it.

    Whether something moves has three answers. A clip of which neither can be said is `none`,
    however good its cameras: as `3d` it might teach that a mover stands still, and as `4d` or
    `video` its strength, which is trained on, might be noise or that of another object.

    Args:
        measures: the clip in numbers.
        policy: the thresholds.
        upstream: reasons that the stages themselves named (why a camera was not accepted).
        motion_reasons: why the motion strength is not to be relied on, as its stage named them.
        description: what the camera does, and the caption.
    """
    camera = np.array([measures.camera])
    asked = questions(_numbers_of(measures), camera, [description.camera_moves], policy)
    missed = [question for question in asked if question.missed[0]]
    cameras = any(question.group == "cameras" for question in missed)
    unwanted = (question.reason(0) for question in missed if question.group == "unwanted")
    reasons = (question.reason(0) for question in missed if question.group != "unwanted")
    return Verdict(
        kind=kinds_of(asked)[0].item(),
        reasons=(*unwanted, *_each_once((*(upstream if cameras else ()), *reasons))),
        camera=measures.camera,
        camera_moves=description.camera_moves,
        caption=description.caption,
        camera_reasons=upstream,
        motion_reasons=_motion_reasons(measures, policy, motion_reasons),
        measured=_measured(measures, policy),
        limits=policy.limits(),
    )


def _measured(measures: Measures, policy: Policy) -> dict[str, float]:
    """All numbers by name: those of the index, and what this policy makes of them."""
    numbers = {f.name: getattr(measures, f.name) for f in fields(measures) if f.name != "camera"}
    numbers["motion_probability"] = motion_probability(measures, policy.min_motion_strength)
    return {name: float(value) for name, value in numbers.items()}


def _each_once(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple({reason.name: reason for reason in reversed(reasons)}.values())[::-1]


def _motion_reasons(
    measures: Measures, policy: Policy, upstream: tuple[Reason, ...]
) -> tuple[Reason, ...]:
    """Those of before, and whether the strength's interval reaches across the threshold."""
    interval = _interval_reasons(measures, policy)
    ours = (Why.MOTION_INTERVAL_LOW, Why.MOTION_INTERVAL_HIGH)  # under another threshold, perhaps
    return (*interval, *(reason for reason in upstream if reason.name not in ours))


def _interval_reasons(measures: Measures, policy: Policy) -> tuple[Reason, ...]:
    limit = policy.min_motion_strength
    low, high = measures.motion_interval_low, measures.motion_interval_high
    if measures.motion_strength >= limit > low:
        return (Reason(Why.MOTION_INTERVAL_LOW, low, limit),)
    if measures.motion_strength < limit <= high:
        return (Reason(Why.MOTION_INTERVAL_HIGH, high, limit),)
    return ()
