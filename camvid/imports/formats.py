"""The formats of posed sources by name, and which of them a folder or file is in."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from camvid.errors import ConfigError
from camvid.imports import colmap, nerfstudio, npz, realestate10k
from camvid.imports.posed import Footage, PosedVideo


class Format(NamedTuple):
    """How the sources of a format are found and read."""

    find: Callable[[Path], Iterator[Path]]  # the files of cameras in a folder, or one of them
    read: Callable[[Path, Footage], PosedVideo]
    holds: str  # half a sentence


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "nerfstudio": Format(nerfstudio.find, nerfstudio.read, "transforms.json"),
        "colmap": Format(colmap.find, colmap.read, "a COLMAP model"),
        "npz": Format(npz.find, npz.read, ".npz of cameras"),
        "realestate10k": Format(realestate10k.find, realestate10k.read, "pose texts"),
        "camvid30k": Format(colmap.find_each, colmap.read, "a COLMAP model a clip"),
    }
)
"""In the order in which a source is asked what it is: rarer files first."""


def find_sources(source: str, name: str = "") -> tuple[str, list[str]]:
    """(format, files of cameras) of a folder or file; without a name, the first format it fits.

    Raises:
        ConfigError: there is nothing of the kind.
    """
    root = Path(source)
    if not root.exists():
        raise ConfigError(f"{source} must be a file or folder with cameras, found nothing there")
    for known in [name] if name else FORMATS:
        if found := [str(path) for path in FORMATS[known].find(root)]:
            return known, found
    wanted = FORMATS[name].holds if name else ", ".join(f.holds for f in FORMATS.values())
    raise ConfigError(f"{source} must hold {wanted}, found none; name another, or another --from")


def read_source(path: str, name: str, footage: Footage) -> PosedVideo:
    """One posed source; VideoError where it, or its footage, cannot be read."""
    return FORMATS[name].read(Path(path), footage)
