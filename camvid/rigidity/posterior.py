"""The posterior probability that a track, and that an object, moves.

A track's evidence is a ratio of likelihoods; the prior goes by what made an object of a region.
The tracks of an object share an unknown fraction that moves: nearly all of a mover (its mask
reaches a little onto what is behind it), hardly any of a static thing (tracks slide along edges,
and hang on to where two outlines cross). Which of the two distributions the fraction comes from
decides about the object, and the fraction then serves as the prior of each of its tracks. A static
thing may also mislead its tracks together, as slats do over what is seen between them: then they
stray as a mover's do, but the images show no motion; and such things are small, or stray little.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, NAN, U16, MaskedObject, ObjectMasks, PointTracks, Rigidity
from camvid.objects import Origin
from camvid.tracking.tracks import owners

EVEN = 0.5  # P(moves) above which a track or an object moves
_FRACTION = (np.arange(100) + 0.5) / 100  # of an object's tracks that move


# Priors; each is a frequency that was counted on development clips.
UNMASKED = 0.02  # P(moves) of what no mask holds
# P(moves) by what made an object one. Of 149 objects of 30 clips .76, .08 and .18 moved of the
# last three; that comes from the same images as the tracks, so the odds count by their root.
MASKED: Mapping[Origin, float] = {
    Origin.CLASS: 0.5,
    Origin.SALIENT_MOVING: 0.64,
    Origin.SALIENT: 0.23,
    Origin.MOVING: 0.32,
}
# Static tracks that go their own way all the same: along edges, and where two outlines cross.
# Of those off all masks .2 to 3 % do (nine clips); on the outlines of objects more. At .05 the
# probabilities are calibrated: of tracks above .95, 97 % lie on movers in generated scenes.
MISLED = 0.05
# Static objects that mislead most of their tracks. Of 520 in generated and semi-real scenes 23 do;
# with as few, two further objects of a real clip (DAVIS dog) were taken for movers.
_MISLEADING = 0.1
# What misleads most of its tracks is small: logarithm of its share of all tracks, its deviation,
# and the chance that any share is as likely. 7 objects and 175 groups of 115 scenes have -5.1
# (.8), 131 movers -2.8 (.8). Small movers are movers all the same, so it speaks against large ones
# alone.
_MISLEADING_SHARE = (-5.0, 0.8, 0.03)
# Or it strays little: where cameras err, tracks of a large thing do so together. Median log
# likelihood ratio of stray tracks, and its deviation. A barrier of a real clip (DAVIS dog) has 5.1;
# of 181 movers 8 have less than 10.
_MISLEADING_RATIO = (5.0, 2.0)
# With both terms the log loss over 1,150 objects and groups of 150 generated and semi-real scenes
# is 132, without 151; of 201 movers 17 have less than .5, not 28, of 954 others 28 more, not 27
# (benchmarks/rigidity_calibration.py).

# Mean over an object's stray tracks of what the images show, and its deviation from object to
# object. Of 60 movers 57 have 1.06 to 2.9; of 18 static objects whose tracks stray, all -2.7 to
# 0.2, slats of a chair, reflections and outlines among them. Movers that deform have .6 to .8,
# those that move along epipolar lines -.3 to .7: they stay undecided.
_IMAGE_MOVING = (1.9, 0.65)
_IMAGE_MISLEADING = (-0.45, 1.0)  # of static objects that mislead their tracks
_IMAGE_DEVIATION = 1.1  # from track to track of one object
# An object's tracks err together: n of them count as n / (1 + (n - 1) correlation). With these
# the log loss over 500 objects of 130 scenes and real clips is 38; where images are asked track
# by track it is 73.
_CORRELATION = 0.03
_STATIC_FRACTION = (0.5, 10.0)  # Beta: of a static object's tracks, moving
_MOVING_FRACTION = (2.0, 0.7)  # Beta: of a mover's tracks


def priors_of(objects: Sequence[MaskedObject]) -> dict[int, float]:
    """P(moves) of objects by id; 0 is what no mask holds."""
    return {0: UNMASKED, **{o.object_id: MASKED[o.origin] for o in objects}}


class ObjectRigidity(NamedTuple):
    """What its tracks say of one object."""

    moves: float  # P(it moves); its prior where it has no track
    share: float  # of its tracks that move: near neither 0 nor 1 where a mask holds two things
    num_tracks: int


class Posterior(NamedTuple):
    """What moves, of N tracks and of the objects that they lie on."""

    track_moves: F64  # [N] P(moves), by its own evidence and its object's; NaN: seen too little
    objects: dict[int, ObjectRigidity]  # by id; 0 is what no mask holds


def moving_objects(masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity) -> tuple[int, ...]:
    """Ids of the objects that are not likelier to stand still."""
    owner = owners(tracks, masks.object_id)
    found = posterior(rigidity, owner, priors_of(masks.objects)).objects
    return tuple(o.object_id for o in masks.objects if found[o.object_id].moves >= EVEN)


def posterior(rigidity: Rigidity, owner: U16, priors: Mapping[int, float]) -> Posterior:
    """What tracks say, against the priors of their objects.

    Args:
        rigidity: what tracks and images say.
        owner: object [N] that each track lies on, 0 for what no mask holds.
        priors: P(moves) of each object that tracks may lie on.
    """
    track_moves, found = np.full(len(owner), NAN), dict[int, ObjectRigidity]()
    known = np.isfinite(rigidity.log_ratio)
    for label, prior in priors.items():
        own = known & (owner == label)
        misleads = _MISLEADING * _misleads(rigidity.log_ratio[own], int(known.sum()))
        geometry = _with_misled(rigidity.log_ratio[own])
        moves, track_moves[own] = _object(geometry, rigidity.image_ratio[own], prior, misleads)
        share = float(track_moves[own].mean()) if own.any() else NAN
        found[label] = ObjectRigidity(moves, share, int(own.sum()))
    return Posterior(track_moves, found)


def _with_misled(ratio: F64) -> F64:
    """Log ratios [n] against static tracks that err by themselves with probability MISLED.

    At most -log MISLED, however far a track strays.
    """
    return ratio - np.logaddexp(np.log1p(-MISLED), np.log(MISLED) + ratio)


def _misleads(ratio: F64, num_all: int) -> float:
    """Likelihood of an object's size and stray, of one that misleads its tracks; at most 1.

    Args:
        ratio: log likelihood ratios [n] of its tracks.
        num_all: tracks of the clip.
    """
    if not (ratio > 0).any():
        return 1.0
    mean, deviation, any_share = _MISLEADING_SHARE
    small = any_share + (1 - any_share) * _one_sided(np.log(len(ratio) / num_all), mean, deviation)
    return max(small, _one_sided(float(np.median(ratio[ratio > 0])), *_MISLEADING_RATIO))


def _one_sided(value: float, mean: float, deviation: float) -> float:
    """Likelihood of a value over that of the mean, from 0 to 1; 1 for all below the mean."""
    return float(np.exp(-0.5 * max(0.0, (value - mean) / deviation) ** 2))


def _object(geometry: F64, image: F64, prior: float, misleads: float) -> tuple[float, F64]:
    """(P(the object moves), P(moves) of each of its n tracks).

    Args:
        prior: P(moves).
        misleads: P(misleads its tracks) of one that does not move.
        geometry: log likelihood ratios [n] of tracks that go their own way.
        image: log likelihood ratios [n] of what the images show; NaN where they were not asked.
    """
    if not len(geometry):
        return prior, np.zeros(0)
    weight = 1 / (1 + (len(geometry) - 1) * _CORRELATION)
    stray = weight * _mixture(geometry).sum(axis=1)
    static = np.log1p(-prior) + _log_beta(*_STATIC_FRACTION) + stray
    moving = np.log(prior) + _log_beta(*_MOVING_FRACTION) + stray
    joint = [static, moving]
    asked = image[np.isfinite(image)]
    if len(asked):  # else nothing tells tracks that are misled together from moving ones
        shown = _image_log_ratio(asked)
        misleading = np.log((1 - prior) * misleads) + moving - np.log(prior) - shown
        joint = [static + np.log1p(-misleads) + max(-shown, 0.0), moving, misleading]
    chance = np.exp(np.stack(joint) - np.max(joint))
    chance /= chance.sum()
    ratio = geometry + np.nan_to_num(image)
    each = np.exp(np.log(_FRACTION)[:, None] + ratio - _mixture(ratio))
    return float(chance[1].sum()), (chance[0] + chance[1]) @ each


def _image_log_ratio(image: F64) -> float:
    """Log likelihood ratio, moving over misleading, of the mean of what stray tracks show [n]."""

    def log_density(mean: float, deviation: float) -> float:
        variance = deviation**2 + _IMAGE_DEVIATION**2 / len(image)
        return float(-0.5 * ((image.mean() - mean) ** 2 / variance + np.log(variance)))

    return log_density(*_IMAGE_MOVING) - log_density(*_IMAGE_MISLEADING)


def _mixture(ratio: F64) -> F64:
    """Log likelihoods [F, n] of tracks of which each of the F fractions moves."""
    return np.logaddexp(np.log1p(-_FRACTION)[:, None], np.log(_FRACTION)[:, None] + ratio)


def _log_beta(a: float, b: float) -> F64:
    """Log probabilities of the fractions under Beta(a, b)."""
    log = (a - 1) * np.log(_FRACTION) + (b - 1) * np.log1p(-_FRACTION)
    return log - np.logaddexp.reduce(log)
