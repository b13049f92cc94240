"""Posed sources as clips: frames at the working size, and the cameras that go with them."""

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from camvid.artifacts import Video
from camvid.geometry import rescale_K
from camvid.imports.cameras import GivenCameras
from camvid.imports.footage import Rectifier, check_size, frames_of, rectifier
from camvid.imports.posed import PosedVideo
from camvid.video.cut import CutClip, CutOptions, one_clip
from camvid.video.decode import SourceFrame
from camvid.video.names import name_of


def posed_clips(
    posed: PosedVideo, options: CutOptions, licence: str = "", *, in_pieces: bool = True
) -> Iterator[CutClip]:
    """The views, with their GivenCameras, as one clip, or equal pieces of a clip's length.

    What somebody posed is long enough; bars are not cut off, as that would move the cameras.
    VideoError where views cannot be read.
    """
    options = replace(options, min_clip_s=1e-3, min_fps=1e-3, remove_black_bars=False)
    frames = frames_of(posed)
    first = next(frames)
    height, width = first.rgb.shape[:2]
    rectify = rectifier(posed, (width, height))
    video = _video(posed, rectify.size_px, licence)
    duration_s = float(posed.times_s[-1] - posed.times_s[0])
    num_pieces = math.ceil(duration_s / options.max_clip_s) if in_pieces else 1
    views = enumerate(itertools.chain([first], frames))
    for piece in np.array_split(np.arange(len(posed.times_s)), max(num_pieces, 1)):
        some = _rectified(views, len(piece), rectify, (width, height), posed.source)
        clip = one_clip(video, some, options)
        size_px = clip.clip.width_px, clip.clip.height_px
        yield replace(clip, extra=(_cameras(posed, rectify, piece, size_px),))


def _rectified(
    views: "enumerate[SourceFrame]",
    num: int,
    rectify: Rectifier,
    size_px: tuple[int, int],
    source: Path,
) -> Iterator[SourceFrame]:
    """The next views; one at a time is in memory."""
    for view, frame in itertools.islice(views, num):
        check_size(frame, size_px, source)
        yield frame._replace(rgb=rectify(frame.rgb, view))


def _cameras(
    posed: PosedVideo, lens: Rectifier, piece: np.ndarray, size_px: tuple[int, int]
) -> GivenCameras:
    scale = np.array(size_px) / lens.size_px
    K = rescale_K(lens.K[piece], *scale)
    zoom = K[:, 0, 0] / K[0, 0, 0]
    return GivenCameras(
        K=K[0],
        zoom=np.where(np.abs(zoom - 1) < 1e-9, 1.0, zoom),
        cam_from_world=np.ascontiguousarray(posed.cam_from_world[piece]),
    )


def _video(posed: PosedVideo, size_px: tuple[int, int], licence: str) -> Video:
    """The source; its identity is that of the views and of their cameras."""
    given = posed.source.read_bytes() if posed.source.is_file() else b""
    digest = hashlib.sha256(given)
    for path in posed.footage:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    sha256 = digest.hexdigest()
    gaps_s = np.diff(posed.times_s)
    fps = 1 / float(np.median(gaps_s)) if len(gaps_s) else 1.0
    return Video(
        video_id=sha256[:16],
        uri=name_of(str(posed.source)),
        sha256=sha256,
        width_px=size_px[0],
        height_px=size_px[1],
        fps=fps,
        num_frames=len(posed.times_s),
        duration_s=len(posed.times_s) / fps,
        licence=licence,
    )
