"""Finds clips that show the same as a clip of another video: coded anew, scaled, trimmed, boxed.

Hashes (`camvid.video.change_hash`) that share a stretch of bits make two clips candidates; sorted,
that is n log n. They are duplicates where half of one's hashes are near to the other's at one and
the same lag: so a trim is found, and two shots of one place are not taken for each other. Of
several videos the longest keeps its clips, of equally long ones the first by name; so the order in
which clips are finished does not matter.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camvid.arrow import pc
from camvid.video.change_hash import STEP_S

I64 = NDArray[np.int64]
COLUMNS = ("clip_id", "source_uri", "start_s", "change_hashes")
_NUM_BANDS = 5
_MIN_HITS = 2
_LAGS = 64  # told apart, each of two steps
MAX_BUCKET = 50  # hashes that share a band: more of them tell nothing, as of a fade
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


# Measured by benchmarks/duplicates.py on twelve videos, real and generated: their 72 copies (coded,
# scaled, boxed, brighter, half the rate, trimmed) share .83 or more of their hashes, halves of one
# video and pairs of two .2 or less.
MAX_BITS = 16  # of 64, by which hashes of the same change differ
MIN_SHARE = 0.5


class Duplicate(NamedTuple):
    """A clip, the one that is kept in its place, and how much of it that one shows."""

    clip_id: str
    kept: str
    share: float


class _Clips(NamedTuple):
    """Clips in order of who keeps: those of long videos first."""

    ids: list[str]
    num_known: int  # that come first
    video: I64  # [N] number
    start_s: NDArray[np.float64]  # [N]
    first: I64  # [N + 1] of each clip's hashes
    hashes: I64  # [S]

    def times_s(self, clip: int) -> NDArray[np.float64]:
        return self.start_s[clip] + STEP_S * np.arange(self.first[clip + 1] - self.first[clip])

    def of(self, clip: int) -> I64:
        return self.hashes[self.first[clip] : self.first[clip + 1]]


def find_duplicates(clips: pa.Table, known: pa.Table | None = None) -> list[Duplicate]:
    """The clips whose like is kept; of `clips` and `known` the COLUMNS are read.

    `known` are clips of other runs, which are kept before all others.
    """
    ordered = _ordered(clips, known)
    others: dict[int, list[int]] = defaultdict(list)
    for first, second in _candidates(ordered).tolist():
        others[second].append(first)
    found: dict[int, Duplicate] = {}
    for clip in range(ordered.num_known, len(ordered.ids)):
        by_video: dict[int, list[int]] = defaultdict(list)
        for other in others.get(clip, ()):
            if other not in found:
                by_video[int(ordered.video[other])].append(other)
        shown = [_compare(ordered, clip, them) for _, them in sorted(by_video.items())]
        share, other = max(shown, key=lambda each: each[0], default=(0.0, -1))
        if share >= MIN_SHARE:
            found[clip] = Duplicate(ordered.ids[clip], ordered.ids[other], share)
    return list(found.values())


def _ordered(clips: pa.Table, known: pa.Table | None) -> _Clips:
    parts = [part.select(COLUMNS) for part in (known, clips) if part is not None]
    table = pa.concat_tables(parts).combine_chunks()
    num_known = len(known) if known is not None else 0
    is_new = np.arange(len(table)) >= num_known
    hashes = table["change_hashes"].combine_chunks()
    length = pc.fill_null(pc.list_value_length(hashes), 0).to_numpy()
    by_name = np.unique(table["source_uri"].to_numpy(), return_inverse=True)[1]
    video = 2 * by_name + is_new  # known by another run, and given again
    of_video = np.bincount(video, weights=length)
    start_s = pc.fill_null(table["start_s"], 0.0).to_numpy()
    order = np.lexsort((start_s, video, -of_video[video], is_new))
    first = np.concatenate([[0], np.cumsum(length[order])])
    flat = hashes.take(pa.array(order)).flatten().to_numpy()
    ids = table["clip_id"].take(pa.array(order)).to_pylist()
    return _Clips(ids, num_known, video[order], start_s[order], first, flat)


def _candidates(clips: _Clips) -> I64:
    """Pairs [P, 2] of clips of different videos, the one that would be kept first.

    They share _MIN_HITS bands at one lag; among very many clips one is chance.
    """
    length = np.diff(clips.first)
    clip = np.repeat(np.arange(len(clips.ids)), length)
    within = np.arange(len(clip)) - np.repeat(clips.first[:-1], length)
    step = np.repeat((clips.start_s / STEP_S).astype(np.int64), length) + within
    codes: list[I64] = []  # both numbers of a pair and the lag as one
    for band in bands_of(clips.hashes, band_width(len(clip))):
        again = np.append(False, (band[1:] == band[:-1]) & (clip[1:] == clip[:-1]))
        used = np.flatnonzero(~again & (clips.hashes != 0))
        first, second = _equal_pairs(band[used], used)
        apart = clips.video[clip[first]] != clips.video[clip[second]]
        first, second = first[apart], second[apart]
        lag = ((step[second] - step[first]) // 2) % _LAGS
        codes.append((clip[first] * len(clips.ids) + clip[second]) * _LAGS + lag)
    found = np.sort(np.concatenate(codes))
    often = found[_MIN_HITS - 1 :][found[_MIN_HITS - 1 :] == found[: len(found) - _MIN_HITS + 1]]
    return np.stack(np.divmod(np.unique(often // _LAGS), len(clips.ids)), axis=1)


def bands_of(hashes: I64, width: int) -> Iterator[I64]:
    """Stretches of so many bits of each hash."""
    for start in np.linspace(0, 64 - width, _NUM_BANDS, dtype=np.int64):
        yield (hashes >> start) & ((1 << width) - 1)


def band_width(num_hashes: int) -> int:
    """Bits of a band: wide enough that chance pairs are no more than there are hashes."""
    return max(21, math.ceil(math.log2(num_hashes + 1)) + 1)


def _equal_pairs(band: I64, sample: I64) -> tuple[I64, I64]:
    """All pairs of samples of an equal band, the one with the smaller number first."""
    most = int(sample.max(initial=0)) + 1
    band, sample = np.divmod(np.sort(band * most + sample), most)
    begin = np.flatnonzero(np.append(True, band[1:] != band[:-1])) if len(band) else band
    counts = np.diff(np.append(begin, len(band)))
    size = np.repeat(np.where(counts <= MAX_BUCKET, counts, 0), counts)
    place = np.arange(len(band)) - np.repeat(begin, counts)
    pairs = [
        np.stack([sample[here], sample[here + ahead]])
        for ahead in range(1, int(size.max(initial=1)))
        if len(here := np.flatnonzero(place + ahead < size))
    ]
    first, second = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    return first, second


def _compare(clips: _Clips, clip: int, others: Sequence[int]) -> tuple[float, int]:
    """The largest share of the clip that these clips of one video show at one lag.

    With the number of the one that shows most of it.
    """
    times_s, hashes = clips.times_s(clip), clips.of(clip)
    theirs = np.concatenate([clips.of(other) for other in others])
    their_s = np.concatenate([clips.times_s(other) for other in others])
    owner = np.repeat(others, [len(clips.of(other)) for other in others])
    near = (_distance(hashes[:, None], theirs) <= MAX_BITS) & (hashes[:, None] != 0) & (theirs != 0)
    at, there = np.nonzero(near)
    if not len(at):
        return 0.0, -1
    lag = np.floor((times_s[at] - their_s[there]) / STEP_S).astype(np.int64)
    lag -= lag.min() - 1
    # A copy is sampled a part of a step off, so each lag takes the next one in.
    seen = np.unique(np.concatenate([lag, lag - 1]) * len(hashes) + np.tile(at, 2)) // len(hashes)
    counts = np.bincount(seen)
    best = int(counts.argmax())
    shown_by = np.bincount(owner[there[(lag == best) | (lag == best + 1)]])
    return float(counts[best]) / np.count_nonzero(hashes), int(shown_by.argmax())


def _distance(first: I64, second: I64) -> NDArray[np.intp]:
    """How many bits differ, of each pair [N, 1] and [M]."""
    different = np.ascontiguousarray(first ^ second)
    return _ONES[different.view(np.uint8).reshape(*different.shape, 8)].sum(axis=-1)
