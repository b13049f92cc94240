"""Times of a series' images, from the numbers in their names."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median, median_low

# A name in parts: text, digits, text, digits, ..., text. Names of one series share the texts.
Parts = Sequence[str]

_DATE_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])[-_.T ]*"
    r"([01]\d|2[0-3])[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?:[-_.,]?(\d{1,9}))?(?!\d)"
)
_CLOCK = re.compile(
    r"(?<!\d)(\d\d)[-_.:h]([0-5]\d)[-_.:m]([0-5]\d)(?:[-_.,](\d{1,9}))?(?!\d)"  # 00_01_07_033
)
_EPOCH_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}  # digits of a Unix time in s to ns
_EPOCH_RANGE_S = (946_684_800, 4_102_444_800)  # the years 2000 to 2100: no counter starts there
_UNITS = {"ms": 10**3, "msec": 10**3, "us": 10**6, "usec": 10**6, "ns": 10**9, "nsec": 10**9}
_SAME_STEP = 0.1  # whole milliseconds at 30 Hz step by 33 and 34
_JUMP = 10  # in usual steps: a count that starts anew with each second jumps, decimals do not


def seconds_in_names(names: Sequence[Parts]) -> list[float] | None:
    """Seconds from the first, where all names hold a date, a unit, a decimal or a Unix time."""
    for reading in (_date_times, _with_units, _decimals, _unix_times):
        seconds = reading(names)
        if seconds and len(set(seconds)) == len(seconds):
            return [float(value - min(seconds)) for value in seconds]
    return None


def clock_in_names(names: Sequence[Parts]) -> list[float] | None:
    """Seconds from the first by hours, minutes and seconds (`clip_00_01_07_033`)."""
    found = [_CLOCK.search("".join(parts)) for parts in names]
    fields = [match.groups(default="0") for match in found if match]
    if len(fields) < len(names):
        return None
    whole = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s, _ in fields]
    seconds = _with_decimals(whole, [decimals for *_, decimals in fields])
    if not seconds or len(set(seconds)) < len(seconds):
        return None
    return [float(value - min(seconds)) for value in seconds]


def dated(names: Sequence[Parts]) -> bool:
    """Whether all names hold a date and time, be it with a count of its own in each second."""
    return all(_DATE_TIME.search("".join(parts)) for parts in names)


def index_times(numbers: Sequence[int], fps: float) -> list[float]:
    """Seconds of numbered frames from the first; every fifth frame is as regular as every one."""
    step = _usual_step(sorted(numbers))
    first = min(numbers, default=0)
    return [(number - first) / (step * fps) for number in numbers]


def _usual_step(ordered: Sequence[int]) -> int:
    steps = [b - a for a, b in pairwise(ordered)]
    if not steps:
        return 1
    usual = median_low(steps)
    alike = sum(abs(step - usual) <= _SAME_STEP * usual for step in steps)
    return usual if 2 * alike >= len(steps) else math.gcd(*steps)


def _date_times(names: Sequence[Parts]) -> list[Decimal] | None:
    whole: list[int] = []
    decimals: list[str] = []
    for parts in names:
        match = _DATE_TIME.search("".join(parts))
        if not match:
            return None
        year, month, day, hour, minute, second, rest = match.groups(default="0")
        try:
            midnight = datetime(int(year), int(month), int(day), tzinfo=UTC).timestamp()
        except ValueError:  # the 31st of June
            return None
        whole.append(int(midnight) + int(hour) * 3600 + int(minute) * 60 + int(second))
        decimals.append(rest)
    return _with_decimals(whole, decimals)


def _with_units(names: Sequence[Parts]) -> list[Decimal] | None:
    """Whole numbers that a unit follows: `frame_000033ms`."""
    for i in range(1, len(names[0]), 2):
        word = re.match("[a-z]*", names[0][i + 1].lower())
        unit = _UNITS.get(word.group() if word else "")
        if unit and len({parts[i] for parts in names}) == len(names):
            return [Decimal(parts[i]) / unit for parts in names]
    return None


def _decimals(names: Sequence[Parts]) -> list[Decimal] | None:
    """Numbers with a decimal point: `1305031102.175304` as TUM RGB-D has it, `3415.300`."""
    for i in range(1, len(names[0]) - 2, 2):
        if names[0][i + 1] != ".":
            continue
        seconds = _with_decimals([int(p[i]) for p in names], [p[i + 2] for p in names])
        if seconds and len(set(seconds)) == len(seconds):
            return seconds
    return None


def _unix_times(names: Sequence[Parts]) -> list[Decimal] | None:
    """Whole numbers as EuRoC (ns) and nuScenes (us) have them, or `seconds_nanoseconds`."""
    low_s, high_s = _EPOCH_RANGE_S
    for i in range(1, len(names[0]), 2):
        unit = _EPOCH_UNITS.get(len(names[0][i]), 0)
        numbers = [int(parts[i]) for parts in names]
        if not unit or not all(low_s * unit <= number < high_s * unit for number in numbers):
            continue
        seconds = [Decimal(number) / unit for number in numbers]
        if unit == 1 and i + 2 < len(names[0]):
            rest = [parts[i + 2] for parts in names]
            width = 3 * math.ceil(max(map(len, rest)) / 3)  # nanoseconds may lack their zeros
            padded = [digits.zfill(width) for digits in rest]
            seconds = _with_decimals(numbers, padded) or seconds
        if len(set(seconds)) == len(seconds):
            return seconds
    return None


def _with_decimals(whole: Sequence[int], decimals: Sequence[str]) -> list[Decimal] | None:
    """Seconds with their decimals; None where these are a count (`shot01.0001`, `.0002`)."""
    rows = sorted(
        (seconds, int(digits), Decimal(f"0.{digits}"))
        for seconds, digits in zip(whole, decimals, strict=True)
    )
    within = [b[1] - a[1] for a, b in pairwise(rows) if a[0] == b[0]]
    across = [b[0] - a[0] + b[2] - a[2] for a, b in pairwise(rows) if a[0] != b[0]]
    if within and median(within) == 1:
        smallest = Decimal(10) ** -max(map(len, decimals))
        if not across or median(across) > _JUMP * smallest:
            return None
    return [s + Decimal(f"0.{digits}") for s, digits in zip(whole, decimals, strict=True)]
