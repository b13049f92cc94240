"""Which videos the arguments of a command name: files, folders, globs, lists, URIs."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from camvid.errors import ConfigError

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .wmv .flv .ogv .3gp .mxf".split()
)
PICTURE_SUFFIXES = frozenset(".jpg .jpeg .png .webp .bmp .tif .tiff".split())
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:/ is a drive
_NUMBERED = re.compile(r"^(.*?)(\d+)(\D*)$")


def find_videos(inputs: Sequence[str]) -> list[str]:
    """Every video that the inputs name, sorted, each once.

    An input is a file, a folder (searched for known video files and for folders of numbered
    pictures), a glob, a list of inputs (`list.txt` or `@list`), or a URI with a scheme, which
    passes through untouched.
    """
    found = sorted({video for item in inputs for video in _expand(item)})
    if not found:
        named = ", ".join(inputs) or "nothing"
        raise ConfigError(
            f"the inputs must name at least one video, found none in: {named};"
            " give files, folders, globs, or a .txt list of them"
        )
    return found


def is_remote(uri: str) -> bool:
    """Whether the URI has a scheme other than file://."""
    return bool(_SCHEME.match(uri)) and not uri.startswith("file://")


def numbered_pictures(folder: Path) -> list[Path]:
    """The folder's pictures in the order of the last number in their names.

    Where several series lie side by side (colour beside depth, left beside right), the longest.
    """
    series: dict[tuple[str, str, str], list[tuple[int, Path]]] = {}
    for path in folder.iterdir():
        match = _NUMBERED.match(path.stem)
        if match and path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."):
            prefix, number, tail = match.groups()
            series.setdefault((prefix, tail, path.suffix), []).append((int(number), path))
    longest = max(sorted(series), key=lambda key: len(series[key]), default=None)
    return [path for _, path in sorted(series[longest])] if longest else []


def _expand(item: str) -> Iterator[str]:
    if is_remote(item):
        yield item
        return
    path = Path(item.removeprefix("file://")).expanduser()
    if item.startswith("@") and not path.exists():
        yield from _expand_list(Path(item[1:]).expanduser())
    elif path.is_dir():
        yield from _scan(path)
    elif path.exists():  # named on purpose, so kept whatever its suffix
        yield from _expand_list(path) if path.suffix.lower() == ".txt" else [str(path)]
    elif matches := sorted(glob.glob(str(path), recursive=True)):
        on_purpose = path.suffix and not glob.has_magic(path.suffix)  # clips/*.dav
        for match in matches:
            yield from _expand(match) if on_purpose or os.path.isdir(match) else _known(Path(match))
    elif not glob.has_magic(item):
        raise ConfigError(f"{item} must be an existing file, folder, glob or list; nothing there")


def _expand_list(path: Path) -> Iterator[str]:
    """Each line of the list is an input; relative paths start at the list's own folder."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} must be a readable list of videos: {error}") from error
    for line in (raw.strip() for raw in lines):
        if line and not line.startswith("#"):
            yield from _expand(line if is_remote(line) else str(path.parent / line))


def _scan(folder: Path) -> Iterator[str]:
    """Known video files below the folder; a folder of numbered pictures is one video."""
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            yield from _known(Path(where, name))
        if len(numbered_pictures(Path(where))) > 1:
            yield where


def _known(path: Path) -> Iterator[str]:
    if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."):
        yield str(path)
