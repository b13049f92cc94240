"""Take clips: in the place of `split`, for sources that come with cameras."""

from collections.abc import Iterator
from dataclasses import dataclass

from camvid.imports.clips import posed_clips
from camvid.imports.formats import FORMATS, read_source
from camvid.imports.posed import Footage
from camvid.video.cut import CutClip
from camvid.video.names import local_path
from camvid.video.source import Source
from stages.split import Split, SplitConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeClipsConfig(SplitConfig):
    """As for videos, but that no shots are looked for; and what the sources are."""

    format: str = "colmap"
    footage: str = ""  # where images or videos lie, if not where the format says

    def build(self) -> "TakeClips":
        return TakeClips(self)


class TakeClips(Split):
    """File of cameras -> clips, each with its GivenCameras."""

    def __init__(self, config: TakeClipsConfig) -> None:
        self.config: TakeClipsConfig = config
        self.weights = ()
        self.known = None

    def __call__(self, source: Source) -> Iterator[CutClip]:
        config = self.config
        footage = Footage(folder=config.footage, fps=config.image_fps)
        posed = read_source(local_path(source.uri), config.format, footage)
        in_pieces = not FORMATS[config.format].are_views
        yield from posed_clips(posed, config.cut, config.licence, in_pieces=in_pieces)
