"""Filter: the clip's kind (4d, 3d, video or none), by named thresholds."""

from dataclasses import dataclass
from typing import ClassVar

from camvid.artifacts import MotionReport, Reconstruction, Verdict
from camvid.camerawork.moves import Description
from camvid.record import measure
from camvid.stage import Resources
from camvid.verdict import Policy, decide
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig(Policy):
    """The policy; its field names are the reasons that people read."""

    resources: Resources = Resources()

    def build(self) -> "Filter":
        return Filter(self)


class Filter:
    """Reconstruction, MotionReport, Description -> Verdict.

    A clip of kind `none` has a verdict too: why it is good for nothing is worth keeping.
    """

    name: ClassVar[str] = "filter"
    version: ClassVar[int] = 6
    reads: ClassVar[tuple[type, ...]] = (Reconstruction, MotionReport, Description)
    writes: ClassVar[type] = Verdict
    weights: tuple[Weight, ...] = ()

    def __init__(self, config: FilterConfig) -> None:
        self.config = config

    def __call__(
        self, reconstruction: Reconstruction, motion: MotionReport, description: Description
    ) -> Verdict:
        measures = measure(reconstruction, motion)
        return decide(measures, self.config, reconstruction.reasons, motion.reasons, description)
