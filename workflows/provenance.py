"""run.toml: what made this run, so that it can be made again."""

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from typing import Any

import camvid
from camvid.config import dump_toml
from camvid.store import ClipStore
from camvid.video.names import source_name
from camvid.weights import Weight
from workflows.run_folder import RUN_TOML

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
        "videos": [source_name(video) for video in videos],
    }


def write_run_toml(store: ClipStore, config: object, provenance: Provenance) -> None:
    """The resolved configuration and its provenance; `--config RUN/run.toml` repeats the run."""
    store.write_bytes(RUN_TOML, dump_toml(config, {"provenance": provenance}).encode())
