"""What `camvid models` shows and does: the catalogue against this machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from camvid.errors import BackendUnavailable, ConfigError
from camvid.models import checkpoints
from camvid.models.catalogue import CATALOGUE
from camvid.models.checkpoint_sources import Checkpoint
from camvid.models.fetching import fetch
from camvid.models.registry import role_of
from camvid.plain import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """One known weight: what it is, and whether it is here."""

    name: str
    role: str
    backend: str
    licence: str
    commercial: bool
    size_bytes: int
    path: str  # "" where it was not found
    sha256: str = ""  # of what lies there, once checked
    error: str = ""


def list_models() -> list[ModelLine]:
    """Every known weight and where it lies, unchecked."""
    return [_line(c, path=str(checkpoints.find(c) or "")) for c in CATALOGUE.values()]


def check_models(names: Sequence[str]) -> list[ModelLine]:
    """The named weights (all that are here, if none is named), read and checked."""
    chosen = _chosen(names) or [c for c in CATALOGUE.values() if checkpoints.find(c)]
    return [_check(c) for c in chosen]


def fetch_models(names: Sequence[str]) -> list[ModelLine]:
    """Downloads the named weights; the first that fails ends it."""
    lines: list[ModelLine] = []
    for checkpoint in _chosen(names):
        found = fetch(checkpoint)
        lines.append(_line(checkpoint, path=str(found.path), sha256=found.weight.sha256))
    return lines


def _chosen(names: Sequence[str]) -> list[Checkpoint]:
    for name in names:
        if checkpoints.lookup(name) is None:
            raise ConfigError(f"weights `{name}` are unknown{did_you_mean(name, CATALOGUE)}")
    return [c for name in names if (c := checkpoints.lookup(name))]


def _check(checkpoint: Checkpoint) -> ModelLine:
    path = checkpoints.find(checkpoint)
    try:
        found = checkpoints.locate(checkpoint.name)
    except BackendUnavailable as error:
        return _line(checkpoint, path=str(path or ""), error=str(error))
    return _line(checkpoint, path=str(found.path), sha256=found.weight.sha256)


def _line(checkpoint: Checkpoint, *, path: str, sha256: str = "", error: str = "") -> ModelLine:
    return ModelLine(
        name=checkpoint.name,
        role=role_of(checkpoint.backend),
        backend=checkpoint.backend,
        licence=checkpoint.licence,
        commercial=checkpoint.commercial,
        size_bytes=checkpoint.size_bytes,
        path=path,
        sha256=sha256,
        error=error,
    )
