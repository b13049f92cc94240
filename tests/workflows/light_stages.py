"""Stages that compute nothing, of which one does harm where a test asks for it.

The processes that run them start quickly: nothing heavy is imported here.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from camvid.artifacts import (
    CameraKind,
    DepthMaps,
    Frames,
    MotionReport,
    MovableMasks,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Rigidity,
    Verdict,
)
from camvid.camerawork.moves import Description
from camvid.stage import Resources
from camvid.video.source import Source
from stages.split import Split, SplitConfig

FAULTS = "CAMVID_TEST_FAULTS"  # names the folder that says which clip does what, how often
CAMERA: CameraKind = "fixed"
MEASURED = {
    "motion_strength": 0.02,
    "motion_interval_low": 0.01,
    "motion_interval_high": 0.03,
    "motion_background": 0.0,
    "motion_confidence": 1.0,
    "unmeasured_fraction": 0.0,
}


def exit_() -> None:
    os._exit(3)


def abort() -> None:
    os.abort()


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def allocate() -> None:
    held = [np.ones(100_000_000, np.uint8) for _ in range(20)]
    time.sleep(60)
    del held


def hang() -> None:
    Path(os.environ[FAULTS], "pid").write_text(str(os.getpid()))
    time.sleep(600)


def pause() -> None:
    time.sleep(1)


def wait() -> None:
    """Until the test says so."""
    Path(os.environ[FAULTS], "pid").write_text(str(os.getpid()))
    deadline_s = time.monotonic() + 60
    while not Path(os.environ[FAULTS], "go").exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


HARM: Mapping[str, Callable[[], None]] = {
    "exit": exit_,
    "abort": abort,
    "segfault": segfault,
    "allocate": allocate,
    "hang": hang,
    "pause": pause,
    "wait": wait,
}


def plan_fault(folder: Path, num_frames: int, kind: str, times: int = 1000) -> None:
    """The clip of so many frames (0: split, on any video) does this, so many times."""
    (folder / f"{num_frames}.json").write_text(json.dumps([kind, times]))


def do_harm(num_frames: int) -> None:
    plan = Path(os.environ.get(FAULTS, "/nonexistent"), f"{num_frames}.json")
    if not plan.exists():
        return
    kind, times = json.loads(plan.read_text())
    if times:
        plan.write_text(json.dumps([kind, times - 1]))
        HARM[kind]()


def made(kind: type, rgb: Any) -> Any:
    """An artifact for a clip in which nothing is known of the camera and nothing moves."""
    num_frames, height, width, _ = rgb.shape
    quality = ReconstructionQuality()
    object_id = np.zeros(rgb.shape[:3], np.uint16)
    return {
        MovableMasks: lambda: MovableMasks(object_id=object_id, objects=()),
        ObjectMasks: lambda: ObjectMasks(object_id=object_id, objects=()),
        Rigidity: lambda: Rigidity(
            log_ratio=np.zeros(0),
            image_ratio=np.zeros(0),
            unexplained=np.zeros(0),
            white_px=np.nan,
            slow_px=np.zeros(0),
        ),
        Reconstruction: lambda: Reconstruction.without_trajectory(
            CAMERA, num_frames, quality=quality, reasons=()
        ),
        DepthMaps: lambda: DepthMaps.none(num_frames, height, width),
        PointTracks: lambda: PointTracks(
            xy_px=np.zeros((num_frames, 0, 2), np.float32),
            visible=np.zeros((num_frames, 0), bool),
            object_id=np.zeros(0, np.uint16),
            query_frame=np.zeros(0, np.int32),
        ),
        MotionReport: lambda: MotionReport(
            motion_strength=0.02,
            lower_bound=0.01,
            background=0.0,
            confidence=1.0,
            pair_gap_s=1 / 12,
            method="depth",
            per_object=(),
            pair_frames=np.zeros((0, 2), np.int32),
            pair_strength=np.zeros((0, 1)),
            num_tracks=0,
            interval_low=0.01,
            interval_high=0.03,
            depth_residual=0.0,
            unmeasured_fraction=0.0,
        ),
        Description: Description,
        Verdict: lambda: Verdict(
            kind="video",
            reasons=(),
            camera=CAMERA,
            camera_reasons=(),
            measured=MEASURED,  # as of the report above
            limits={},
        ),
    }[kind]()


WRITES = {
    "segment": MovableMasks,
    "track": PointTracks,
    "reconstruct": Reconstruction,
    "rate_rigidity": Rigidity,
    "verify": ObjectMasks,
    "align_depth": DepthMaps,
    "measure_motion": MotionReport,
    "describe": Description,
    "filter": Verdict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LightConfig:
    stage: str
    resources: Resources = Resources()

    def build(self) -> "LightStage":
        return LightStage(self)


class LightStage:
    version: ClassVar[int] = 1
    reads = (Frames,)
    weights = ()

    def __init__(self, config: LightConfig) -> None:
        self.config, self.name, self.writes = config, config.stage, WRITES[config.stage]

    def __call__(self, frames: Frames) -> Any:
        if self.name == "reconstruct":
            do_harm(len(frames.rgb))
        return made(self.writes, frames.rgb)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbuildable(LightConfig):
    stage: str = "segment"

    def build(self) -> LightStage:
        os._exit(3)


class HarmfulSplit(Split):
    def __call__(self, source: Source) -> Any:
        for piece in super().__call__(source):
            yield piece
            do_harm(0)


class HarmfulSplitConfig(SplitConfig):
    def build(self) -> Split:
        return HarmfulSplit(self)


class DeadlySplitConfig(HarmfulSplitConfig):
    """The first worker of Ray that is given it dies while it starts."""

    def __reduce__(self) -> Any:
        return _given, (os.environ[FAULTS],)


def _given(faults: str) -> DeadlySplitConfig:
    mark = Path(faults, "died")
    if "default_worker" in sys.argv[0] and not mark.exists():
        mark.touch()
        os._exit(1)
    return DeadlySplitConfig()
