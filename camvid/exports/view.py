"""A clip as it is exported: chosen frames at one rate and size, in a chosen unit of length."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import cv2
import numpy as np

from camvid.artifacts import F32, F64, I32, U8, U16, Bool
from camvid.codecs import decode_jpegs
from camvid.dataset.clip import DatasetClip
from camvid.exports.cameras import filled_cameras
from camvid.exports.framing import Framing
from camvid.exports.options import ExportOptions
from camvid.exports.scale import length_unit
from camvid.exports.source import SourceClip
from camvid.outcome import Reason, Rejected
from camvid.reasons import Why

MAX_GAP_S = 0.25  # without a camera: longer than that none is put between its neighbours
_JPEG_QUALITY = 95


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What a format writes of a clip. Frames are read one after another, never all at once."""

    clip: DatasetClip
    source: SourceClip | None  # None: the frames as they are stored
    frame_index: I32  # [F] in the clip
    fps: float
    framing: Framing
    K: F64  # [F, 3, 3] in pixels of the exported frames; NaN where not known
    cam_from_world: F64  # [F, 3, 4], lengths divided by `unit`; NaN where not known
    unit: float

    @property
    def num_frames(self) -> int:
        """F"""
        return len(self.frame_index)

    @property
    def width_px(self) -> int:
        return self.framing.size_px[0]

    @property
    def height_px(self) -> int:
        return self.framing.size_px[1]

    @property
    def zooms(self) -> bool:
        """Whether K differs between frames, by more than rounding."""
        return bool(np.ptp(self.K, axis=0).max() > 1e-9 * self.width_px)

    @cached_property
    def timestamps_s(self) -> F64:
        """[F] in the source video."""
        return self.clip.timestamps_s[self.frame_index]

    @property
    def points_world(self) -> F32:
        """[P, 3], in the unit of the cameras."""
        return (self.clip.points_world / self.unit).astype(np.float32)

    def frames(self) -> Iterator[U8]:
        """The F frames, [height_px, width_px, 3] RGB each.

        Raises:
            VideoError: the source video is not what the clip was cut from, or cannot be read.
        """
        wanted = [int(index) for index in self.frame_index]
        if self.source:
            first = decode_jpegs([self._stored[wanted[0]]])[0]
            frames = self.source.frames(wanted, first)
        else:
            frames = (decode_jpegs([self._stored[index]])[0] for index in wanted)
        return (self.framing.image(rgb) for rgb in frames)

    def jpegs(self) -> Iterator[bytes]:
        """The same as JPEG; frames that stay as they are stored are not encoded again."""
        if not self.source and self.framing.is_whole:
            yield from (self._stored[index] for index in self.frame_index)
            return
        for rgb in self.frames():
            bgr = np.ascontiguousarray(rgb[..., ::-1])
            options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            yield cv2.imencode(".jpg", bgr, options)[1].tobytes()

    @cached_property
    def _stored(self) -> list[bytes]:
        return self.clip.jpegs()

    def masks(self) -> U16:
        """[F, height_px, width_px], the `object_id` on each pixel, 0 is background."""
        return cast(U16, self.framing.labels(self.clip.masks()[self.frame_index]))

    def depth(self) -> F32:
        """[F, height_px, width_px], z in the unit of the cameras; 0 where not known."""
        depth = self.clip.depth()[self.frame_index] / np.float32(self.unit)
        return cast(F32, self.framing.labels(depth))

    def tracks(self) -> tuple[F64, Bool, U16]:
        """xy_px [F, N, 2] in the exported frames, visible [F, N], object_id [N]."""
        tracks = self.clip.tracks()
        stored_px = (self.clip.width_px, self.clip.height_px)
        xy_px = self.framing.points(tracks.xy_px[self.frame_index], stored_px)
        return xy_px, tracks.visible[self.frame_index], tracks.object_id

    def entry(self) -> dict[str, Any]:
        """What lists of clips say of it."""
        row = self.clip.row
        return {
            "clip_id": self.clip.clip_id,
            "kind": self.clip.kind,
            "camera": self.clip.camera,
            "camera_moves": ", ".join(row.get("camera_moves") or ()),
            "caption": self.clip.caption,
            "motion_strength": None if self.clip.motion != self.clip.motion else self.clip.motion,
            "num_frames": self.num_frames,
            "fps": self.fps,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "source_uri": self.clip.source_uri,
            "start_s": float(self.timestamps_s[0]),
            "end_s": float(self.timestamps_s[-1]) + 1 / self.fps,
            "licence": row.get("licence") or "",
            "from_source": self.source is not None,
            "enlarged": self.framing.enlarges,
            "length_unit": self.unit,
        }


