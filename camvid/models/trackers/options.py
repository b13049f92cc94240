"""Options of the point trackers with weights; light, so that configurations need no torch."""

from dataclasses import dataclass
from typing import Literal

from camvid.errors import ConfigError
from camvid.models.options import CheckpointOptions
from camvid.settings import setting

CHECKOUT = "Folder of the tracker's repository; without one, the installed package."


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """How many tracks are kept alive, where new ones are put, and what ends one."""

    max_background_tracks: int = 400  # alive at once
    max_object_tracks: int = 200  # alive at once, per object
    min_background_distance_px: float = 8.0
    min_object_distance_px: float = 4.0
    object_margin_px: int = 2  # a track put on the silhouette sees two things that move apart
    min_corner_quality: float = 0.002  # corner strength against the region's strongest
    min_corner_strength: float = 1e-4  # absolute: in flat areas, noise looks like corners
    seed_every_frames: int = 12
    max_frames_outside: int = 3  # an object's mask may flicker; background tracks die at once
    min_track_frames: int = 3  # shorter tracks are dropped
    window_frames: int = 60  # shown to the model at once
    overlap_frames: int = 12  # in which a track must be seen to go on into the next window

    def __post_init__(self) -> None:
        if self.seed_every_frames < 1:
            raise ConfigError(f"seed_every_frames must be at least 1, got {self.seed_every_frames}")
        if not 1 <= self.overlap_frames < self.window_frames:
            raise ConfigError(
                f"overlap_frames must be from 1 to window_frames - 1 = {self.window_frames - 1},"
                f" got {self.overlap_frames}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoTrackerOptions(CheckpointOptions):
    """CoTracker 3, from a checkout of its repository."""

    checkpoint: str = "cotracker3-offline"
    licence: str = "CC-BY-NC-4.0"  # of the published weights
    batch_size: int = 2048  # points followed at once
    half_precision: bool = False  # on a GPU; the published code adds up its small steps in fp32
    mode: Literal["offline", "online"] = setting(
        "offline", "name", "`offline` or `online`: what the checkpoint was trained for."
    )
    checkout: str = setting("", "path", CHECKOUT)
    follow: FollowOptions = FollowOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class TapirOptions(CheckpointOptions):
    """TAPIR, from a checkout of its repository."""

    checkpoint: str = "bootstapir"
    batch_size: int = 512  # points followed at once
    half_precision: bool = False  # on a GPU; the published code adds up its small steps in fp32
    checkout: str = setting("", "path", CHECKOUT)
    follow: FollowOptions = FollowOptions()
