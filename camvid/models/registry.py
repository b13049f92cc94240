"""Backend names -> classes, loaded only when asked for."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from camvid.errors import BackendUnavailable, ConfigError
from camvid.structure import did_you_mean

BACKENDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "shot detector": {"pyscenedetect": "camvid.models.pyscenedetect:PySceneDetect"},
        "segmenter": {"saliency_motion": "camvid.models.saliency_motion:SaliencyMotion"},
        "pose solver": {"track_sfm": "camvid.models.track_sfm:TrackSfm"},
        "depth estimator": {"geometric": "camvid.models.geometric_depth:GeometricDepth"},
        "point tracker": {"lucas_kanade": "camvid.models.lucas_kanade_tracker:LucasKanadeTracker"},
    }
)


def build_backend(role: str, name: str, options: object) -> Any:
    """The backend `name` for `role`, made with its options.

    Raises:
        ConfigError: no backend of that name.
        BackendUnavailable: its package is not installed.
    """
    known = BACKENDS[role]
    if name not in known:
        raise ConfigError(f"{role} backend `{name}` is unknown{did_you_mean(name, known)}")
    module_name, _, class_name = known[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        package = error.name or module_name
        raise BackendUnavailable(
            f"the {role} `{name}` needs the package {package}: pip install {package}"
        ) from error
    return getattr(module, class_name)(options)
