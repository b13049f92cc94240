"""Clips of other runs: of what shows the same as one of them nothing more is made.

That is decided as soon as a clip is cut, before the other stages spend hours on it, and by the same
measure as among the clips of a run (`camvid.duplicates`).
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.artifacts import I32, Clip
from camvid.books.fingerprints import CLIPS, known_clips
from camvid.duplicates import (
    COLUMNS,
    I64,
    MAX_BUCKET,
    MIN_SHARE,
    Duplicate,
    band_width,
    bands_of,
    find_duplicates,
)
from camvid.errors import ConfigError
from camvid.outcome import Reason
from camvid.reasons import Why
from camvid.stage import ClipRow

log = logging.getLogger(__name__)


class KnownClips:
    """Clips among which one after another is looked for; some 2 kB of memory each."""

    def __init__(self, clips: pa.Table) -> None:
        """Of `clips` the COLUMNS are read."""
        self._clips = clips.combine_chunks()
        hashes = self._clips["change_hashes"].combine_chunks()
        length = pc.fill_null(pc.list_value_length(hashes), 0).to_numpy()
        clip = np.repeat(np.arange(len(length), dtype=np.int32), length)
        flat = hashes.flatten().to_numpy()
        clip, flat = clip[flat != 0], flat[flat != 0]
        self._width = min(band_width(len(flat)), 31)
        self._sorted: list[tuple[I32, I32]] = []  # bands and whose they are
        for band in self._bands(flat):
            order = np.argsort(band)
            self._sorted.append((band[order], clip[order]))

    def _bands(self, hashes: I64) -> Iterator[I32]:
        return (band.astype(np.int32) for band in bands_of(hashes, self._width))

    def copy_of(self, clip: Clip) -> Duplicate | None:
        """The known clip whose like it is, if any."""
        hashes = np.array(clip.change_hashes, np.int64)
        near: list[I32] = [np.zeros(0, np.int32)]
        for (band, owner), asked in zip(self._sorted, self._bands(hashes), strict=True):
            begin, end = (np.searchsorted(band, asked, side) for side in ("left", "right"))
            telling = (end - begin <= MAX_BUCKET) & (hashes != 0)
            near += [owner[a:b] for a, b in zip(begin[telling], end[telling], strict=True)]
        some = self._clips.take(np.unique(np.concatenate(near)))
        given = (clip.clip_id, clip.video.uri, clip.start_s, clip.change_hashes)
        asked = pa.Table.from_pylist([dict(zip(COLUMNS, given, strict=True))], CLIPS)
        return next(iter(find_duplicates(asked, some)), None) if len(some) else None

    def unless_known(self, row: ClipRow, clip: Clip) -> ClipRow:
        """The row that came out of `split`; rejected there if the like of its clip is known."""
        found = self.copy_of(clip)
        if found is None:
            return row
        reason = Reason(Why.DUPLICATE, found.share, MIN_SHARE)
        decided = replace(row.records[-1], status="rejected", reason=reason)
        return replace(row, records=row.records[:-1]).after(decided)


def load_known(path: str) -> KnownClips | None:
    """The clips of a run, or of its file; None where no path is given.

    None also where this machine cannot read it: copies are then found when all is done.
    """
    try:
        return KnownClips(known_clips(path)) if path else None
    except ConfigError as error:
        log.warning("copies of known clips are found late: %s", error)
        return None
