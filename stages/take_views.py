"""Take views: in the place of `segment`, for photographs of a scene in which nothing moves."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import Clip, Frames, MovableMasks
from camvid.stage import Resources
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeViewsConfig:
    """There is nothing to choose."""

    resources: Resources = Resources()

    def build(self) -> "TakeViews":
        return TakeViews(self)


class TakeViews:
    """Clip, Frames -> MovableMasks without an object.

    What moves, and what is fixed to the image, shows between frames; views far apart show neither.
    """

    name: ClassVar[str] = "segment"  # it stands in its place
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[type, ...]] = (Clip, Frames)
    writes: ClassVar[type] = MovableMasks
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: TakeViewsConfig) -> None:
        self.config = config

    def __call__(self, clip: Clip, frames: Frames) -> MovableMasks:
        none = MovableMasks.none(*frames.rgb.shape[:3])
        return MovableMasks(object_id=none.object_id, objects=())
