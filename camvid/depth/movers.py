"""Where each mover is in each frame: a guess, from all that tells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, U16
from camvid.depth.floor import FloorOptions, ground
from camvid.depth.following import FollowOptions, follow
from camvid.depth.grounding import Contact, GroundOptions, contact, stand
from camvid.depth.planes import Plane
from camvid.depth.static_scene import Layer
from camvid.depth.sway import SwayOptions, combined, nearness
from camvid.depth.views import Views
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverOptions:
    """What tells where movers are."""

    floor: FloorOptions = field(default_factory=FloorOptions)
    ground: GroundOptions = field(default_factory=GroundOptions)
    follow: FollowOptions = field(default_factory=FollowOptions)
    sway: SwayOptions = field(default_factory=SwayOptions)


class Mover(NamedTuple):
    """One mover's place over the clip."""

    inv_depth: F64  # [T], NaN where not known
    sigma: float  # expected relative error of all of it together


class _Placed(NamedTuple):
    """A mover by itself, and the other mover that it is seen on."""

    mover: Mover
    upon: int  # its id, 0 where the ground or nothing is below


def place_movers(
    movers: list[int],
    object_ids: Sequence[U16],
    layers: Sequence[Layer],
    floor: Plane | None,
    views: Views,
    options: MoverOptions,
) -> dict[int, Mover]:
    """By their ids, `movers` among the objects [h, w] of each frame, before the static `layers`.

    They stand on the floor, where there is one.

    A mover of which no foot is ever seen because another mover is below it is mostly a part of
    that one, or just behind it: it is put where that one is.
    """
    grounds = [ground(layer, floor, views, t, options.floor) for t, layer in enumerate(layers)]

    def place(label: int) -> _Placed:
        contacts = [
            contact(below, ids, label, options.ground)
            for below, ids in zip(grounds, object_ids, strict=True)
        ]
        path_px, growth = follow(views.gray, object_ids, label, options.follow)
        stands = stand(contacts, growth, options.ground)
        told = nearness(path_px, stands.inv_depth, views.K, views.cam_from_world, options.sway)
        factor, sigma = combined(told, stands.sigma)
        upon = 0 if stands.grounded else _mostly_upon(contacts, movers)
        return _Placed(Mover(factor * stands.inv_depth, sigma), upon)

    placed = dict(zip(movers, map_threads(place, movers), strict=True))
    return {label: placed[_bearer(label, placed)].mover for label in movers}


def _mostly_upon(contacts: Sequence[Contact], movers: Sequence[int]) -> int:
    """The mover seen below it in most frames in which it is seen; 0 if there is none."""
    beneath = np.array([c.beneath for c in contacts if c.footed])
    shares = {label: float((beneath == label).mean()) for label in movers if label in beneath}
    upon = max(shares, key=lambda label: shares[label], default=0)
    return upon if sum(shares.values()) > 0.5 else 0


def _bearer(label: int, placed: dict[int, _Placed]) -> int:
    """The mover at the bottom of the pile that `label` is part of; itself where it goes round."""
    passed = [label]
    while (upon := placed[passed[-1]].upon) and upon not in passed:
        passed.append(upon)
    return passed[-1]
