"""Options of the segmenters with weights."""

from dataclasses import dataclass, field

from camvid.errors import ConfigError
from camvid.models.options import CheckpointOptions
from camvid.models.segmenters.movable import MOVABLE
from camvid.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How the masks of single frames become objects with lasting ids."""

    working_side_px: int = 320  # of the images on which flow and overlaps are computed
    min_overlap: float = 0.3  # intersection over union with the mask expected from the flow
    other_label: float = 0.7  # by which an overlap counts where the label changed
    max_gap_s: float = 1.2  # for which an object may be out of sight
    min_comeback: float = 0.5  # share of the smaller mask that lies where a lost one is expected
    max_covered: float = 0.5  # of a mask by those of other objects; beyond, it is part of them
    max_fill_s: float = 0.2  # gaps up to this long are filled from both their ends
    min_duration_s: float = 0.2  # for which an object must be seen (or all of a shorter clip)
    max_objects: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentAnythingOptions(CheckpointOptions):
    """SAM on a grid of points in every frame; its masks have no class: what moves is kept.

    The kind (vit_b, vit_l, vit_h) is read off the checkpoint. `batch_size` counts points.
    """

    checkpoint: str = "sam-vit-h"
    batch_size: int = 64
    points_per_side: int = 32
    min_predicted_iou: float = 0.88
    min_stability: float = 0.95
    min_moving_share: float = 0.5  # of a mask's pixels that move against the background
    max_area_fraction: float = 0.7  # of the image; larger masks are the background
    link: LinkOptions = field(default_factory=LinkOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledOptions(CheckpointOptions):
    """Instances with labels. Greedy: unsure masks count too."""

    min_score: float = setting(0.3, "probability", "Instances with a lower score are not masked.")
    movable: tuple[str, ...] = setting(
        MOVABLE, "labels", "Labels of the checkpoint that name something that may move."
    )
    link: LinkOptions = field(default_factory=LinkOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask2FormerOptions(LabelledOptions):
    """Mask2Former."""

    checkpoint: str = "mask2former-swin-large-coco-instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class RfDetrSegOptions(LabelledOptions):
    """RF-DETR-Seg: faster."""

    checkpoint: str = "rf-detr-seg-large"
    side_px: int = 0  # of the square input, fitted to the network's windows; 0: the checkpoint's


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam2Options(CheckpointOptions):
    """SAM 2 follows objects through the clip, forwards and backwards from where they are prompted.

    Prompts come from the detector if there is one, else from evidence of motion.
    """

    checkpoint: str = "sam2.1-hiera-large"
    batch_size: int = 1  # memory runs along the clip: frame by frame
    detector: RfDetrSegOptions | None = None
    prompt_area_quantile: float = 0.8  # an object is prompted where it is this large in its life
    working_side_px: int = 320  # of the images on which evidence of motion is computed

    def __post_init__(self) -> None:
        CheckpointOptions.__post_init__(self)
        if self.batch_size != 1:
            raise ConfigError(f"sam2.batch_size must be 1, got {self.batch_size}")
