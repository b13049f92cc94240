"""Chooses the clips that a page can list, where the run has more: none of its kinds goes unseen."""

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable

_WORST = 0.2  # share of the list that goes to the noisiest clips
_NOISE = "motion_background"


def choose(rows: ClipTable, limit: int) -> np.ndarray:
    """Numbers [L] of the rows to be listed, in the table's order; all where they are no more.

    A fifth are the clips with the highest noise floor, where cameras or depth are worst. The others
    take turns: one of each outcome and first reason (or cause), then the next of each. Within a
    group they come in the order of their ids, which are hashes: a sample that stays the same.
    """
    if len(rows) <= limit:
        return np.arange(len(rows))
    worst = _noisiest(rows, int(_WORST * limit))
    turns = _in_turns(rows)
    others = turns[~np.isin(turns, worst)]
    return np.sort(np.concatenate([worst, others[: limit - len(worst)]]))


def _noisiest(rows: ClipTable, count: int) -> np.ndarray:
    noise = rows.numbers(_NOISE)
    measured = np.flatnonzero(np.isfinite(noise))
    return measured[np.argsort(-noise[measured], kind="stable")[:count]]


def _in_turns(rows: ClipTable) -> np.ndarray:
    """All row numbers: the first of every group, then the second of every group, and so on."""
    why = pc.if_else(pc.equal(rows.outcome, "failed"), rows.table["cause"], rows.first_reason)
    named = pc.binary_join_element_wise(rows.outcome, pc.fill_null(why, ""), "/")
    group = pc.dictionary_encode(named).combine_chunks().indices.to_numpy()
    by_id = pc.sort_indices(
        pa.table({"group": group, "clip_id": rows.table["clip_id"]}),
        sort_keys=[("group", "ascending"), ("clip_id", "ascending")],
    ).to_numpy()
    by_id = by_id.astype(np.int64)
    sizes = np.bincount(group)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    turn = np.arange(len(by_id)) - starts[group[by_id]]
    return by_id[np.lexsort((group[by_id], turn))]
