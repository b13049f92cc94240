"""Which pixels no static point explains, once the cameras are known.

A static pixel has one depth for all pairs of frames: its flow must end on the epipolar line of each
camera, and at the place that this one depth asks for. What is left in pixels is motion. Motion
along the epipolar lines at constant speed looks like depth, and stays unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from camvid.artifacts import F32, U8, Bool, Reconstruction
from camvid.depth.alignment import observed_depths
from camvid.depth.two_view import (
    Triangulated,
    TwoViewOptions,
    choose_partners,
    dense_flow,
    triangulate_flow,
)
from camvid.depth.views import Views
from camvid.geometry import rescale_K
from camvid.parallel import map_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class RigidityOptions:
    """Limits; pixels are those of the working size."""

    min_residual_px: float = 0.45  # less is flow noise
    noise_factor: float = 5.0  # and so is less than this many robust deviations
    unsuspected_factor: float = 2.0  # more is asked where no mask says that something may move
    two_view: TwoViewOptions = field(default_factory=TwoViewOptions)


def rigid_evidence(
    gray: Sequence[U8],
    hidden: Sequence[Bool],
    reconstruction: Reconstruction,
    width_px: int,
    frames: Sequence[int],
    options: RigidityOptions,
) -> list[U8]:
    """Of these frames of a clip `width_px` wide, [h, w], 128 where motion is at the threshold.

    `hidden` [h, w] masks what may move: flow that starts off it and ends on it met a thing that
    covers the pixel there, and says nothing.
    """
    scale = gray[0].shape[1] / width_px
    every_K = [rescale_K(reconstruction.K_of(t), scale, scale) for t in range(len(gray))]
    views = Views(gray, np.stack(every_K), reconstruction.cam_from_world)
    partners = choose_partners(
        reconstruction, observed_depths(reconstruction), width_px, options.two_view
    )

    def look(t: int) -> U8:
        sides: dict[bool, list[Triangulated]] = {True: [], False: []}
        for other in partners[t]:
            flow = dense_flow(gray[t], gray[other])
            found = triangulate_flow(flow, views.between(t, other))
            seen = found.inside & (hidden[t] | ~_ends_on(hidden[other], flow))
            sides[other > t].append(found._replace(inside=seen))
        # What is covered on one side of the frame is seen on the other.
        residuals = [_off_one_depth(pairs) for pairs in sides.values() if pairs]
        if not residuals:
            return np.zeros(gray[t].shape, np.uint8)
        return _against_noise(np.minimum.reduce(residuals), hidden[t], options)

    return map_threads(look, frames)


def _ends_on(mask: Bool, flow: F32) -> Bool:
    """[h, w] where the flow [h, w, 2] ends on the other picture's mask."""
    rows, columns = np.indices(mask.shape)
    x = np.clip(columns + np.rint(flow[..., 0]).astype(np.intp), 0, mask.shape[1] - 1)
    y = np.clip(rows + np.rint(flow[..., 1]).astype(np.intp), 0, mask.shape[0] - 1)
    return mask[y, x]


def _against_noise(residual_px: F32, suspected: Bool, options: RigidityOptions) -> U8:
    noise = 1.4826 * float(np.median(residual_px))
    least = np.float32(max(options.min_residual_px, options.noise_factor * noise))
    threshold = np.where(suspected, least, least * np.float32(options.unsuspected_factor))
    return np.clip(residual_px * (128 / threshold), 0, 255).astype(np.uint8)


def _off_one_depth(pairs: Sequence[Triangulated]) -> F32:
    """Largest distance in pixels [h, w] of the flows from where the best common depth puts them."""
    precision = np.stack([np.where(p.inside, p.precision, np.float32(0)) for p in pairs])
    inv_depth = np.stack([p.inv_depth for p in pairs])
    total = np.maximum(precision.sum(axis=0), np.float32(1e-30))
    common = np.maximum((precision * inv_depth).sum(axis=0) / total, np.float32(0))
    along = precision * (inv_depth - common) ** 2
    across = np.stack([np.where(p.inside, p.off_line_px, np.float32(0)) ** 2 for p in pairs])
    return np.sqrt((along + across).max(axis=0))
