"""The formats of posed sources by name, and which of them a folder or file is in."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from camvid.errors import ConfigError
from camvid.imports import colmap, nerfstudio, npz, realestate10k, stills, tum
from camvid.imports.posed import Footage, PosedVideo
from camvid.plain import did_you_mean


class Format(NamedTuple):
    """How the sources of a format are found and read."""

    find: Callable[[Path], Iterator[Path]]  # the files of cameras in a folder, or one of them
    read: Callable[[Path, Footage], PosedVideo]
    holds: str  # half a sentence
    are_views: bool = False  # of a static scene, without order, whose cameras reading solves


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "nerfstudio": Format(nerfstudio.find, nerfstudio.read, "transforms.json"),
        "colmap": Format(colmap.find, colmap.read, "a COLMAP model"),
        "npz": Format(npz.find, npz.read, ".npz of cameras"),
        "realestate10k": Format(realestate10k.find, realestate10k.read, "pose texts"),
        "tum": Format(tum.find, tum.read, "TUM trajectories"),
        "camvid30k": Format(colmap.find_each, colmap.read, "a COLMAP model a clip"),
        "stills": Format(stills.find, stills.read, "photographs", are_views=True),
    }
)
"""In the order in which a source is asked what it is: rarer files first."""


def find_sources(source: str, name: str = "") -> tuple[str, list[str]]:
    """(format, files of cameras) of a folder or file; without a name, the first format it fits.

    Raises:
        ConfigError: there is no such format, or nothing of the kind.
    """
    if name and name not in FORMATS:
        raise ConfigError(f"--from: `{name}` is no format{did_you_mean(name, FORMATS)}")
    root = Path(source)
    if not root.exists():
        raise ConfigError(f"{source} must be a file or folder with cameras, found nothing there")
    given = [known for known in FORMATS if not FORMATS[known].are_views]
    for known in [name] if name else given:
        if found := [str(path) for path in FORMATS[known].find(root)]:
            return known, found
    wanted = FORMATS[name].holds if name else ", ".join(FORMATS[known].holds for known in given)
    raise ConfigError(f"{source} must hold {wanted}, found none; name another, or another --from")


def read_source(path: str, name: str, footage: Footage) -> PosedVideo:
    """One posed source; VideoError where it, or its footage, cannot be read."""
    return FORMATS[name].read(Path(path), footage)