def make_view(
    clip: DatasetClip, source: SourceClip | None, options: ExportOptions, *, needs_cameras: bool
) -> View | Rejected:
    """The clip as it is exported, or why it cannot be.

    Args:
        clip: of a run or of shards.
        source: its source video, where that is at hand.
        options: rate, size and unit.
        needs_cameras: the format says nothing without them.
    """
    if needs_cameras and not clip.registered.any():
        return Rejected(Reason(Why.NO_CAMERAS))
    frame_index = _choose_frames(clip, options)
    if isinstance(frame_index, Rejected):
        return frame_index
    cameras, intrinsics = _cameras_at(clip, frame_index)
    if needs_cameras and not np.isfinite(intrinsics).all():
        return Rejected(Reason(Why.NO_INTRINSICS))
    unit = 1.0
    if clip.registered.any():
        unit = length_unit(options.scale, clip, cameras, int(frame_index[0]))
    if not np.isfinite(unit):
        return Rejected(Reason(Why.NO_SCALE))
    scaled = cameras.copy()
    scaled[..., 3] /= unit
    stored_px = (clip.width_px, clip.height_px)
    framing = Framing.choose(source.size_px if source else stored_px, options.size_px)
    return View(
        clip=clip,
        source=source,
        frame_index=frame_index,
        fps=options.fps or clip.fps,
        framing=framing,
        K=framing.matrix(intrinsics, stored_px),
        cam_from_world=scaled,
        unit=unit,
    )


def _choose_frames(clip: DatasetClip, options: ExportOptions) -> I32 | Rejected:
    """Numbers of the frames in the clip; where cameras are known, of the longest stretch of it."""
    times_s, known = clip.timestamps_s, clip.registered
    first, last = _longest_known(times_s, known) if known.any() else (0, len(times_s) - 1)
    chosen = _frames_at(times_s[first : last + 1], options.fps)
    if isinstance(chosen, Rejected):
        return chosen
    least = max(options.frames, 2)
    if len(chosen) < least:
        return Rejected(Reason(Why.MIN_FRAMES, len(chosen), least))
    return first + chosen[: options.frames or None]


def _cameras_at(clip: DatasetClip, frame_index: I32) -> tuple[F64, F64]:
    """`cam_from_world` and K of these frames, as stored, and put between where none was found."""
    known = np.flatnonzero(clip.registered)
    if not len(known):
        return clip.cam_from_world[frame_index], clip.K[frame_index]
    within = slice(known[0], known[-1] + 1)
    cameras, intrinsics = filled_cameras(
        clip.timestamps_s[within],
        clip.cam_from_world[within],
        clip.K[within],
        clip.registered[within],
    )
    return cameras[frame_index - known[0]], intrinsics[frame_index - known[0]]


def _longest_known(times_s: F64, known: Bool) -> tuple[int, int]:
    """First and last frame of the longest stretch in which cameras are never far apart."""
    at = np.flatnonzero(known)
    runs = np.split(at, np.flatnonzero(np.diff(times_s[at]) > MAX_GAP_S) + 1)
    longest = max(runs, key=lambda run: times_s[run[-1]] - times_s[run[0]])
    return int(longest[0]), int(longest[-1])


def _frames_at(times_s: F64, fps: float) -> I32 | Rejected:
    """The frames nearest to even times, none twice; their cameras are those of their own times."""
    if not fps:
        return np.arange(len(times_s), dtype=np.int32)
    asked = times_s[0] + np.arange(int((times_s[-1] - times_s[0]) * fps + 0.5) + 1) / fps
    middles = (times_s[1:] + times_s[:-1]) / 2
    nearest = np.searchsorted(middles, asked).astype(np.int32)
    if (np.diff(nearest) < 1).any():
        has = float(1 / np.median(np.diff(times_s)))
        return Rejected(Reason(Why.MIN_FPS, has, fps))
    return nearest
