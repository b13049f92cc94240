"""Where a checkpoint lies, whether it is whole, and what is known about it. Needs no torch.

Looked for in this order: the user's own path; the weights folder; the installed package that
carries it; the hub's cache. A file whose sha256 is not the published one is refused.
"""

import hashlib
import importlib.util
import json
import os
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from camvid import weights
from camvid.errors import BackendUnavailable
from camvid.models.catalogue import CATALOGUE
from camvid.models.checkpoint_sources import Checkpoint, Hub, Wheel
from camvid.plain import did_you_mean
from camvid.weights import Weight

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".onnx")
_NON_COMMERCIAL_WORDS = ("-nc", "noncommercial", "non-commercial", "research")


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A checkpoint that is there and whole."""

    path: Path  # the file, or the folder that transformers loads
    weight: Weight


def locate(reference: str, *, licence: str = "") -> Located:
    """The checkpoint that `reference` means: a known name, a hub id, a file or a folder.

    `licence` is that of a checkpoint of the user's own; the catalogue's word counts for its files.

    Raises:
        BackendUnavailable: it is nowhere, not whole, or not the file that it should be.
    """
    known = lookup(reference)
    if known is not None:
        return _required(known)
    path = Path(reference).expanduser()
    if not path.exists() and reference.count("/") == 1:
        path = _cached(Hub(repo=reference)) or path
    if not path.exists():
        raise BackendUnavailable(
            f"checkpoint `{reference}` must be a file, a folder, a hub id that is in"
            f" {hub_cache()}, or a known name, found none{did_you_mean(reference, CATALOGUE)}"
        )
    return Located(path=path, weight=_own_weight(path, licence))


def lookup(reference: str) -> Checkpoint | None:
    """The catalogue's entry of that name or hub id; None for anything else."""
    if reference in CATALOGUE:
        return CATALOGUE[reference]
    hubs = ((c, c.source) for c in CATALOGUE.values() if isinstance(c.source, Hub))
    return next((c for c, hub in hubs if hub.repo == reference), None)


def find(checkpoint: Checkpoint) -> Path | None:
    """Where a known checkpoint lies, unchecked; None if it is nowhere."""
    return next((p for p in places(checkpoint) if p.exists()), None)


def places(checkpoint: Checkpoint) -> list[Path]:
    """Where a known checkpoint may lie, in the order of search."""
    found = [weights.directory() / checkpoint.stored_name]
    if isinstance(checkpoint.source, Wheel):
        package, _, member = checkpoint.source.member.partition("/")
        spec = importlib.util.find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        found += [Path(folder) / member for folder in folders or ()]
    if isinstance(checkpoint.source, Hub):
        cached = _cached(checkpoint.source)
        found += [cached] if cached else []
    return found


def locate_optional(name: str) -> Located | None:
    """A known checkpoint; None where it is nowhere. A damaged one is refused all the same."""
    checkpoint = CATALOGUE[name]
    path = find(checkpoint)
    return None if path is None else Located(path=path, weight=verify(checkpoint, path))


def _required(checkpoint: Checkpoint) -> Located:
    located = locate_optional(checkpoint.name)
    if located is None:
        looked = weights.directory() / checkpoint.stored_name
        raise BackendUnavailable(
            f"weights {checkpoint.name} ({checkpoint.licence}) must be in {looked}, found none",
            fix=checkpoint.fix,
        )
    return located


def verify(checkpoint: Checkpoint, path: Path) -> Weight:
    """The record of a known checkpoint at `path`; BackendUnavailable if it is not that file."""
    sha256 = _digest(path)
    if checkpoint.sha256 is not None and sha256 != checkpoint.sha256:
        raise BackendUnavailable(
            f"weights {checkpoint.name} must have sha256 {checkpoint.sha256}, got {sha256} in"
            f" {path}; remove it first",
            fix=checkpoint.fix,
        )
    return Weight(
        name=checkpoint.name,
        version=checkpoint.version,
        licence=checkpoint.licence,
        sha256=sha256,
        commercial=checkpoint.commercial,
    )


def _own_weight(path: Path, licence: str) -> Weight:
    """The record of a user's own file or folder.

    One of the catalogue's is known by its sha256; where none is published by its name, so that a
    licence that binds is not lost with the path, unless `licence` is given.
    """
    sha256 = _digest(path)
    for known in CATALOGUE.values():
        named = not licence and known.sha256 is None and path.name == known.published_name
        if sha256 == known.sha256 or named:
            return verify(known, path)
    return Weight(
        name=path.name,
        version="local",
        licence=licence or "unknown",
        sha256=sha256,
        commercial=not any(word in licence.lower() for word in _NON_COMMERCIAL_WORDS),
    )


def weight_files(path: Path) -> list[Path]:
    """The files with the weights, where `path` is such a file or a folder of them."""
    if path.is_file():
        return [path]
    index = path / "model.safetensors.index.json"
    if index.is_file():
        names: dict[str, str] = json.loads(index.read_text())["weight_map"]
        return sorted({path / name for name in names.values()})
    for suffix in _SUFFIXES:
        files = sorted(path.glob(f"*{suffix}"))
        if files:
            return files
    raise BackendUnavailable(f"{path} must hold weights (*{', *'.join(_SUFFIXES)}), found none")


def _digest(path: Path) -> str:
    """sha256 of the file with the weights; of several files, that of their sums in order."""
    files = weight_files(path)
    for file in files:
        _check_whole(file)
    sums = [_sha256(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256(" ".join(sums).encode()).hexdigest()


@cache
def _sha256(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """sha256 of a file; size and time stand for its content, so that it is read once a process."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_whole(path: Path) -> None:
    """Refuses a file that is missing or was cut short."""
    if not path.is_file():
        raise BackendUnavailable(f"the weight file {path} must be there, but is missing")
    whole = True
    if path.suffix == ".safetensors":
        whole = path.stat().st_size == _safetensors_size(path)
    elif path.suffix in (".pt", ".pth", ".bin"):
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"  # the older pickle form cannot be checked
        whole = zipfile.is_zipfile(path) if is_zip else path.stat().st_size > 0
    if not whole:
        raise BackendUnavailable(
            f"the weight file {path} must be whole, but is cut short ({path.stat().st_size} bytes);"
            " remove it and get it again"
        )


def _safetensors_size(path: Path) -> int:
    """Bytes that the file must have by its own header; -1 where there is no whole header."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > path.stat().st_size:
            return -1
        try:
            header = json.loads(file.read(header_bytes))
        except ValueError:
            return -1
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    return 8 + header_bytes + max(ends, default=0)


def hub_cache() -> Path:
    """The hub's cache, where huggingface_hub keeps it."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def _cached(hub: Hub) -> Path | None:
    """The hub folder's snapshot in the cache, at its revision."""
    folder = hub_cache() / f"models--{hub.repo.replace('/', '--')}"
    named = folder / "refs" / hub.revision
    revision = named.read_text().strip() if named.is_file() else hub.revision
    snapshot = folder / "snapshots" / revision
    return snapshot if snapshot.is_dir() else None
