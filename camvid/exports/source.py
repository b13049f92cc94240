"""A clip's frames, cut again from its source video at the size that this has."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import U8, Clip
from camvid.errors import VideoError
from camvid.video.decode import SourceFrame, read_frames

_SAME_GREY_LEVELS = 8.0  # JPEG at quality 95 is off by 1 to 2, another film by 40 and more


@dataclass(frozen=True, slots=True, eq=False)
class SourceClip:
    """Where the source lies now, and what of it is the clip."""

    clip: Clip
    path: str  # local

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the frames: the source's, less black bars."""
        return self.clip.crop_px[2:]

    def frames(self, frame_index: list[int], first_stored: U8) -> Iterator[U8]:
        """Frames of the clip, by their numbers in it, rising; [H, W, 3].

        Args:
            frame_index: which.
            first_stored: the first of these as it is stored.

        Raises:
            VideoError: the source has other frames now, or cannot be read.
        """
        x, y, width, height = self.clip.crop_px
        wanted = [float(t) for t in self.clip.timestamps_s[frame_index]]
        for number, frame in enumerate(self._frames_at(wanted)):
            rgb = frame.rgb[y : y + height, x : x + width]
            if number == 0 and (rgb.shape[:2] != (height, width) or not _alike(rgb, first_stored)):
                break
            yield rgb
        else:
            return
        raise VideoError(f"{self.clip.video.uri} shows something else than when it was cut")

    def _frames_at(self, times_s: list[float]) -> Iterator[SourceFrame]:
        """The source's frames at these times exactly."""
        left = times_s
        for start_s in (times_s[0], 0.0):  # from the beginning where seeking goes wrong
            frames = read_frames(
                self.path,
                start_s=start_s,
                times_s=left,
                image_fps=self.clip.video.fps,
                name=self.clip.video.uri,
            )
            for frame in frames:
                if frame.timestamp_s != left[0]:
                    break
                left = left[1:]
                yield frame
                if not left:  # not a frame further: the video may go on for hours
                    return
        raise VideoError(f"{self.clip.video.uri} has no frame at {left[0]:.3f} s any more")


def _alike(rgb: U8, stored: U8) -> bool:
    """Whether an image is the one that was stored, at another size."""
    size = (stored.shape[1], stored.shape[0])
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32)
    return float(np.abs(small - stored).mean()) <= _SAME_GREY_LEVELS
