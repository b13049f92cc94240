"""Plots where a rotation-only camera looked: its axis and image border, in degrees."""

import math
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from camvid.artifacts import F64, Reconstruction
from camvid.report.svg import element, path

_WIDTH, _HEIGHT = 420.0, 260.0
_MARGIN = 22.0
_NUM_OUTLINES = 7
_EDGE_STEPS = 8  # straight edges of the image are curves on the sphere


def gaze_plot(reconstruction: Reconstruction | None) -> tuple[tuple[str, Markup], ...]:
    """(caption, SVG) of the gaze in degrees; none for other cameras, or where none is known."""
    rotates = reconstruction is not None and reconstruction.camera in ("rotating", "zooming")
    if reconstruction is None or not rotates or not reconstruction.has_cameras:
        return ()
    frames = np.flatnonzero(reconstruction.registered)
    shown = frames[np.unique(np.linspace(0, len(frames) - 1, _NUM_OUTLINES).astype(int))]
    # Axes of the middle camera, so that the image is upright and near the equator.
    upright = reconstruction.cam_from_world[frames[len(frames) // 2], :, :3]
    outlines = [_angles_deg(_outline(reconstruction, int(t)) @ upright.T) for t in shown]
    gaze = np.full((len(reconstruction.registered), 2), np.nan)
    axes = reconstruction.cam_from_world[frames, 2, :3]
    gaze[frames] = _angles_deg(axes @ upright.T)
    caption = "Where the camera looked, in degrees; its image at a few moments"
    return ((caption, _drawn(gaze, outlines)),)


def _outline(reconstruction: Reconstruction, frame: int) -> F64:
    """Directions in the world [n, 3] of the image's border (taken as twice the centre)."""
    K = reconstruction.K_of(frame)
    width, height = 2 * K[0, 2], 2 * K[1, 2]
    along = np.linspace(0, 1, _EDGE_STEPS, endpoint=False)[:, None]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0]])
    sides = [a + along * (b - a) for a, b in pairwise(corners)]
    xy_px = np.concatenate([*sides, corners[:1]])
    rays = np.column_stack([(xy_px - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones(len(xy_px))])
    return rays @ reconstruction.cam_from_world[frame, :, :3]


def _angles_deg(directions: F64) -> F64:
    """[n, 2] right and up of the z axis."""
    x, y, z = directions.T
    return np.degrees(np.stack([np.arctan2(x, z), np.arctan2(-y, np.hypot(x, z))], axis=1))


def _drawn(gaze: F64, outlines: list[F64]) -> Markup:
    everything = np.concatenate(outlines)
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = np.array([_WIDTH - 2 * _MARGIN, _HEIGHT - 3 * _MARGIN])
    px_per_deg = float((room / np.maximum(high - low, 1e-6)).min())
    center = (low + high) / 2

    def xy(angles_deg: F64) -> list[tuple[float, float]]:
        away = (angles_deg - center) * px_per_deg
        return [(_WIDTH / 2 + float(x), _HEIGHT / 2 - _MARGIN / 2 - float(y)) for x, y in away]

    known = gaze[np.isfinite(gaze[:, 0])]
    (x0, y0), (x1, y1) = xy(known[[0, -1]])
    return element(
        "svg",
        *(element("path", d=path(xy(outline)), class_="wedge") for outline in outlines),
        element("path", d=path(xy(gaze)), class_="trajectory"),
        element("circle", cx=x0, cy=y0, r=5, class_="start"),
        element("rect", x=x1 - 4.5, y=y1 - 4.5, width=9, height=9, class_="end"),
        _scale_bar(px_per_deg),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label="Where the camera looked",
        class_="plot camera-plot",
    )


def _scale_bar(px_per_deg: float) -> Markup:
    """A round angle, a sixth to a third of the width."""
    longest = _WIDTH / 3 / px_per_deg
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(f * power for f in (1, 2, 5) if f * power <= longest)
    x, y = 12.0, _HEIGHT - 8.0
    end = x + length * px_per_deg
    return element(
        "path", d=f"M{x:.1f} {y - 4:.1f}V{y:.1f}H{end:.1f}V{y - 4:.1f}", class_="scale-bar"
    ) + element("text", f"{length:g}\N{DEGREE SIGN}", x=end + 8, y=y + 1, class_="tick")
