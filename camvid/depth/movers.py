"""Where each mover is in each frame: one least-squares problem over the logarithm of inverse depth.

    E(x, b) = sum_t ((x_t+1 - x_t - g_t) / s_g)^2      a body of one size grows as it comes near
            + sum_t ((x_t - f_t - b - m_t) / s_t)^2    it stands on the ground seen at its foot
            + ((mean x - h) / s_h)^2                   parallax of the camera's hand shake
            + (b / s_b)^2

over x_t, the logarithm of one mover's inverse depth in frame t, and the error b that all its ground
contacts share. g_t is how much its image grows to the next frame, f_t the ground's x at its lowest
pixels and m_t how much nearer than that it is expected (0 where contact is seen), h what parallax
measures; each s is the standard deviation of its term. In the air or where its foot is covered a
mover is nearer than the ground seen below it, hardly ever farther: s_t is larger on the side of
being nearer. New evidence is a further row; what it leaves open is the posterior's standard
deviation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, U16
from camvid.depth.contact import Contact, contact
from camvid.depth.fusion import Measured
from camvid.depth.growth import follow
from camvid.depth.hand_shake import Parallax, parallax
from camvid.depth.views import Views
from camvid.parallel import map_threads

# Standard deviations of the logarithm, set on 29 movers of generated scenes (seeds 200 to 258): the
# error of theirs is .10 in the mean and .07 in the median. One frame's contact counts little, since
# its neighbours say the same.
_GROWTH_SIGMA, _GROWTH_SPREAD = 0.003, 0.5  # of one step: at least, and of its corners' spread
_LOST_SPREAD = 0.05  # where it is not tracked
_CONTACT_SIGMA = (0.04, 0.6)  # where contact says nearer, farther than it is
_SHARED_SIGMA, _UNSEEN_SIGMA = 0.06, 0.4  # of all a mover's contacts together, where seen or not
# Log inverse depth over that of the ground seen lowest, and its error, where no contact is seen.
# What fills the image with its foot in sight hangs there in generated scenes and stands in real
# life; without, it is nearer still, but too small a depth makes up motion.
_LARGE, _LARGE_SHARE = (0.34, 0.7), 0.25  # of the image
_LARGE_CUT, _CUT = (0.59, 0.8), (0.26, 0.8)  # cut off by the lower edge of the image
_ON_OTHER = (0.0, 0.8)  # its foot is seen on another mover
_MIN_CONTACT_SHARE = 0.3  # of the frames, to be placed by its own contact with the ground
# One number for all of a body, which is not flat and not all at its foot; at least as much as the
# mean error of movers (.13 over 17 generated scenes). It keeps their confidence below the 64 at
# which motion measurement takes depth for more than a guess, which this depth is not.
_SHAPE_SIGMA = 0.14
_NUM_ROUNDS = 10  # of reweighting, by the side of its target that each row is on: each is quick


class Mover(NamedTuple):
    """One mover's place over the clip."""

    inv_depth: F64  # [T], NaN where nothing is known at all
    sigma: F64  # [T] expected relative error


class Rows(NamedTuple):
    """A term ((row . z - target) / sigma)^2 for each row, of z = (x_1 ... x_T, b)."""

    rows: F64  # [k, T + 1]
    target: F64  # [k]
    below: F64  # [k] sigma where row . z is below the target
    above: F64  # [k] and above it


class _Placed(NamedTuple):
    """A mover by itself, and the other mover that it is seen on."""

    mover: Mover
    support: int  # its id, 0 where the ground or nothing is below


def place_movers(
    movers: Sequence[int], object_id: Sequence[U16], surfaces: Sequence[Measured], views: Views
) -> dict[int, Mover]:
    """By their ids, `movers` among the objects [h, w] of each frame, before the static `surfaces`.

    A mover of which no foot is ever seen because another mover is below it is mostly a part of
    that one, or just behind it: it is put where that one is.
    """

    def place(label: int) -> _Placed:
        contacts = [
            contact(surface, ids, label) for surface, ids in zip(surfaces, object_id, strict=True)
        ]
        tracked = follow(views.gray, object_id, label)
        growth = growth_rows(tracked.log_growth, tracked.spread)
        rows = [growth, contact_rows(contacts), shared_row(contacts)]
        alone = solve(rows)
        measured = parallax(tracked.path_px, alone.inv_depth, views.K, views.cam_from_world)
        mover = solve([*rows, parallax_row(measured, alone)]) if measured is not None else alone
        return _Placed(mover, 0 if _has_ground_contact(contacts) else _support_of(contacts, movers))

    placed = dict(zip(movers, map_threads(place, movers), strict=True))
    return {label: placed[_supporting_mover(label, placed)].mover for label in movers}


