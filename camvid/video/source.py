"""A source: one video of a run, and what a list says of it beside its name."""

import hashlib
import json
import math
from dataclasses import astuple, dataclass

from camvid.errors import VideoError
from camvid.video.names import source_name
from camvid.video.stat import stat_key

Calibration = tuple[float, ...]  # fx, fy, cx, cy in pixels of the video as displayed; or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A video, or a span of one, that a run is asked to curate."""

    uri: str
    start_s: float = 0.0
    end_s: float = math.inf
    licence: str = ""
    caption: str = ""
    calibration: Calibration = ()
    listed: str = ""  # the list's other columns, as a JSON object
    fault: str = ""  # why the row of a list names no video

    @classmethod
    def of(cls, video: "str | Source") -> "Source":
        """A video of which no more than its name is known."""
        return video if isinstance(video, Source) else cls(uri=video)

    @property
    def name(self) -> str:
        """What every record calls it; a span is a media fragment (W3C), in seconds."""
        name = source_name(self.uri)
        if self.start_s == 0 and self.end_s == math.inf:
            return name
        end = "" if self.end_s == math.inf else f",{self.end_s:.3f}"
        return f"{name}#t={self.start_s:.3f}{end}"

    @property
    def identity(self) -> str:
        """Identity of all that a list says of it; empty where it says nothing."""
        said = astuple(self)[1:]
        if said == astuple(Source(uri=""))[1:]:
            return ""
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def stat(self) -> str:
        """What changes with the file, and with what is said of it.

        Raises:
            VideoError: the row names no video.
        """
        if self.fault:
            raise VideoError(self.fault)
        return " ".join(filter(None, (stat_key(self.uri), self.identity)))
