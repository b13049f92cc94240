"""Where a mover touches the ground, whose depth is known behind movers too."""

from typing import NamedTuple

import numpy as np

from camvid.artifacts import NAN, U16
from camvid.depth.fusion import Measured

_MIN_PIXELS = 8  # that say anything
_CONTACT_SHARE = 0.05  # of a mover's height: how even the line is on which it stands
_EDGE_PX = 2  # a foot so near the image's lower edge is cut off by it


class Contact(NamedTuple):
    """What one frame shows of where a mover stands."""

    inv_depth: float  # of the static scene at its lowest pixels; NaN where not known
    sigma: float  # expected relative error of that
    beneath: int  # id of what is seen right below these, 0 for the ground
    share: float  # of the image
    foot_in_view: bool  # its lowest part is above the lower edge of the image


def contact(ground: Measured, object_id: U16, label: int) -> Contact:
    """Where `label` of the objects [h, w] stands on the ground [h, w]."""
    mask = object_id == label
    num_pixels = int(np.count_nonzero(mask))
    share = num_pixels / mask.size
    if num_pixels < _MIN_PIXELS:
        return Contact(NAN, NAN, 0, share, foot_in_view=False)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    lowest = mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0)
    standing = lowest >= rows[-1] - _CONTACT_SHARE * (rows[-1] - rows[0])
    y, x = lowest[standing], columns[standing]
    under = object_id[np.minimum(y + 2, mask.shape[0] - 1), x]
    under = under[under != label]
    inv_depth = float(np.median(ground.inv_depth[y, x]))
    return Contact(
        inv_depth if inv_depth > 0 else NAN,
        float(np.median(ground.sigma[y, x])),
        int(np.bincount(under).argmax()) if len(under) else 0,
        share,
        bool(rows[-1] < mask.shape[0] - _EDGE_PX),
    )
