"""The clip of sample number n: shuffled, mixed over datasets, endless, a function of n alone.

Numbers 0, 1, 2, ... run over all ranks and all passes, so that one integer is the whole state of
training's data, whatever the number of ranks and workers before and after.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from camvid.errors import ConfigError
from camvid.genxd.data.shards import Rows
from camvid.outcome import Kind

log = logging.getLogger(__name__)

BLOCK = 1000  # numbers in which the shares of the kinds hold exactly
KIND_ORDER: tuple[Kind, ...] = ("4d", "3d", "video")
_MIX, _PASS = 1, 2  # what a draw is for, so that no two draws share a seed


class Pick(NamedTuple):
    """One sample of training: its number, from which its randomness follows, and its clip."""

    number: int
    row: int


class SampleOrder:
    """The endless sequence of picks.

    Each kind goes through its clips in passes, each clip once a pass. A pass reads the row groups
    in a shuffled order, and shuffles the clips of each `window` of them, so that a reader which
    keeps that many reads each of them once. The kinds are mixed by `shares`, exact in every
    `BLOCK` numbers.
    """

    def __init__(
        self,
        row_groups: Mapping[Kind, Sequence[Rows]],
        shares: Mapping[Kind, float],
        *,
        window: int,
        seed: int,
    ) -> None:
        wanted: list[Kind] = [kind for kind in KIND_ORDER if shares[kind] > 0]
        self._kinds: list[Kind] = [kind for kind in wanted if row_groups.get(kind)]
        missing = [kind for kind in wanted if kind not in self._kinds]
        if not self._kinds:
            raise ConfigError(f"share_* must be above 0 for a kind in the shards: {[*row_groups]}")
        if missing:
            log.warning("no clips of kind %s: the other kinds share its part", ", ".join(missing))
        self._groups = [row_groups[kind] for kind in self._kinds]
        self._num_rows = [sum(map(len, groups)) for groups in self._groups]
        self._in_block = _apportion([shares[kind] for kind in self._kinds], self._kinds)
        self._window, self._seed = window, seed
        self._passes: dict[int, tuple[int, Rows]] = {}  # the current pass of each kind
        self._pattern: tuple[int, Rows, Rows] | None = None  # the current block

    @property
    def num_clips(self) -> int:
        """Clips that are drawn from: so many samples are called an epoch."""
        return sum(self._num_rows)

    def pick(self, number: int) -> Pick:
        """The sample of a number; cheap where numbers rise."""
        block, offset = divmod(number, BLOCK)
        kinds, ranks = self._block(block)
        kind = int(kinds[offset])
        sample_of_kind = block * self._in_block[kind] + int(ranks[offset])
        number_of_pass, position = divmod(sample_of_kind, self._num_rows[kind])
        return Pick(number, int(self._pass(kind, number_of_pass)[position]))

    def batches(
        self, start: int, batch_size: int, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[list[Pick]]:
        """This rank's part of each global batch of batch_size * world_size numbers, from `start`.

        Ranks share a global batch in order: how many there are does not change what is in it.
        """
        first = start + rank * batch_size
        while True:
            yield [self.pick(number) for number in range(first, first + batch_size)]
            first += batch_size * world_size

    def _block(self, block: int) -> tuple[Rows, Rows]:
        """Kind of each number of a block [BLOCK], and how many of that kind come before it."""
        if self._pattern is None or self._pattern[0] != block:
            kinds = np.repeat(np.arange(len(self._kinds)), self._in_block)
            np.random.default_rng([self._seed, _MIX, block]).shuffle(kinds)
            ranks = np.empty_like(kinds)
            for kind, count in enumerate(self._in_block):
                ranks[kinds == kind] = np.arange(count)
            self._pattern = (block, kinds, ranks)
        return self._pattern[1:]

    def _pass(self, kind: int, number: int) -> Rows:
        """All rows of a kind in the order of one pass."""
        if kind not in self._passes or self._passes[kind][0] != number:
            which = KIND_ORDER.index(self._kinds[kind])
            rng = np.random.default_rng([self._seed, _PASS, which, number])
            self._passes[kind] = (number, _window_shuffle(self._groups[kind], self._window, rng))
        return self._passes[kind][1]


def _window_shuffle(groups: Sequence[Rows], window: int, rng: np.random.Generator) -> Rows:
    """All rows of the groups: groups shuffled, then the rows within each `window` of them."""
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    window_of_row = np.repeat(np.arange(len(groups)) // window, [len(rows) for rows in shuffled])
    rows = np.concatenate(shuffled)
    return rows[np.lexsort((rng.random(len(rows)), window_of_row))]


def _apportion(shares: Sequence[float], kinds: Sequence[Kind]) -> list[int]:
    """Shares as whole numbers of a block, by largest remainder."""
    exact = np.array(shares) / sum(shares) * BLOCK
    counts = np.floor(exact).astype(int)
    short = BLOCK - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    if (counts == 0).any():
        kind = kinds[int(np.argmin(counts))]
        raise ConfigError(f"share_{kind} must be 0 or at least {1 / BLOCK} of all, got less")
    return counts.tolist()
