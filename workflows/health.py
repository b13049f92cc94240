"""What this machine has and lacks for the embedded profile."""

import importlib.metadata
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass

from camvid import weights
from camvid.errors import CamvidError
from camvid.parallel import num_threads
from workflows.provenance import PACKAGES

OPTIONAL_PACKAGES = {"ray": "pip install 'camvid[ray]'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's table."""

    name: str
    ok: bool
    required: bool
    found: str
    mend: str = ""


def check_health() -> list[Check]:
    """Everything the embedded profile uses, in the order of need."""
    python = platform.python_version()
    checks = [
        Check(name="python", ok=sys.version_info >= (3, 11), required=True, found=python),
        Check(name="threads", ok=True, required=False, found=str(num_threads())),
    ]
    checks += [_package(name, "pip install camvid", required=True) for name in PACKAGES]
    checks += [_package(n, mend, required=False) for n, mend in OPTIONAL_PACKAGES.items()]
    checks += [_weight(name) for name in weights.KNOWN]
    free = shutil.disk_usage(tempfile.gettempdir()).free
    checks.append(
        Check(
            name="scratch disk",
            ok=free > 1 << 30,
            required=True,
            found=f"{free / 1e9:.1f} GB free in {tempfile.gettempdir()}",
            mend="" if free > 1 << 30 else "set TMPDIR to a larger disk",
        )
    )
    return checks


def _package(name: str, mend: str, *, required: bool) -> Check:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name=name, ok=False, required=required, found="none", mend=mend)
    return Check(name=name, ok=True, required=required, found=found)


def _weight(name: str) -> Check:
    fetch = f"python -m camvid.weights fetch {name}"
    try:
        path = weights.find(name)
    except CamvidError as error:
        return Check(name=name, ok=False, required=False, found=str(error), mend=fetch)
    licence = weights.weight(name).licence
    if path is None:
        return Check(name=name, ok=False, required=False, found=f"none ({licence})", mend=fetch)
    return Check(name=name, ok=True, required=False, found=f"{path} ({licence})")
