"""Shots by PySceneDetect's adaptive detector (hard cuts) and a blend test (fades, dissolves)."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
from scenedetect import FrameTimecode  # pyright: ignore[reportMissingTypeStubs]
from scenedetect.detectors import AdaptiveDetector  # pyright: ignore[reportMissingTypeStubs]

from camvid.errors import ConfigError
from camvid.models.shots.spans import apart, shots_between
from camvid.video.decode import SourceFrame
from camvid.video.dissolves import DissolveDetector, DissolveOptions

_NOMINAL_FPS = 30.0  # PySceneDetect wants a rate; only its frame numbers are used


@dataclass(frozen=True, slots=True, kw_only=True)
class PySceneDetectOptions(DissolveOptions):
    """What counts as a cut; every length is in source frames, so that rates do not matter."""

    min_cut_ratio: float = 3.0  # content change against that of the neighbouring frames
    min_content_change: float = 15.0  # mean change in hue, saturation, value (0 to 255)
    min_shot_frames: int = 5

    def __post_init__(self) -> None:
        if self.min_cut_ratio <= 1:
            raise ConfigError(f"min_cut_ratio must be above 1, got {self.min_cut_ratio}")
        if self.min_shot_frames < 1:
            raise ConfigError(f"min_shot_frames must be at least 1, got {self.min_shot_frames}")


class PySceneDetect:
    """The embedded ShotDetector: hard cuts, fades and dissolves."""

    def __init__(self, options: PySceneDetectOptions | None = None) -> None:
        self._options = options or PySceneDetectOptions()

    def detect(self, frames: Iterable[SourceFrame]) -> list[tuple[float, float]]:
        """Shots of a video as (start_s, end_s), in order; no fade belongs to a shot."""
        stretches = itertools.groupby(frames, key=lambda frame: frame.stretch)
        return apart(shot for _, stretch in stretches for shot in self._within(stretch))

    def _within(self, stretch: Iterable[SourceFrame]) -> list[tuple[float, float]]:
        """Shots of an unbroken stretch of the video."""
        cuts = self._hard_cut_detector()
        dissolves = DissolveDetector(self._options)
        times_s: list[float] = []
        gaps: list[tuple[int, int]] = []  # first frame not in the shot before, first in the next
        for index, frame in enumerate(stretch):
            bgr: Any = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
            found: Any = cuts.process_frame(FrameTimecode(index, _NOMINAL_FPS), bgr)
            gaps += [(cut.frame_num, cut.frame_num) for cut in found]
            dissolves.add(frame.timestamp_s, frame.rgb)
            times_s.append(frame.timestamp_s)
        fades = dissolves.find()
        gaps = [cut for cut in gaps if not any(a <= cut[0] <= b for a, b in fades)] + fades
        return shots_between(times_s, sorted(gaps))

    def _hard_cut_detector(self) -> AdaptiveDetector:
        return AdaptiveDetector(
            adaptive_threshold=self._options.min_cut_ratio,
            min_content_val=self._options.min_content_change,
            min_scene_len=self._options.min_shot_frames,
        )
