"""The posterior probability that a track, and that an object, moves.

A track's evidence is a ratio of likelihoods; the prior goes by what made an object of a region.
The tracks of an object share an unknown fraction that moves: nearly all of a mover (its mask
reaches a little onto what is behind it), hardly any of a static thing (tracks slide along edges,
and hang on to where two outlines cross). Which of the two distributions the fraction comes from
decides about the object, and the fraction then serves as the prior of each of its tracks. A static
thing may also mislead its tracks together, as slats do over what is seen between them: then they
stray as a mover's do, but not across what the images show.
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
    misleading: float = 0.1  # static objects that mislead most of their tracks
    # An object's tracks err together: n of them count as n / (1 + (n - 1) correlation). Over 396
    # objects of 119 scenes and real clips the log loss is 64 at 0 and 57 at this; at 0.2 it is 56,
    # but three static objects more pass for movers, the slats of a chair among them.
    correlation: float = 0.05
    static_fraction: tuple[float, float] = (0.5, 10.0)  # Beta: of a static object's tracks, moving
    moving_fraction: tuple[float, float] = (2.0, 0.7)  # Beta: of a mover's tracks
    # An object's tracks err together: n of them count as n / (1 + (n - 1) correlation). Over 196
    # objects of 60 scenes the log loss falls from 39 with 20 of them independent to 31.
    correlation: float = 0.2

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
    found = posterior(rigidity.log_ratio, rigidity, owner, priors, options).objects
    return tuple(o.object_id for o in masks.objects if found[o.object_id].moves >= 0.5)


def posterior(
    ratio: F64,
    rigidity: Rigidity,
    owner: U16,
    priors: Mapping[int, float],
    options: RigidityOptions,
) -> Posterior:
    """What tracks say, against the priors of their objects.

    Args:
        ratio: log likelihood ratios [N] of motion (NaN: not known), as `rigidity` has them or with
            more that is known.
        rigidity: what tracks and images say.
        owner: object [N] that each track lies on, 0 for what no mask holds.
        priors: P(moves) of each object that tracks may lie on.
    """
    track_moves, found = np.full(len(owner), NAN), dict[int, ObjectRigidity]()
    for label, prior in priors.items():
        own = np.isfinite(ratio) & (owner == label)
        geometry = with_misled(ratio[own], options.misled)
        image = rigidity.image_ratio[own]
        moving = geometry + np.nan_to_num(image)
        asked = bool(np.isfinite(image).any())  # else nothing tells misled tracks from moving ones
        stray = with_misled(rigidity.log_ratio[own], options.misled) if asked else None
        moves, track_moves[own] = _object(moving, stray, prior, options)
        share = float(track_moves[own].mean()) if own.any() else NAN
        found[label] = ObjectRigidity(moves, share, int(own.sum()))
    return Posterior(track_moves, found)


def with_misled(ratio: F64, misled: float) -> F64:
    """The same, where a share of the static tracks goes its own way: at most 1 / misled."""
    return ratio - np.logaddexp(np.log1p(-misled), np.log(misled) + ratio)


def _object(
    moving: F64, stray: F64 | None, prior: float, options: RigidityOptions
) -> tuple[float, F64]:
    """(P(the object moves), P(moves) of each of its tracks).

    Args:
        moving: log likelihood ratios of tracks that move, by all evidence, over those that do not.
        stray: the same of tracks that are misled; None: they are not asked for.
    """
    if not len(moving):
        return prior, np.zeros(0)
    static, moves = _log_beta(*options.static_fraction), _log_beta(*options.moving_fraction)
    own_way = _mixed(moving)
    weight = 1 / (1 + (len(moving) - 1) * options.correlation)
    joint = [  # static, moving, misleading
        np.log1p(-prior) + static + weight * own_way.sum(axis=1),
        np.log(prior) + moves + weight * own_way.sum(axis=1),
    ]
    if stray is not None:
        joint[0] = joint[0] + np.log1p(-options.misleading)
        misleading = np.log((1 - prior) * options.misleading)
        joint.append(misleading + moves + weight * _mixed(stray).sum(axis=1))
    chance = np.exp(np.stack(joint) - np.max(joint))
    chance /= chance.sum()
    each = np.exp(np.log(_FRACTION)[:, None] + moving - own_way)
    return float(chance[1].sum()), (chance[0] + chance[1]) @ each


def _mixed(ratio: F64) -> F64:
    """Log likelihoods [F, n] of tracks of which a fraction goes its own way."""
    return np.logaddexp(np.log1p(-_FRACTION)[:, None], np.log(_FRACTION)[:, None] + ratio)


def _log_beta(a: float, b: float) -> F64:
    """Log probabilities of the fractions under Beta(a, b)."""
    log = (a - 1) * np.log(_FRACTION) + (b - 1) * np.log1p(-_FRACTION)
    return log - np.logaddexp.reduce(log)
