"""Plots the camera path and sparse points from above and from the side, with equal axes."""

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from camvid.artifacts import F64, Reconstruction
from camvid.geometry import camera_centers
from camvid.report.svg import dots, element, path

_WIDTH, _HEIGHT = 420.0, 340.0
_MARGIN = 26.0
_MAX_POINTS = 1500
_NUM_WEDGES = 9


@dataclass(frozen=True, slots=True)
class _View:
    """World to plot: `axes` [2, 3] are the world directions of the plot's right and up."""

    axes: F64
    center: F64  # [2] along those axes
    px_per_unit: float

    def xy(self, world: F64) -> F64:
        """[N, 2] positions in the plot of [N, 3] world points."""
        plane = (world @ self.axes.T - self.center) * self.px_per_unit
        return np.stack([_WIDTH / 2 + plane[:, 0], _HEIGHT / 2 - plane[:, 1]], axis=1)


def camera_plots(reconstruction: Reconstruction | None) -> tuple[tuple[str, Markup], ...]:
    """(caption, SVG) of the views from above and from the side; none without a trajectory."""
    if reconstruction is None or not reconstruction.has_trajectory:
        return ()
    right, up, forward = _scene_axes(reconstruction)
    return (
        ("From above", _plot(reconstruction, np.stack([right, forward]), "from above")),
        ("From the side", _plot(reconstruction, np.stack([forward, up]), "from the side")),
    )


def _scene_axes(reconstruction: Reconstruction) -> tuple[F64, F64, F64]:
    """Mean camera right, up and forward in the world: a solved scene knows no gravity."""
    rotation = reconstruction.cam_from_world[reconstruction.registered, :, :3]
    down = rotation[:, 1].mean(axis=0)
    up = -down / max(float(np.linalg.norm(down)), 1e-12)
    ahead = rotation[:, 2].mean(axis=0)
    ahead = ahead - (ahead @ up) * up
    if np.linalg.norm(ahead) < 1e-6:  # a full turn: any direction is as good
        ahead = rotation[0, 2] - (rotation[0, 2] @ up) * up
    forward = ahead / max(float(np.linalg.norm(ahead)), 1e-12)
    return np.cross(forward, up), up, forward


def _plot(reconstruction: Reconstruction, axes: F64, name: str) -> Markup:
    cameras = reconstruction.cam_from_world[reconstruction.registered]
    centers = camera_centers(cameras)
    points = reconstruction.points_world.astype(np.float64)
    view = _fitted(axes, centers, points)
    return element(
        "svg",
        _points(view, points),
        _wedges(view, cameras, centers),
        _trajectory(view, reconstruction),
        _scale_bar(view),
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label=f"Camera path and sparse points {name}",
        class_="plot camera-plot",
    )


def _fitted(axes: F64, centers: F64, points: F64) -> _View:
    """The same scale on both axes; far-flung points may fall outside the plot."""
    plane = centers @ axes.T
    low, high = plane.min(axis=0), plane.max(axis=0)
    if len(points):
        spread = np.percentile(points @ axes.T, [4, 96], axis=0)
        low, high = np.minimum(low, spread[0]), np.maximum(high, spread[1])
    extent = np.maximum(high - low, 1e-9)
    room = np.array([_WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN])
    return _View(axes, (low + high) / 2, float((room / extent).min()))


def _points(view: _View, points: F64) -> Markup:
    step = max(1, math.ceil(len(points) / _MAX_POINTS))
    xy = view.xy(points[::step])
    inside = ((xy >= 2) & (xy <= [_WIDTH - 2, _HEIGHT - 2])).all(axis=1)
    return element("path", d=dots((float(x), float(y)) for x, y in xy[inside]), class_="points")


def _wedges(view: _View, cameras: F64, centers: F64) -> Markup:
    """A few viewing wedges, of a fixed size on paper."""
    chosen = np.unique(np.linspace(0, len(cameras) - 1, _NUM_WEDGES).astype(int))
    depth, half = 18.0 / view.px_per_unit, 9.0 / view.px_per_unit
    # In a view, a wedge shows its corners' outline: left-right from above, up-down from aside.
    corners = np.array(
        [[-half, -half, depth], [half, -half, depth], [half, half, depth], [-half, half, depth]]
    )
    parts: list[Markup] = []
    for n in chosen:
        base = view.xy(corners @ cameras[n, :, :3] + centers[n])
        tip = view.xy(centers[n : n + 1])[0]
        outline = path((float(x), float(y)) for x, y in base) + "Z"
        sides = "".join(
            path([(float(tip[0]), float(tip[1])), (float(x), float(y))]) for x, y in base
        )
        parts.append(element("path", d=outline + sides, class_="wedge"))
    return Markup("").join(parts)


def _trajectory(view: _View, reconstruction: Reconstruction) -> Markup:
    """The path, broken where frames were not registered; its start and end are marked."""
    centers = camera_centers(reconstruction.cam_from_world)  # NaN where not registered
    xy = view.xy(centers)
    xy[~reconstruction.registered] = np.nan
    known = xy[reconstruction.registered]
    (x0, y0), (x1, y1) = known[0].tolist(), known[-1].tolist()
    return Markup("").join(
        [
            element("path", d=path((float(x), float(y)) for x, y in xy), class_="trajectory"),
            element("circle", cx=x0, cy=y0, r=5, class_="start"),
            element("rect", x=x1 - 4.5, y=y1 - 4.5, width=9, height=9, class_="end"),
        ]
    )


def _scale_bar(view: _View) -> Markup:
    """A round length in scene units, a sixth to a third of the width."""
    longest = _WIDTH / 3 / view.px_per_unit
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(f * power for f in (1, 2, 5) if f * power <= longest)
    x, y = 12.0, _HEIGHT - 12.0
    end = x + length * view.px_per_unit
    return element(
        "path", d=f"M{x:.1f} {y - 4:.1f}V{y:.1f}H{end:.1f}V{y - 4:.1f}", class_="scale-bar"
    ) + element("text", f"{length:g} scene units", x=end + 8, y=y + 1, class_="tick")
