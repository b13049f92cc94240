"""The posterior probability that a track, and that an object, moves.

A track's evidence is a ratio of likelihoods; the prior goes by what made an object of a region.
The tracks of an object share an unknown fraction that moves: nearly all of a mover (its mask
reaches a little onto what is behind it), hardly any of a static thing (tracks slide along edges,
and hang on to where two outlines cross). Which of the two distributions the fraction comes from
decides about the object, and the fraction then serves as the prior of each of its tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, NAN, U16, MaskedObject, ObjectMasks, PointTracks, Rigidity
from camvid.objects import Origin
from camvid.tracks import owners

_FRACTION = (np.arange(100) + 0.5) / 100  # of an object's tracks that move


@dataclass(frozen=True, slots=True, kw_only=True)
class RigidityOptions:
    """Priors; each is a frequency that was counted on development clips."""

    slowest: float = 0.02  # image sides per second: below it, motion is not worth the name
    num_speeds: int = 7  # each twice the one before
    unmasked: float = 0.02  # P(moves) of what no mask holds
    # P(moves) by what made an object one. Of 149 objects of 30 clips .76, .08 and .18 moved of the
    # last three; that comes from the same images as the tracks, so the odds count by their root.
    masked: Mapping[Origin, float] = field(
        default_factory=lambda: {
            Origin.CLASS: 0.5,
            Origin.SALIENT_MOVING: 0.64,
            Origin.SALIENT: 0.23,
            Origin.MOVING: 0.32,
        }
    )
    # Static tracks that go their own way all the same: along edges, and where two outlines cross.
    # Of those off all masks .2 to 3 % do (nine clips); on the outlines of objects more. At .05 the
    # probabilities are calibrated: of tracks above .95, 97 % lie on movers in generated scenes.
    misled: float = 0.05
    static_fraction: tuple[float, float] = (0.5, 10.0)  # Beta: of a static object's tracks, moving
    moving_fraction: tuple[float, float] = (2.0, 0.7)  # Beta: of a mover's tracks
    num_independent: float = 20.0  # an object's tracks err together: they count as at most so many

    def priors(self, objects: Sequence[MaskedObject]) -> dict[int, float]:
        """P(moves) of objects by id; 0 is what no mask holds."""
        return {0: self.unmasked, **{o.object_id: self.masked[o.origin] for o in objects}}


class ObjectRigidity(NamedTuple):
    """What its tracks say of one object."""

    moves: float  # P(it moves); its prior where it has no track
    share: float  # of its tracks that move: near neither 0 nor 1 where a mask holds two things
    num_tracks: int


class Posterior(NamedTuple):
    """What moves, of N tracks and of the objects that they lie on."""

    track_moves: F64  # [N] P(moves), by its own evidence and its object's; NaN: seen too little
    objects: dict[int, ObjectRigidity]  # by id; 0 is what no mask holds


def moving_objects(
    masks: ObjectMasks, tracks: PointTracks, rigidity: Rigidity, options: RigidityOptions
) -> tuple[int, ...]:
    """Ids of the objects that are not likelier to stand still."""
    priors = options.priors(masks.objects)
    owner = owners(tracks, masks.object_id)
    found = posterior(rigidity.log_ratio, owner, priors, options).objects
    return tuple(o.object_id for o in masks.objects if found[o.object_id].moves >= 0.5)


def posterior(
    ratio: F64, owner: U16, priors: Mapping[int, float], options: RigidityOptions
) -> Posterior:
    """Log likelihood ratios [N] of tracks (NaN: not known) against the priors of their objects.

    Args:
        owner: object [N] that each track lies on, 0 for what no mask holds.
        priors: P(moves) of each object that tracks may lie on.
    """
    track_moves, found = np.full(len(owner), NAN), dict[int, ObjectRigidity]()
    for label, prior in priors.items():
        own = np.isfinite(ratio) & (owner == label)
        moves, track_moves[own] = _object(with_misled(ratio[own], options.misled), prior, options)
        share = float(track_moves[own].mean()) if own.any() else NAN
        found[label] = ObjectRigidity(moves, share, int(own.sum()))
    return Posterior(track_moves, found)


def with_misled(ratio: F64, misled: float) -> F64:
    """The same, where a share of the static tracks goes its own way: at most 1 / misled."""
    return ratio - np.logaddexp(np.log1p(-misled), np.log(misled) + ratio)


def _object(ratio: F64, prior: float, options: RigidityOptions) -> tuple[float, F64]:
    """(P(the object moves), P(moves) of each of its tracks), of ratios that know of the misled."""
    if not len(ratio):
        return prior, np.zeros(0)
    log_odds = np.stack([_log_beta(*options.static_fraction), _log_beta(*options.moving_fraction)])
    log_odds += np.log([[1 - prior], [prior]])
    track = np.logaddexp(np.log1p(-_FRACTION)[:, None], np.log(_FRACTION)[:, None] + ratio)
    weight = min(1.0, options.num_independent / len(ratio))
    joint = log_odds + weight * track.sum(axis=1)
    joint = np.exp(joint - joint.max())
    joint /= joint.sum()
    each = np.exp(np.log(_FRACTION)[:, None] + ratio - track)
    return float(joint[1].sum()), joint.sum(axis=0) @ each


def _log_beta(a: float, b: float) -> F64:
    """Log probabilities of the fractions under Beta(a, b)."""
    log = (a - 1) * np.log(_FRACTION) + (b - 1) * np.log1p(-_FRACTION)
    return log - np.logaddexp.reduce(log)
