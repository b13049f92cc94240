"""Views of posed sources as images, and their cameras, with the lens's distortion taken out."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from camvid.artifacts import F32, F64, U8
from camvid.errors import VideoError
from camvid.imports.posed import PosedVideo, unreadable
from camvid.video.decode import SourceFrame, read_frames
from camvid.video.image_folder.pixels import decoded
from camvid.video.probe import probe

_OFF_CENTER = 0.001  # of the width: a principal point further off is cropped to the middle
_ASPECT = 0.001  # of focal lengths: pixels that are less square are made so
_SHRINK = 0.98
_NONE: F64 = np.zeros(4)


class Rectifier:
    """Makes views those of one pinhole with square pixels, behind the middle of its image.

    `K` [T, 3, 3] and `size_px` are the pinhole's. Of a lens that stays, the map is made once.
    """

    def __init__(
        self, K: F64, size_px: tuple[int, int], *, of: F64 | None = None, distortion: F64 = _NONE
    ) -> None:
        self.K, self.size_px = K, size_px
        self._of, self._distortion = of, distortion  # the lens's own K; None: there is none to do
        self._map: tuple[int, F32, F32] | None = None

    def __call__(self, rgb: U8, view: int) -> U8:
        if self._of is None:
            return rgb
        x, y = self.map_of(view)
        seen = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, np.uint8)

    def map_of(self, view: int) -> tuple[F32, F32]:
        """The places [H, W] that a view's pixels come from, centres counted from 0."""
        if self._of is None:
            raise ValueError("views that stay as they are have no map")
        known = self._map
        if known is None or (self._of[known[0]] != self._of[view]).any():
            shift = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
            x, y = cv2.initUndistortRectifyMap(
                self._of[view] - shift,
                self._distortion,
                np.eye(3),
                self.K[view] - shift,
                self.size_px,
                cv2.CV_32FC1,
            )
            known = self._map = (view, np.asarray(x, np.float32), np.asarray(y, np.float32))
        return known[1], known[2]

    def stays_inside(self, size_px: tuple[int, int]) -> bool:
        """Whether all that the pinhole sees lies in images of this size."""
        last = np.array(size_px) - 0.5
        ends = (0, len(self.K) // 2, len(self.K) - 1)  # a zoom's extremes, mostly
        maps = [np.stack(self.map_of(view), axis=-1) for view in ends]
        return all(bool((m >= -0.5).all() and (m <= last).all()) for m in maps)


def frames_of(posed: PosedVideo) -> Iterator[SourceFrame]:
    """The T views in order, as they are stored; `source_frame_index` numbers the footage."""
    first, *more = posed.footage
    if more or _is_image(first):
        for index, (path, time_s) in enumerate(zip(posed.footage, posed.times_s, strict=True)):
            bgr = decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if bgr is None:
                raise unreadable(posed.source, "images that can be decoded", f"{path} damaged")
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            yield SourceFrame(index, float(time_s), rgb)
        return
    yield from _of_video(posed)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def _of_video(posed: PosedVideo) -> Iterator[SourceFrame]:
    """The frames that were posed, by their numbers or, where these are all, in turn; else by time.

    Of a longer video each camera takes the frame that is nearest in time, within half a frame.
    """
    path, num = str(posed.footage[0]), len(posed.times_s)
    video = probe(path)
    frames = read_frames(path)
    wanted = posed.frame_index
    if wanted is None and video.num_frames == num:
        wanted = np.arange(num, dtype=np.int32)
    taken = 0
    for frame in frames:
        if taken == num:
            break
        if wanted is not None:
            here = frame.source_frame_index == wanted[taken]
        else:
            here = frame.timestamp_s > posed.times_s[taken] - 0.5 / video.fps
        if here:
            taken += 1
            yield frame
    if taken < num:
        raise unreadable(
            posed.source, f"cameras of frames that {path} has", f"{num - taken} of {num} beyond it"
        )


def rectifier(posed: PosedVideo, size_px: tuple[int, int]) -> Rectifier:
    """How images of this size become a pinhole's: undistorted, cropped, their pixels square."""
    scale = np.ones(2) if posed.size_px is None else np.array(size_px) / posed.size_px
    K = np.diag([*scale, 1.0]) @ posed.K
    off = np.abs(K[:, :2, 2] - np.array(size_px) / 2).max()
    skew = np.abs(K[:, 0, 0] / K[:, 1, 1] - 1).max()
    if off <= _OFF_CENTER * size_px[0] and skew <= _ASPECT and not posed.distortion.any():
        return Rectifier(K, size_px)
    half = np.minimum(K[:, :2, 2], np.array(size_px) - K[:, :2, 2]).min(axis=0)
    while half.min() > min(size_px) / 5:
        size = (2 * int(half[0]), 2 * int(half[1]))
        found = Rectifier(_ideal(K, size), size, of=K, distortion=posed.distortion)
        if found.stays_inside(size_px):
            return found
        half = half * _SHRINK
    wanted = "a lens whose undistorted middle is two fifths of the image or more"
    raise unreadable(posed.source, wanted, f"K {K[0].tolist()}, {posed.distortion.tolist()}")


def _ideal(K: F64, size: tuple[int, int]) -> F64:
    ideal = K.copy()
    ideal[:, 1, 1] = ideal[:, 0, 0]
    ideal[:, 0, 2], ideal[:, 1, 2] = size[0] / 2, size[1] / 2
    return ideal


def check_size(frame: SourceFrame, size_px: tuple[int, int], source: Path) -> None:
    """VideoError where a view is of another size than the first."""
    height, width = frame.rgb.shape[:2]
    if (width, height) != size_px:
        raise VideoError(f"{source}: must have views of one size, found {size_px}, {width, height}")
