"""Imports: clips that come with cameras, through the same stages as videos."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from camvid.imports.formats import FORMATS, find_sources
from camvid.pipeline import CLIP_STAGES
from camvid.stage import StageConfig
from camvid.video.names import absolute
from stages.split import SplitConfig
from stages.take_cameras import TakeCamerasConfig
from stages.take_clips import TakeClipsConfig
from stages.take_views import TakeViewsConfig
from stages.track import UNORDERED, TrackConfig
from workflows.curate_config import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportConfig(CurateConfig):
    """A run whose cameras are given: neither shots nor cameras are looked for."""

    split: SplitConfig = TakeClipsConfig()
    are_views: bool = False  # without order, of a static scene

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """Those of a run, where some are stood in for."""
        chosen: dict[str, StageConfig] = {"reconstruct": TakeCamerasConfig()}
        if self.are_views:
            chosen["segment"] = TakeViewsConfig()
        usual = dict(zip(CLIP_STAGES, CurateConfig.clip_stages(self), strict=True))
        return tuple((usual | chosen).values())


class ImportPlan(NamedTuple):
    """What an import takes in."""

    sources: list[str]
    config: ImportConfig


def plan_import(source: str, name: str, footage: str) -> ImportPlan:
    """The sources in a file or folder; ConfigError where there are none of this format."""
    name, sources = find_sources(absolute(source), name)  # for workers in other folders, too
    footage = absolute(footage) if footage else ""
    config = ImportConfig(split=TakeClipsConfig(format=name, footage=footage))
    if FORMATS[name].are_views:
        config = replace(config, are_views=True, track=TrackConfig(backend=UNORDERED))
    return ImportPlan(sources, config)
