"""Options of the shot detector with weights; light, so that configurations need no torch."""

from dataclasses import dataclass

from camvid.errors import ConfigError
from camvid.models.options import CheckpointOptions
from camvid.settings import constant


@dataclass(frozen=True, slots=True, kw_only=True)
class TransNetV2Options(CheckpointOptions):
    """When the network's word counts as a cut or a fade; lengths are in source frames."""

    checkpoint: str = constant("transnetv2")  # nobody published another
    licence: str = constant("")
    batch_size: int = 8  # windows of 100 frames at once
    min_cut_score: float = 0.5  # that an image is the last before a change
    min_fade_score: float = 0.5  # that an image belongs to a change
    min_fade_frames: int = 4  # shorter changes are cuts with a blurred image or two

    def __post_init__(self) -> None:
        CheckpointOptions.__post_init__(self)
        for name in ("min_cut_score", "min_fade_score"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in (0, 1), got {getattr(self, name)}")
