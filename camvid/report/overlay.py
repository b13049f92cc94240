"""Draws masks, tracks with tails, sparse points, arrows and labels over the frames."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, F64, I32, U8, U16, PointTracks, Reconstruction
from camvid.geometry import img_from_cam, transform_points
from camvid.report.arrows import camera_predicted, draw_arrows
from camvid.report.colours import POINT_RGB, RGB, object_rgb
from camvid.report.evidence import ClipEvidence

_SHIFT = 4
_LABEL_SCALE = 0.42

_Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayOptions:
    """Size and density of the overlay."""

    long_side_px: int = 640
    max_fps: float = 12.0
    tail_s: float = 0.4
    tint: float = 0.28
    max_object_tracks: int = 80  # seen at once, about
    max_background_tracks: int = 90
    max_points: int = 500
    arrow_gap_s: float = 0.1  # where the motion report does not say


class Overlay:
    """Draws single frames of one clip, scaled to fit `long_side_px` (never enlarged)."""

    def __init__(self, evidence: ClipEvidence, options: OverlayOptions) -> None:
        rgb = evidence.frames.rgb
        self._evidence = evidence
        self._options = options
        self.scale = min(1.0, options.long_side_px / max(rgb.shape[1:3]))
        # Even sides: the encoder halves the colour planes.
        self.height_px = max(2, 2 * round(rgb.shape[1] * self.scale / 2))
        self.width_px = max(2, 2 * round(rgb.shape[2] * self.scale / 2))
        self._track_index = _chosen_tracks(evidence.tracks, options)
        self._observed = _observed_points(evidence.reconstruction, options.max_points)

    def frame_indices(self) -> tuple[NDArray[np.intp], float]:
        """Frames of a steady animation in true time, and its frame rate in hertz."""
        times = self._evidence.clip.timestamps_s
        fps = min(self._options.max_fps, self._evidence.clip.fps)
        num_frames = min(len(times), len(self._evidence.frames.rgb))
        if num_frames < 2:
            return np.zeros(num_frames, np.intp), fps
        times = times[:num_frames]
        grid = np.arange(times[0], times[-1] + 1e-6, 1.0 / fps)
        right = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
        return right - (grid - times[right - 1] < times[right] - grid), fps

    def draw(self, frame: int) -> U8:
        """The overlay of one frame, [h, w, 3] RGB."""
        image = self._resized(self._evidence.frames.rgb[frame], cv2.INTER_AREA)
        self._draw_masks(image, frame)
        self._draw_points(image, frame)
        self._draw_tracks(image, frame)
        self._draw_labels(image, frame)
        return image

    def thumbnail(self, frame: int, long_side_px: int) -> U8:
        """A small image with masks only: anything finer is unreadable at that size."""
        image = self._resized(self._evidence.frames.rgb[frame], cv2.INTER_AREA)
        self._draw_masks(image, frame)
        scale = min(1.0, long_side_px / max(image.shape[:2]))
        size = (max(1, round(self.width_px * scale)), max(1, round(self.height_px * scale)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))

    def _resized(self, image: NDArray[Any], interpolation: int) -> Any:
        """In the overlay's size; always a copy, so that it may be drawn on."""
        size = (self.width_px, self.height_px)
        if image.shape[1::-1] == size:
            return image.copy()
        return np.asarray(cv2.resize(image, size, interpolation=interpolation))

    def _mask(self, frame: int) -> U16 | None:
        masks = self._evidence.masks
        if masks is None or frame >= len(masks.object_id):
            return None
        return self._resized(masks.object_id[frame], cv2.INTER_NEAREST)

    def _draw_masks(self, image: U8, frame: int) -> None:
        mask = self._mask(frame)
        if mask is None:
            return
        for object_id in np.unique(mask[mask > 0]):
            inside = (mask == object_id).view(np.uint8)
            colour = object_rgb(int(object_id))
            x, y, w, h = cv2.boundingRect(inside)
            part, alpha = image[y : y + h, x : x + w], self._options.tint
            tinted = cv2.addWeighted(part, 1 - alpha, np.full_like(part, colour), alpha, 0)
            cv2.copyTo(tinted, inside[y : y + h, x : x + w], part)
            outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, outlines, -1, colour, 2, cv2.LINE_AA)

    def _draw_points(self, image: U8, frame: int) -> None:
        """The sparse points seen from this frame, where the solved camera projects them."""
        reconstruction = self._evidence.reconstruction
        index = self._observed.get(frame)
        if reconstruction is None or index is None or not reconstruction.registered[frame]:
            return
        world = reconstruction.points_world[index].astype(np.float64)
        cam = transform_points(reconstruction.cam_from_world[frame], world)
        xy_px, depth = img_from_cam(reconstruction.K_of(frame), cam)
        at = np.floor(xy_px[depth > 0] * self._per_px()).astype(int)
        x, y = at.T
        inside = (x >= 1) & (y >= 1) & (x < self.width_px - 1) & (y < self.height_px - 1)
        x, y = x[inside], y[inside]
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            image[y + dy, x + dx] //= 3  # a dark rim, so that the dot shows on white
        image[y, x] = POINT_RGB

    def _draw_tracks(self, image: U8, frame: int) -> None:
        tracks = self._evidence.tracks
        if tracks is None or frame >= len(tracks.visible):
            return
        index = self._track_index[tracks.visible[frame, self._track_index]]
        tails = _tails(tracks.xy_px, tracks.visible, index, self._tail_frames(frame))
        fixed = np.rint((tails * self._per_px() - 0.5) * (1 << _SHIFT)).astype(np.int32)
        owner = tracks.object_id[index]
        for object_id in np.unique(owner):
            mine = fixed[owner == object_id]
            colour = object_rgb(int(object_id))
            cv2.polylines(image, list(mine), False, colour, 1, cv2.LINE_AA, _SHIFT)
            radius = (5 if object_id else 2) << (_SHIFT - 1)
            for x, y in mine[:, 0].tolist():
                cv2.circle(image, (x, y), radius, colour, -1, cv2.LINE_AA, _SHIFT)
        predicted = self._predicted(frame)
        if predicted is not None:
            colours: list[RGB] = [(255, 255, 255)] * len(index)
            fewer = index % 2 == 0  # side by side, arrows hide each other
            observed = tails[fewer, 0] * self._per_px()
            draw_arrows(image, observed, predicted[index[fewer]], colours)

    def _predicted(self, frame: int) -> F64 | None:
        """Camera-predicted positions [N, 2] in overlay pixels, from a frame one gap earlier."""
        e = self._evidence
        if not e.can_predict or e.reconstruction is None or e.depth is None or e.tracks is None:
            return None
        gap_s = e.motion.pair_gap_s if e.motion is not None else math.nan
        gap_s = gap_s if gap_s > 0 else self._options.arrow_gap_s
        times = e.clip.timestamps_s
        earlier = int(np.abs(times - (times[frame] - gap_s)).argmin())
        if earlier >= frame:
            return None
        predicted = camera_predicted(e.reconstruction, e.depth, e.tracks, earlier, frame)
        return predicted * self._per_px()

    def _tail_frames(self, frame: int) -> I32:
        """The frames of the tail, newest first, at most 12 of them."""
        times = self._evidence.clip.timestamps_s
        first = int(np.searchsorted(times, times[frame] - self._options.tail_s))
        step = max(1, (frame - first) // 12)
        return np.arange(frame, first - 1, -step, dtype=np.int32)

    def _draw_labels(self, image: U8, frame: int) -> None:
        mask = self._mask(frame)
        masks = self._evidence.masks
        if mask is None or masks is None:
            return
        taken: list[_Box] = []
        for item in masks.objects:
            x, y, w, _ = cv2.boundingRect((mask == item.object_id).view(np.uint8))
            if w:
                text = label_text(f"{item.object_id} {item.label}")
                taken.append(_draw_label(image, text, (x, y), item.object_id, taken))

    def _per_px(self) -> F64:
        """Overlay pixels per clip pixel in x and y (rounding makes them differ a little)."""
        height, width = self._evidence.frames.rgb.shape[1:3]
        return np.array([self.width_px / width, self.height_px / height])


def animate(overlay: Overlay) -> Iterator[U8]:
    """The overlay's frames in order, one at a time: a clip of them would be 60 MB."""
    indices, _ = overlay.frame_indices()
    for frame in indices:
        yield overlay.draw(int(frame))


def label_text(label: str) -> str:
    """What OpenCV's font can write: ASCII, short."""
    return "".join(c if " " <= c <= "~" else "?" for c in label)[:28].strip()


def _draw_label(
    image: U8, text: str, at: tuple[int, int], object_id: int, taken: Sequence[_Box]
) -> _Box:
    """Writes above the object's top left corner, or lower where another label is; gives its box."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), base = cv2.getTextSize(text, font, _LABEL_SCALE, 1)
    width, height = text_width + 8, text_height + base + 5
    x = min(max(at[0], 0), max(0, image.shape[1] - width))
    y = max(at[1] - height, 0)
    for left, top, right, bottom in sorted(taken, key=lambda box: box[1]):
        if x < right and left < x + width and y < bottom and top < y + height:
            y = bottom + 1
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), object_rgb(object_id), -1)
    origin = (x + 4, y + height - base - 2)
    cv2.putText(image, text, origin, font, _LABEL_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    return x, y, x + width, y + height


def _chosen_tracks(tracks: PointTracks | None, options: OverlayOptions) -> NDArray[np.intp]:
    """An even sample of the tracks: hundreds at once hide each other."""
    if tracks is None:
        return np.zeros(0, np.intp)
    of_object = tracks.object_id > 0
    return np.concatenate(
        [
            _thinned(tracks, np.flatnonzero(~of_object), options.max_background_tracks),
            _thinned(tracks, np.flatnonzero(of_object), options.max_object_tracks),
        ]
    )


def _thinned(tracks: PointTracks, index: NDArray[np.intp], at_once: int) -> NDArray[np.intp]:
    """The share of the tracks that leaves `at_once` of them visible in a frame on average."""
    num_visible = float(tracks.visible[:, index].sum()) / max(1, len(tracks.visible))
    return _spread(index, round(len(index) * min(1.0, at_once / max(num_visible, 1.0))))


def _observed_points(
    reconstruction: Reconstruction | None, max_points: int
) -> dict[int, NDArray[np.intp]]:
    """The points observed in each frame: others may be hidden behind something."""
    if reconstruction is None or not len(reconstruction.observation_frame):
        return {}
    order = np.argsort(reconstruction.observation_frame, kind="stable")
    frames, starts = np.unique(reconstruction.observation_frame[order], return_index=True)
    points = np.split(reconstruction.observation_point[order].astype(np.intp), starts[1:])
    return {int(f): _spread(p, max_points) for f, p in zip(frames.tolist(), points, strict=True)}


def _spread(index: NDArray[np.intp], at_most: int) -> NDArray[np.intp]:
    if len(index) <= at_most:
        return index
    return index[np.linspace(0, len(index) - 1, at_most).astype(int)]


def _tails(xy_px: F32, visible: Any, index: NDArray[np.intp], frames: I32) -> F64:
    """Positions [n, K, 2], newest first; a tail stays put from where its track was lost."""
    tail = np.empty((len(index), len(frames), 2))
    alive = np.ones(len(index), bool)
    for k, frame in enumerate(frames.tolist()):
        alive &= visible[frame, index]
        previous = tail[:, max(0, k - 1)] if k else xy_px[frame, index]
        tail[:, k] = np.where(alive[:, None], xy_px[frame, index], previous)
    return tail
