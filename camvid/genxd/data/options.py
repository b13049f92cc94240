"""What a training sample is made of. Where GenXD leaves a choice open, it is an option here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from camvid.errors import ConfigError
from camvid.outcome import Kind

LATENT_FACTOR = 8  # image pixels per latent pixel, of every codec in this package

Fit = Literal["random_crop", "centre_crop", "pad"]
GivenRule = Literal["released", "any"]
MotionRule = Literal["x100", "sigmoid"]
ScaleRule = Literal["scene", "cameras", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """One table of the training configuration; all draws follow from `seed`."""

    seed: int = 0

    num_frames: int = 12  # as the released model
    min_gap_s: float = 1 / 12  # between frames; unpublished. Motion is measured over 1/12 s
    max_gap_s: float = 0.25  # drawn uniformly up to here, or to what the clip is long enough for
    max_gap_3d_s: float = 1.0  # of 3D clips: nothing moves, and views far apart show the scene
    height_px: int = 256
    width_px: int = 256
    fit: Fit = "random_crop"  # the paper: centre crop, then also padding

    # Unpublished. `scene` divides translations by the shard's scene_scale, the median depth of the
    # clip; `cameras` by the largest distance of a chosen camera to the first condition view.
    scale_rule: ScaleRule = "scene"
    # `x100`: as the paper shows motion strengths; `sigmoid`: 100 * (sigmoid(strength) - 0.5), as
    # the released code treats its unpublished `flow`, about 25 * strength.
    motion_rule: MotionRule = "x100"

    single_view_probability: float = 0.5  # `single_view_ratio` of the released configuration
    max_given_views: int = 3  # of multi-view samples, 2 to this many alike; unpublished
    # `released`: the places where the released evaluation puts condition views, the only published
    # ones (first, middle or last; both ends; both ends and the middle). `any`: anywhere.
    given_rule: GivenRule = "released"
    dropout: float = 0.1  # samples without conditions, for guidance: `conditioning_dropout_prob`

    held_out_fraction: float = 0.0  # of the source videos: never trained on, all their clips
    share_4d: float = 0.5  # of the samples; the paper's mixture is unpublished
    share_3d: float = 0.4
    share_video: float = 0.1
    window_row_groups: int = 8  # row groups whose clips are shuffled together
    cache_mb: int = 256  # of row groups kept by each worker: about the windows of all kinds

    def __post_init__(self) -> None:
        for name in ("height_px", "width_px"):
            _require(name, getattr(self, name), "a multiple of 64, above 0", _is_multiple_of_64)
        _require("num_frames", self.num_frames, "2 or more", lambda n: n >= 2)
        _require("min_gap_s", self.min_gap_s, "above 0", lambda gap: gap > 0)
        for name in ("max_gap_s", "max_gap_3d_s"):
            gap_s = getattr(self, name)
            _require(name, gap_s, "at least min_gap_s", lambda gap: gap >= self.min_gap_s)
        for name in ("single_view_probability", "dropout", "held_out_fraction"):
            _require(name, getattr(self, name), "in [0, 1]", lambda p: 0 <= p <= 1)
        for kind, share in self.shares().items():
            _require(f"share_{kind}", share, "0 or more", lambda s: s >= 0)
        limit = f"from 1 to {self.largest_given} (`released` knows 3; one frame is a target)"
        _require("max_given_views", self.max_given_views, limit, self._can_give)
        _require("window_row_groups", self.window_row_groups, "1 or more", lambda n: n >= 1)
        for name in ("seed", "cache_mb"):
            _require(name, getattr(self, name), "0 or more", lambda n: n >= 0)

    @property
    def largest_given(self) -> int:
        """The most condition views that the rule and the number of frames allow."""
        most = self.num_frames - 1
        return min(most, 3) if self.given_rule == "released" else most

    @property
    def latent_hw(self) -> tuple[int, int]:
        return self.height_px // LATENT_FACTOR, self.width_px // LATENT_FACTOR

    def largest_gap_s(self, kind: Kind) -> float:
        """Between neighbouring frames of a sample."""
        return self.max_gap_3d_s if kind == "3d" else self.max_gap_s

    def shares(self) -> Mapping[Kind, float]:
        """What part of the samples each kind should be, not yet normalised."""
        return {"4d": self.share_4d, "3d": self.share_3d, "video": self.share_video}

    def _can_give(self, count: float) -> bool:
        return 1 <= count <= self.largest_given


def _is_multiple_of_64(value: float) -> bool:
    return value > 0 and value % 64 == 0  # the UNet halves the latents three times


def _require(name: str, value: float, rule: str, holds: Callable[[float], bool]) -> None:
    if not holds(value):
        raise ConfigError(f"{name} must be {rule}, got {value}")
