"""Records what made a run beside its settings: versions, weights, videos."""

import importlib.metadata
import platform
from collections.abc import Iterable
from typing import Any

import camvid
from camvid.video.sources import Sources
from camvid.weights import Weight

Provenance = dict[str, Any]
PACKAGES = ("numpy", "opencv-python-headless", "pycolmap", "onnxruntime", "av", "pyarrow")


def weight_lines(weights: Iterable[Weight]) -> list[str]:
    """Every weight in use: name, version, sha256, licence; sorted, each once."""
    return sorted({str(weight) for weight in weights})


def make_provenance(weights: list[str], sources: Sources) -> Provenance:
    """What, apart from the configuration, made the run what it is."""
    return {
        "camvid": camvid.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "weights": weights,
        "videos": list(sources.inputs),
        "num_videos": sources.count(),
    }
