"""Facts about the real clips: the half each belongs to, labels, and published figures."""

from typing import NamedTuple

from camvid.artifacts import CameraKind
from camvid.evaluation.truth import Labels
from camvid.outcome import Kind

IMAGE_FPS = 24.0  # of DAVIS; folders of images have no clock of their own

SALIENT = 0.5  # of U2-Net-P's own probability
# Frames given to stock COLMAP, spread evenly: 24 take it 20 s of one core, without masks and with.
MAX_FRAMES = 24
MAX_FRAMES_POSED = 60  # where poses are known
TIMEOUT_S = 150.0  # of one baseline on one clip

DEVELOPMENT, PUBLISHED, UNSEEN = "development", "published", "not seen"

# Fixed when the benchmark was written; figures of all twelve at 9324481 were known by then. A clip
# that is not named here was not there.
HALVES = {
    "davis_camel": DEVELOPMENT,
    "davis_car_roundabout": DEVELOPMENT,
    "davis_dance_twirl": DEVELOPMENT,
    "davis_dog": DEVELOPMENT,
    "davis_parkour": DEVELOPMENT,
    "gt_kitti_street": DEVELOPMENT,
    "davis_blackswan": PUBLISHED,
    "davis_bmx_trees": PUBLISHED,
    "davis_drift_chicane": PUBLISHED,
    "davis_goat": PUBLISHED,
    "davis_kite_surf": PUBLISHED,
    "gt_kitti_highway": PUBLISHED,
}

# The DAVIS-2016 validation set: something moves in every sequence (that is what its masks show);
# cameras by looking at the sequences. Those called moving travel "or nearly so": where the path is
# too short for depth to show, to refuse the clip is no error.
_STANDS: dict[str, CameraKind] = {
    "blackswan": "rotating",
    "breakdance": "fixed",
    "cows": "rotating",
    "drift_chicane": "fixed",
    "kite_surf": "rotating",
    "scooter_black": "rotating",
}
_TRAVELS = (
    "bmx_trees camel car_roundabout car_shadow dance_twirl dog drift_straight goat horsejump_high"
    " libby motocross_jump paragliding_launch parkour soapbox"
).split()


def _label(kind: Kind, camera: CameraKind) -> Labels:
    return Labels(kind=kind, camera=camera)


LABELS = {
    **{f"davis_{name}": _label("video", camera) for name, camera in _STANDS.items()},
    **{f"davis_{name}": _label("4d", "moving") for name in _TRAVELS},
    "gt_kitti_street": _label("3d", "moving"),  # parked cars alone
    "gt_kitti_highway": _label("4d", "moving"),  # cars ahead, along the camera's own path
}


class Anchor(NamedTuple):
    """A published result on the 20 sequences of the DAVIS-2016 validation set."""

    method: str
    takes: str
    j_mean: float
    f_mean: float  # NaN where the source gives none
    source: str


_DAVIS = "[1]"
SOURCES = """[1] the benchmark's own site, davischallenge.org: json_data/global_eval_val_2016.js
    of github.com/davisvideochallenge/davisvideochallenge.github.io at 7d964e9"""
_NONE = float("nan")

ANCHORS = (
    Anchor(
        "GMOS", "networks for geometry and masks (Pi3, SAM 2)", 0.901, _NONE, "arXiv 2605.30352"
    ),
    Anchor("MATNet", "network, appearance and flow", 0.824, 0.807, _DAVIS),
    Anchor("COSNet", "network, appearance", 0.805, 0.795, _DAVIS),
    Anchor("ARP", "object proposals", 0.762, 0.706, _DAVIS),
    Anchor("LMP", "network on flow, object proposals", 0.700, 0.659, _DAVIS),
    Anchor(
        "Motion Grouping",
        "network on flow, trained without labels",
        0.683,
        _NONE,
        "arXiv 2104.07658",
    ),
    Anchor("FST", "flow", 0.558, 0.511, _DAVIS),
    Anchor("NLC", "flow and saliency", 0.551, 0.523, _DAVIS),
    Anchor("MSG", "clusters of long tracks", 0.533, 0.508, _DAVIS),
    Anchor("SAL", "saliency", 0.393, 0.344, _DAVIS),
)