def growth_rows(log_growth: F64, spread: F64) -> Rows:
    """Of the growth of its image from frame to frame [T - 1]; NaN where it is not tracked."""
    num = len(log_growth)
    rows = np.eye(num, num + 2, 1) - np.eye(num, num + 2)
    sigma = np.hypot(_GROWTH_SIGMA, _GROWTH_SPREAD * np.nan_to_num(spread, nan=_LOST_SPREAD))
    return Rows(rows, np.nan_to_num(log_growth), sigma, sigma)


def contact_rows(contacts: Sequence[Contact]) -> Rows:
    """One for every frame in which the ground below a mover is known."""
    known = [t for t, c in enumerate(contacts) if np.isfinite(c.inv_depth)]
    priors = [_prior(contacts[t], _is_large(contacts)) for t in known]
    target = [np.log(contacts[t].inv_depth) + b[0] for t, b in zip(known, priors, strict=True)]
    rows = np.eye(len(contacts), len(contacts) + 1)[known]
    rows[:, -1] = -1
    below, above = (np.array([b[k] for b in priors]) for k in (1, 2))
    return Rows(rows, np.array(target), below, above)


def _prior(seen: Contact, large: bool) -> tuple[float, float, float]:
    """(log nearness over the ground at its foot, its error downwards, upwards)."""
    if large:
        mean, sigma = _LARGE if seen.foot_in_view else _LARGE_CUT
    elif not seen.foot_in_view:
        mean, sigma = _CUT
    elif seen.beneath:
        mean, sigma = _ON_OTHER
    else:
        return 0.0, *_CONTACT_SIGMA
    return mean, sigma, sigma


def shared_row(contacts: Sequence[Contact]) -> Rows:
    """The prior of the error that all contacts share: the ground's, and how things touch it."""
    ground = [c.sigma for c in contacts if np.isfinite(c.inv_depth)]
    own = (
        _SHARED_SIGMA
        if _has_ground_contact(contacts) and not _is_large(contacts)
        else _UNSEEN_SIGMA
    )
    sigma = np.array([np.hypot(own, np.median(ground) if ground else 0.0)])
    num_frames = len(contacts)
    return Rows(np.eye(1, num_frames + 1, num_frames), np.zeros(1), sigma, sigma)


def _is_large(contacts: Sequence[Contact]) -> bool:
    shares = [c.share for c in contacts if np.isfinite(c.inv_depth)]
    return bool(shares) and float(np.median(shares)) > _LARGE_SHARE


def _has_ground_contact(contacts: Sequence[Contact]) -> bool:
    """Whether its contact with the ground is seen often enough to place it."""
    return bool(
        np.mean([c.foot_in_view and c.beneath == 0 for c in contacts]) >= _MIN_CONTACT_SHARE
    )


def parallax_row(measured: Parallax, guess: Mover) -> Rows:
    """Of the mean over the frames: the guess times the factor that the hand shake measures."""
    num_frames = len(guess.inv_depth)
    row = np.full((1, num_frames + 1), 1 / num_frames)
    row[:, -1] = 0
    target = np.array([np.log(guess.inv_depth).mean() + np.log(measured.factor)])
    sigma = np.array([measured.sigma])
    return Rows(row, target, sigma, sigma)


def solve(terms: Sequence[Rows]) -> Mover:
    """The posterior of x by reweighted least squares; nothing where no row gives the scale."""
    rows = np.concatenate([term.rows for term in terms])
    target = np.concatenate([term.target for term in terms])
    below = np.concatenate([term.below for term in terms])
    above = np.concatenate([term.above for term in terms])
    num_frames = rows.shape[1] - 1
    absolute = rows[:, :-1].sum(axis=1) > 0.5  # differences and errors do not
    if not absolute.any():
        return Mover(np.full(num_frames, np.nan), np.full(num_frames, np.inf))
    z = np.append(np.full(num_frames, np.median(target[absolute])), 0.0)
    hessian = np.eye(num_frames + 1)
    for _ in range(_NUM_ROUNDS):
        weighted = rows / np.where(rows @ z < target, below, above)[:, None] ** 2
        hessian = weighted.T @ rows
        z = np.linalg.solve(hessian, weighted.T @ target)
    variance = np.diag(np.linalg.inv(hessian))[:num_frames]
    return Mover(np.exp(z[:num_frames]), np.sqrt(variance + _SHAPE_SIGMA**2))


def _support_of(contacts: Sequence[Contact], movers: Sequence[int]) -> int:
    """The mover seen below it in most frames in which it is seen; 0 if there is none."""
    beneath = np.array([c.beneath for c in contacts if c.foot_in_view])
    shares = {label: float((beneath == label).mean()) for label in movers if label in beneath}
    support = max(shares, key=lambda label: shares[label], default=0)
    return support if sum(shares.values()) > 0.5 else 0


def _supporting_mover(label: int, placed: dict[int, _Placed]) -> int:
    """The mover at the bottom of the pile that `label` is part of; itself where it goes round."""
    passed = [label]
    while support := placed[passed[-1]].support:
        if support in passed:
            return label
        passed.append(support)
    return passed[-1]
