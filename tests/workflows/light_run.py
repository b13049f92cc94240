"""Runs of the light stages, and videos for them."""

from dataclasses import dataclass
from pathlib import Path

from stages.split import SplitConfig
from tests.workflows.light_stages import WRITES, HarmfulSplitConfig, LightConfig
from tests.workflows.plain_videos import write_moving_square
from workflows.curate import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCurate(CurateConfig):
    """The whole graph; seconds a run, not minutes."""

    split: SplitConfig = HarmfulSplitConfig()

    def clip_stages(self) -> tuple[LightConfig, ...]:
        return tuple(LightConfig(stage=name) for name in WRITES)


def write_videos(folder: Path, lengths: tuple[int, ...] = (40, 44, 48)) -> list[str]:
    """Videos of one clip each, told apart by their numbers of frames."""
    return [str(write_moving_square(folder / f"{n}.mp4", n, seed=n)) for n in lengths]
