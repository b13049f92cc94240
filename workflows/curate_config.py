"""The settings of a whole run: one section for each stage, and what concerns all of them."""

from dataclasses import dataclass

from camvid.pipeline import CLIP_STAGES
from camvid.settings import table
from camvid.stage import StageConfig
from stages.align_depth import AlignDepthConfig
from stages.describe import DescribeConfig
from stages.filter import FilterConfig
from stages.measure_motion import MeasureMotionConfig
from stages.rate_rigidity import RateRigidityConfig
from stages.reconstruct import ReconstructConfig
from stages.segment import SegmentConfig
from stages.split import SplitConfig
from stages.track import TrackConfig
from stages.verify import VerifyConfig
from stages.write_shards import WriteShardsConfig
from workflows.execution.limits import LimitsConfig
from workflows.reporting import ReportConfig
from workflows.runs.breaker import BreakerConfig
from workflows.runs.copies import CopiesConfig
from workflows.runs.licences import LicenceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """A run's settings, as run.toml has them."""

    split: SplitConfig = table(SplitConfig())
    segment: SegmentConfig = table(SegmentConfig())
    track: TrackConfig = table(TrackConfig())
    reconstruct: ReconstructConfig = table(ReconstructConfig())
    rate_rigidity: RateRigidityConfig = RateRigidityConfig()
    verify: VerifyConfig = VerifyConfig()
    align_depth: AlignDepthConfig = table(AlignDepthConfig())
    measure_motion: MeasureMotionConfig = MeasureMotionConfig()
    describe: DescribeConfig = table(DescribeConfig())
    filter: FilterConfig = table(FilterConfig())
    write_shards: WriteShardsConfig = table(WriteShardsConfig())
    report: ReportConfig = table(ReportConfig())
    limits: LimitsConfig = table(LimitsConfig())
    breaker: BreakerConfig = table(BreakerConfig())
    licences: LicenceConfig = table(LicenceConfig())
    copies: CopiesConfig = table(CopiesConfig())

    def clip_stages(self) -> tuple[StageConfig, ...]:
        """The stages that take one clip from artifact to artifact."""
        return tuple(getattr(self, name) for name in CLIP_STAGES)
