"""Which videos the arguments of a command name: files, folders, globs, lists, URIs."""

import glob
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from camvid.errors import ConfigError
from camvid.video.image_folder.file_names import is_image
from camvid.video.lists import read_list
from camvid.video.names import is_file_uri, is_remote, local_path, name_of, source_name, writable
from camvid.video.scan import Scan, is_video

log = logging.getLogger(__name__)

_Identity = tuple[int, int] | str


def find_videos(inputs: Sequence[str], *, local_only: bool = False) -> list[str]:
    """Every video that the inputs name, sorted, each once however many names lead to it.

    An input is a file, a folder (searched for known video files and for folders of numbered
    images), a glob, a list of inputs (`list.txt` or `@list`), or a URI with a scheme. Names that
    no text file can hold come out as `file://` URIs. With `local_only` an address among them is a
    ConfigError.
    """
    search = _Search()
    found = _each_once(video for item in inputs for video in search.expand(item))
    search.scan.warn()
    if not found:
        named = writable(", ".join(inputs)) or "nothing"
        raise ConfigError(
            f"the inputs must name at least one video, found none in: {named};"
            " give files, folders, globs, or a .txt list of them"
        )
    remote = [source_name(name) for name in found if is_remote(name)]
    if local_only and remote:
        raise ConfigError(
            f"--local-only: every video must be a file of this machine, {len(remote)} are not,"
            f" as {remote[0]}; take them out of the lists, or leave the option out"
        )
    single = [name for name in found if is_image(os.path.basename(name)) and "*" not in name]
    if single:
        log.warning(
            "inputs that are images, each a video of one frame, %d in all: %s; to read them as"
            " one video, name their folder, or a glob of them in quotes",
            len(single),
            single[0],
        )
    return found


def _each_once(videos: Iterable[str]) -> list[str]:
    """The videos by name; of several names of one file, one that is no link."""
    names: dict[_Identity, set[str]] = defaultdict(set)
    for video in videos:
        names[_identity(video)].add(video if is_remote(video) else str(Path(video)))
    kept = [min(same, key=_preference) if len(same) > 1 else same.pop() for same in names.values()]
    return sorted(video if is_remote(video) else name_of(video) for video in kept)


def _identity(video: str) -> _Identity:
    try:
        stat = os.stat(video)
    except OSError:  # remote, a glob of images, or nothing there
        return video
    return stat.st_dev, stat.st_ino


def _preference(path: str) -> tuple[bool, bool, str]:
    return os.path.realpath(path) != os.path.abspath(path), os.pardir in path.split(os.sep), path


class _Search:
    """One reading of the inputs: a list is read once, whatever names it."""

    def __init__(self) -> None:
        self.scan = Scan()
        self._lists: set[_Identity] = set()

    def expand(self, item: str, base: str = "") -> Iterator[str]:
        """The videos that the item names; `base` is the folder of the list it stands in."""
        if is_remote(item):
            yield writable(item)
            return
        path = resolved(item, base)
        if item.startswith("@") and not os.path.exists(path):
            yield from self._expand_list(resolved(item[1:], base))
        elif os.path.isdir(path) and item:
            inside = list(self.scan.below(path))
            if not inside:
                log.warning("%s: a folder without videos", writable(path))
            yield from inside
        elif os.path.exists(path) and item:  # named on purpose, so kept whatever its suffix
            yield from self._expand_list(path) if path.lower().endswith(".txt") else [path]
        elif glob.has_magic(path):
            yield from self._expand_glob(path)
        elif base:
            yield path  # one line of many: it fails as a row of its own
        else:
            raise ConfigError(
                f"{writable(item) or 'an empty name'} must be an existing file, folder, glob or"
                " list; nothing there"
            )

    def _expand_list(self, path: str) -> Iterator[str]:
        """Each line of the list is an input; relative paths start at the list's own folder."""
        lines = read_list(path)
        if _identity(path) in self._lists:  # lists may name each other, and themselves
            return
        self._lists.add(_identity(path))
        base = os.path.dirname(path) or os.curdir
        videos = [video for line in lines for video in self.expand(line, base)]
        if videos and not any(is_remote(v) or os.path.lexists(v) or "*" in v for v in videos):
            raise ConfigError(
                f"{writable(path)} must name existing videos, none of its {len(lines)} lines does,"
                f" as {writable(lines[0])}; relative lines start at the list's own folder"
            )
        yield from videos

    def _expand_glob(self, pattern: str) -> Iterator[str]:
        base = Path(pattern)
        while not base.exists():  # brackets in the name of an existing folder are no pattern
            base = base.parent
        tail = Path(pattern).relative_to(base)
        matches = _matches(base, tail)
        if not matches:
            log.warning("%s: a glob that matches nothing", writable(pattern))
        suffix = tail.suffix
        if suffix == ".*" and all(is_image(path.name) for path in matches):
            suffix = ".png"
        if is_image(f"name{suffix}") and glob.has_magic(tail.name):
            yield from sorted({str(path.with_name(tail.name)) for path in matches})
            return
        on_purpose = suffix and not glob.has_magic(suffix)  # clips/*.dav
        for path in map(str, matches):
            if os.path.isdir(path):
                yield from self.scan.below(path, named=False)
            elif on_purpose:
                yield from self.expand(path)
            elif is_video(path):
                yield path


def _matches(base: Path, tail: Path) -> list[Path]:
    """What the pattern matches, hidden files only where it says so; `**` follows no links."""
    parts = [part if part == "**" else re.sub(r"\*+", "*", part) for part in tail.parts]
    found = sorted(base.glob(os.path.join(*parts)))
    if any(part.startswith(".") for part in parts):
        return found
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(base).parts)
    ]


def resolved(item: str, base: str) -> str:
    """The local path behind an input; relative ones start at the folder `base`."""
    if is_file_uri(item):
        return local_path(item)
    return str(Path(base, os.path.expanduser(item)))
