"""Shards -> training samples, by random access. Needs neither torch nor a run's other files."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from camvid.errors import ClipError, StoreError
from camvid.genxd.data.latents import CachedLatents, packed_latents
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick, SampleOrder
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.sample import Sample, make_sample
from camvid.genxd.data.shards import Place, Rows, ShardIndex, find_shards
from camvid.outcome import Kind

log = logging.getLogger(__name__)

READS_AT_ONCE = 4  # of a remote store, by each worker
MAX_TRIES = 64  # of clips from anywhere: when all of those fail, the data are gone
DAMAGE = (
    *(ClipError, StoreError, OSError, pa.ArrowException, cv2.error),
    *(ValueError, TypeError),  # its numbers do not make arrays, or are none
    KeyError,  # a column is missing
)
"""What a bad row or shard raises."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A clip that could not be used, and why."""

    clip_id: str
    shard: str
    cause: str


class ClipDataset:
    """Map-style: `dataset[pick]` is a sample that follows from the seed and the pick alone.

    A clip that cannot be read or is unfit gives way to another of its kind, and is named in
    `skipped` and in what `load` returns. Copies in worker processes each keep a `skipped` of
    their own; the loader puts them together.
    """

    def __init__(
        self,
        shards: str | ShardIndex,
        options: DataOptions,
        *,
        held_out: bool = False,
        latents: CachedLatents | None = None,
    ) -> None:
        """The shards' clips, or a part of them.

        Args:
            shards: see `find_shards`.
            options: what a sample is made of.
            held_out: the clips of the held-out source videos instead of all others.
            latents: samples have these instead of images, and no image is decoded; so have those
                of shards that were packed as latents.
        """
        self.index = find_shards(shards) if isinstance(shards, str) else shards
        self.options = options
        self.skipped: list[Skipped] = []
        self._row_groups = _part(self.index, options.held_out_fraction, held_out)
        rows = [group for groups in self._row_groups.values() for group in groups]
        self.rows: Rows = np.sort(np.concatenate(rows)) if rows else np.arange(0)
        latents = latents or packed_latents(self.index, options)
        self._reader = RowReader(self.index.root, options.cache_mb * 1_000_000, latents)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, pick: Pick | int) -> Sample:
        """The sample of a pick; of an int, that clip as the sample of that number."""
        return self.load(Pick(pick, int(self.rows[pick])) if isinstance(pick, int) else pick)[0]

    def order(self) -> SampleOrder:
        """The order of training; made once, in the process that hands out the work."""
        return SampleOrder(
            self._row_groups,
            self.options.shares(),
            window=self.options.window_row_groups,
            seed=self.options.seed,
        )

    def load(self, pick: Pick) -> tuple[Sample, list[Skipped]]:
        """The sample of a pick, and what was skipped on the way to it."""
        return self._load(pick, self._reader.read)

    def load_all(self, picks: Sequence[Pick]) -> list[tuple[Sample, list[Skipped]]]:
        """Those of several picks; of a remote store some are read while others are decoded."""
        if self._reader.is_local:
            return [self.load(pick) for pick in picks]
        with ThreadPoolExecutor(READS_AT_ONCE) as pool:
            ahead = {
                place: pool.submit(self._reader.read, place)
                for place in (self.index.place(pick.row) for pick in picks)
            }

            def read(place: Place) -> dict[str, Any]:
                return ahead[place].result() if place in ahead else self._reader.read(place)

            return [self._load(pick, read) for pick in picks]

    def _load(
        self, pick: Pick, read: Callable[[Place], dict[str, Any]]
    ) -> tuple[Sample, list[Skipped]]:
        skipped: list[Skipped] = []
        for candidate in self._candidates(pick):
            place = self.index.place(candidate)
            rng = np.random.default_rng([self.options.seed, pick.number])
            try:
                return make_sample(read(place), self.options, rng), skipped
            except DAMAGE as error:
                skipped.append(self._skip(place, error))
        raise StoreError(
            f"clips must be readable, but {len(skipped)} tries failed, the first with clip"
            f" {skipped[0].clip_id} of {skipped[0].shard}: {skipped[0].cause}"
        )

    def _candidates(self, pick: Pick) -> Iterator[int]:
        """The row, then others of its kind from anywhere: damage lies together."""
        yield pick.row
        rng = np.random.default_rng([self.options.seed, pick.number, 1])
        rows = np.concatenate(self._row_groups[self.index.place(pick.row).kind])
        yield from rng.permutation(rows)[:MAX_TRIES].tolist()

    def _skip(self, place: Place, error: Exception) -> Skipped:
        cause = " ".join(str(error).split()) or type(error).__name__
        cause = f"the row must have {error.args[0]}" if isinstance(error, KeyError) else cause
        skipped = Skipped(place.clip_id, place.path, cause)
        if skipped not in self.skipped:
            self.skipped.append(skipped)
            log.warning("clip %s of %s is skipped: %s", place.clip_id, place.path, cause)
        return skipped


def _part(index: ShardIndex, fraction: float, held_out: bool) -> dict[Kind, list[Rows]]:
    """The row groups without their held-out clips, or without all others."""
    groups = index.row_groups()
    if fraction == 0 and not held_out:
        return groups
    is_held_out = np.array([_unit_hash(source) < fraction for source in index.sources()], np.bool_)
    parts: dict[Kind, list[Rows]] = {
        kind: [part for rows in of_kind if len(part := rows[is_held_out[rows] == held_out])]
        for kind, of_kind in groups.items()
    }
    return {kind: of_kind for kind, of_kind in parts.items() if of_kind}


def _unit_hash(text: str) -> float:
    """A number in [0, 1) that follows from a text."""
    digest = hashlib.sha256(f"held out: {text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
