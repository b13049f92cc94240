"""Records what made a run beside its settings: versions, weights, videos."""

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from typing import Any

import camvid
from camvid.video.names import source_name
from camvid.weights import Weight

Provenance = dict[str, Any]
PACKAGES = ("numpy", "opencv-python-headless", "pycolmap", "onnxruntime", "av", "pyarrow")


def weight_lines(weights: Iterable[Weight]) -> list[str]:
    """Every weight in use: name, version, sha256, licence; sorted, each once."""
    return sorted({str(weight) for weight in weights})


def make_provenance(weights: list[str], videos: Sequence[str]) -> Provenance:
    """What, apart from the configuration, made the run what it is."""
    return {
        "camvid": camvid.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "weights": weights,
        "num_videos": len({source_name(video) for video in videos}),
        "videos": [source_name(video) for video in videos],
    }
