"""What this machine has and lacks: packages, devices, and every backend with its weights."""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from typing import Any

from camvid import weights
from camvid.errors import CamvidError
from camvid.models.catalogue import CATALOGUE
from camvid.models.registry import BACKENDS, BackendConfig, find_weights
from camvid.parallel import num_threads
from workflows.curate_config import CurateConfig
from workflows.runs.provenance import PACKAGES

OPTIONAL_PACKAGES = {
    "ray": "pip install 'camvid[ray]'",
    "torch": "pip install 'camvid[models]'",
    "transformers": "pip install 'camvid[models]'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's table."""

    name: str
    ok: bool
    required: bool
    found: str
    fix: str = ""


def check_health() -> list[Check]:
    """What every run needs first, then what each backend needs beside it."""
    python = platform.python_version()
    return [
        Check(name="python", ok=sys.version_info >= (3, 11), required=True, found=python),
        Check(name="threads", ok=True, required=False, found=str(num_threads())),
        *(_package(name, "pip install camvid", required=True) for name in PACKAGES),
        *(_package(name, fix, required=False) for name, fix in OPTIONAL_PACKAGES.items()),
        _gpu(),
        _scratch_disk(),
        Check(name="weights folder", ok=True, required=False, found=str(weights.directory())),
        *_backends(),
    ]


def _package(name: str, fix: str, *, required: bool) -> Check:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name=name, ok=False, required=required, found="none", fix=fix)
    return Check(name=name, ok=True, required=required, found=found)


def _gpu() -> Check:
    """No GPU is no lack: every backend runs on the CPU, if slowly."""
    found = "none: production models run on the CPU"
    if importlib.util.find_spec("torch"):
        cuda = import_module("torch").cuda
        names = [cuda.get_device_name(i) for i in range(cuda.device_count())]
        found = ", ".join(names) or found
    return Check(name="gpu", ok=True, required=False, found=found)


def _scratch_disk() -> Check:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    enough = free > 1 << 30
    return Check(
        name="scratch disk",
        ok=enough,
        required=True,
        found=f"{free / 1e9:.1f} GB free in {tempfile.gettempdir()}",
        fix="" if enough else "set TMPDIR to a larger disk",
    )


def _backends() -> Iterator[Check]:
    """A line per backend of every stage: can it run, with the weights that are its default?"""
    for choice in _choices(CurateConfig()):
        for name in BACKENDS[choice.role]:
            yield _backend(replace(choice, backend=name), required=name == choice.backend)


def _choices(config: Any) -> Iterator[BackendConfig]:
    """Every choice of a backend in a configuration, however deep."""
    if isinstance(config, BackendConfig):
        yield config
    if is_dataclass(config):
        for f in fields(config):
            yield from _choices(getattr(config, f.name))


def _backend(config: BackendConfig, *, required: bool) -> Check:
    """Whether it can run; only what the default profile uses is required."""
    name = f"{config.role} {config.backend}"
    try:
        found = find_weights(config)
    except CamvidError as error:
        fix = getattr(error, "fix", "")
        lack = str(error).removesuffix(f"; run: {fix}")
        return Check(name=name, ok=False, required=required, found=lack, fix=fix)
    lacking = [c for c in CATALOGUE.values() if c.backend == config.backend and not found]
    if lacking:
        without = f"runs, but worse, without {lacking[0].name} ({lacking[0].licence})"
        return Check(name=name, ok=False, required=False, found=without, fix=lacking[0].fix)
    used = ", ".join(f"{w.name} ({w.licence})" for w in found)
    return Check(name=name, ok=True, required=required, found=used or "needs no weights")
