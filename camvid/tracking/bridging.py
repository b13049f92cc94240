"""Whether a clip is one shot: points that are seen in it must still be seen a second later.

A wipe, an iris or a slide from one scene to the next has no frame at which all changes, and every
frame of it shows enough to track. But nothing that was seen before it is seen after it.
"""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import PointTracks

_WINDOW_S = 1.0  # transitions are seldom longer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingLimits:
    """What the tracks of one shot have; a failed limit is the reason a person reads."""

    # Of 11 wipes, irises and slides of half a second to one all have 0; of 230 generated, semi-real
    # and real clips so has one, which a mover fills; where the camera is fast it may be .001.
    min_bridging_fraction: float = 0.0005


LIMITS = TrackingLimits()


def bridging_fraction(tracks: PointTracks, fps: float) -> float:
    """Share of the tracks of a frame that are seen a second later: the least in the clip.

    Of the frame that has fewer of the two, and but for one track, which may be led across by what
    looks alike. 1 in a clip that is shorter.
    """
    seen, apart = tracks.visible, max(1, round(_WINDOW_S * fps))
    if apart >= len(seen):
        return 1.0
    both = np.maximum((seen[:-apart] & seen[apart:]).sum(axis=1) - 1, 0)
    count = seen.sum(axis=1)
    fewer = count[:-apart].clip(max=count[apart:])
    return float((both / fewer.clip(min=1)).min())
