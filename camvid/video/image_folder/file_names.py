"""Groups numbered images into series by their names, in order."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

from camvid.video.image_folder.times import (
    Parts,
    clock_in_names,
    dated,
    index_times,
    seconds_in_names,
)

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .webp .bmp .tif .tiff .ppm .pgm .pnm .jp2".split())
_SPELLINGS = {".jpeg": ".jpg", ".tiff": ".tif"}
_DIGITS = re.compile(r"([0-9]+)")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_COLOUR_WORDS = frozenset("rgb bgr color colour".split())
# What datasets keep beside their images, with the same numbers and often in the same format.
_MAP_WORDS = frozenset(
    "depth depths disp disparity disparities normal normals mask masks matte mattes seg segm"
    " segmentation segmentations semantic semantics instance instances label labels annotation"
    " annotations flow confidence thumb thumbs thumbnail thumbnails".split()
)
_SECOND_WORDS = frozenset("ir infrared thermal grey gray albedo edges preview previews".split())
_NEUTRAL_WORDS = frozenset("map maps image images img frame frames gt left right full p".split())


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """Images whose names differ in their number alone, in order."""

    label: str  # a glob of the names, `rgb_*.png`
    paths: tuple[Path, ...]
    times_s: tuple[float, ...] = ()  # from the first image; read off the names
    has_clock: bool = False  # the names hold seconds, not only a count

    @property
    def name_grade(self) -> int:
        """2 for images by their name, 3 for colour images, 1 for infrared, 0 for depth or masks."""
        words = words_of(self.label)
        if words & _MAP_WORDS:
            return 0
        return 1 if words & _SECOND_WORDS else 3 if words & _COLOUR_WORDS else 2


def words_of(name: str) -> frozenset[str]:
    """The words in a name, in lower case: `leftDepth_0001` holds `left` and `depth`."""
    return frozenset(word.lower() for word in _WORD.findall(PurePath(name).stem))


def names_maps(name: str) -> bool:
    """Whether a folder or series is called masks, depth or the like, and nothing else."""
    words = words_of(name)
    return bool(words & _MAP_WORDS) and words <= _MAP_WORDS | _NEUTRAL_WORDS


def is_image(name: str) -> bool:
    """Whether the name is that of an image that is not hidden."""
    return not name.startswith(".") and PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def series_in(paths: Iterable[Path], fps: float) -> tuple[list[NamedSeries], list[Path]]:
    """The series among the images, longest first; and the images that belong to none.

    `fps` is the rate of counted images. Numbers that never vary belong to the name
    (`frame_0001_320x180.jpg`); the case of names and suffixes does not matter.
    """
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    lonely: list[Path] = []
    for path in sorted(paths):
        parts = _DIGITS.split(path.stem)
        if len(parts) > 1:
            groups[tuple(text.casefold() for text in parts[::2])].append(path)
        else:
            lonely.append(path)
    found: list[NamedSeries] = []
    for group in groups.values():
        for same_format in _by_format(group):
            kept, twins = _without_twins(same_format)
            lonely += twins
            found += _series(kept, fps)
    by_length = sorted(found, key=lambda series: (-len(series.paths), series.label))
    return by_length, sorted(lonely)


def _by_format(group: list[Path]) -> list[list[Path]]:
    """One series may mix formats, unless two of its images then bear the same number."""
    formats: dict[str, list[Path]] = defaultdict(list)
    for path in group:
        formats[_format(path)].append(path)
    numbers = [{_numbers(path) for path in paths} for paths in formats.values()]
    disjoint = sum(map(len, numbers)) == len(set().union(*numbers))
    return [group] if disjoint else list(formats.values())


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    return _SPELLINGS.get(suffix, suffix)


def _without_twins(group: list[Path]) -> tuple[list[Path], list[Path]]:
    """The images with each number once, and those left over (`1.jpg` beside `01.jpg`)."""
    first: dict[tuple[str | int, ...], Path] = {}
    for path in group:
        parts = _DIGITS.split(path.stem)
        number = tuple(  # behind a point zeros count: .05 is not .5
            digits if text == "." else int(digits)
            for text, digits in zip(parts[::2], parts[1::2], strict=False)
        )
        first.setdefault(number, path)
    kept = set(first.values())
    return list(first.values()), [path for path in group if path not in kept]


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(digits) for digits in _DIGITS.split(path.stem)[1::2])


def _series(group: list[Path], fps: float) -> list[NamedSeries]:
    """The group as one series; or as several, where one number tells series from series."""
    names = [_DIGITS.split(path.stem) for path in group]
    rows = [_numbers(path) for path in group]
    varying = [i for i, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1]
    seconds = seconds_in_names(names) or (clock_in_names(names) if len(varying) > 1 else None)
    if seconds:
        return [_ordered(group, seconds, varying, has_clock=True)]
    counts = [i for i in varying or [-1] if len({row[i] for row in rows}) == len(rows)]
    if counts:
        index = min(counts, key=lambda i: (_num_steps([row[i] for row in rows]), -i))
        return [_ordered(group, index_times([row[index] for row in rows], fps), varying)]
    if dated(names):
        place = {row: i / fps for i, row in enumerate(sorted(rows))}
        return [_ordered(group, [place[row] for row in rows], varying)]
    # No number tells every image from every other: the one with the fewest values (`cam2_0007`)
    # names the series.
    which = min(varying, key=lambda i: len({row[i] for row in rows}))
    nested: dict[int, list[Path]] = defaultdict(list)
    for path, row in zip(group, rows, strict=True):
        nested[row[which]].append(path)
    return [series for paths in nested.values() for series in _series(paths, fps)]


def _num_steps(numbers: list[int]) -> int:
    ordered = sorted(numbers)
    return len({b - a for a, b in pairwise(ordered)})


def _ordered(
    group: list[Path], times_s: list[float], varying: Sequence[int], *, has_clock: bool = False
) -> NamedSeries:
    pairs = sorted(zip(times_s, group, strict=True))
    return NamedSeries(
        label=_label(group, varying),
        paths=tuple(path for _, path in pairs),
        times_s=tuple(time_s for time_s, _ in pairs),
        has_clock=has_clock,
    )


def _label(group: list[Path], varying: Sequence[int]) -> str:
    parts: Parts = _DIGITS.split(group[0].stem)
    spelled = [
        "*" if i % 2 and i // 2 in varying else glob.escape(part) for i, part in enumerate(parts)
    ]
    suffixes = {_format(path) for path in group}
    stem = re.sub(r"\*[-_.:]\*", "*", "".join(spelled))
    return stem + (suffixes.pop() if len(suffixes) == 1 else ".*")
