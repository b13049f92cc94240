"""Imports: clips that come with cameras, through the same stages as videos."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from camvid.errors import ConfigError
from camvid.imports.formats import FORMATS, find_sources
from camvid.plain import did_you_mean
from camvid.stage import StageConfig
from stages.split import SplitConfig
from stages.take_cameras import TakeCamerasConfig
from stages.take_clips import TakeClipsConfig
from workflows.curate import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportConfig(CurateConfig):
    """A run whose cameras are given: neither shots nor cameras are looked for."""

    split: SplitConfig = TakeClipsConfig()
    take_cameras: TakeCamerasConfig = TakeCamerasConfig()

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """Those of a run, with cameras taken in the place of solved ones."""
        usual = CurateConfig.clip_stages(self)
        return tuple(self.take_cameras if s is self.reconstruct else s for s in usual)

    def of_sources(self, name: str, footage: str) -> "ImportConfig":
        """The configuration for sources of a format."""
        said: dict[str, Any] = {"format": name, "footage": footage}
        return replace(self, split=replace(self.split, **said))


class ImportPlan(NamedTuple):
    """What an import takes in."""

    sources: list[str]
    config: ImportConfig


def plan_import(source: str, name: str, footage: str) -> ImportPlan:
    """The sources in a file or folder; ConfigError where there are none of this format."""
    if name not in FORMATS:
        raise ConfigError(f"--from: `{name}` is no format{did_you_mean(name, FORMATS)}")
    _, sources = find_sources(source, name)
    return ImportPlan(sources, ImportConfig().of_sources(name, footage))
