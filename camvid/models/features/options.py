"""Options of the feature matchers; light, so that configurations can be read without torch."""

from dataclasses import dataclass, field

from camvid.errors import ConfigError
from camvid.models.options import CheckpointOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftMatcherOptions:
    """How many SIFT features an image gets, and which pairs of them are believed."""

    max_features: int = 4096  # per image
    max_match_ratio: float = 0.8  # of the distances to the best and the second-best match

    def __post_init__(self) -> None:
        _check_count(self.max_features)
        if not 0 < self.max_match_ratio <= 1:
            raise ConfigError(f"max_match_ratio must be in (0, 1], got {self.max_match_ratio}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGlueOptions(CheckpointOptions):
    """The matcher that belongs to a detector; it runs on the detector's device."""

    min_match_score: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class XFeatOptions(CheckpointOptions):
    """XFeat keypoints and descriptors, matched by its small LightGlue."""

    checkpoint: str = "xfeat"
    max_features: int = 2048  # per image
    min_keypoint_score: float = 0.05  # of a pixel among the 64 of its cell and "none of these"
    matcher: LightGlueOptions = field(
        default_factory=lambda: LightGlueOptions(checkpoint="xfeat-lighterglue")
    )

    def __post_init__(self) -> None:
        CheckpointOptions.__post_init__(self)
        _check_count(self.max_features)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikedLightGlueOptions(CheckpointOptions):
    """ALIKED keypoints and descriptors, matched by LightGlue."""

    checkpoint: str = "aliked-n16"
    max_features: int = 2048  # per image
    min_keypoint_score: float = 0.2
    matcher: LightGlueOptions = field(
        default_factory=lambda: LightGlueOptions(checkpoint="aliked-lightglue")
    )

    def __post_init__(self) -> None:
        CheckpointOptions.__post_init__(self)
        _check_count(self.max_features)


def _check_count(max_features: int) -> None:
    if max_features < 1:
        raise ConfigError(f"max_features must be at least 1, got {max_features}")
