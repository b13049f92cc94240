"""Distributions over a run's clips, from the columns of its index."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.columns import columns_of
from camvid.record import KEPT, ClipRecord, Outcome

PERCENTILES = (5, 25, 50, 75, 95)
_MEASURES = ("motion_strength", "depth_range", "focal_px", "median_triangulation_angle_deg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Of a number, over the clips that have it."""

    clips: int
    percentiles: Mapping[int, float]  # 5, 25, 50, 75, 95; empty without a clip

    @classmethod
    def of(cls, values: "np.ndarray") -> "Distribution":
        known = values[np.isfinite(values)]
        found = np.percentile(known, PERCENTILES).tolist() if len(known) else []
        return cls(clips=len(known), percentiles=dict(zip(PERCENTILES, found, strict=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics:
    """A run in numbers; all but `kinds` and `seconds` are of the clips that are kept."""

    kinds: Mapping[Outcome, int]  # every clip and every video without one
    seconds: Mapping[Outcome, float]
    frames: int
    cameras: Mapping[str, int]
    camera_moves: Mapping[str, int]  # clips in which each class occurs
    duration_s: Distribution
    num_frames: Distribution
    measures: Mapping[str, Mapping[Outcome, Distribution]]  # by name, of each kind that has it


def run_statistics(clips: Iterable[ClipRecord]) -> RunStatistics:
    """Counts an index."""
    rows = ClipTable.of(clips)
    outcome = rows.outcome.to_numpy()
    seconds = rows.numbers("end_s") - rows.numbers("start_s")
    names: list[Outcome] = list(dict.fromkeys(sorted(outcome.tolist())))
    kept = rows.where(pc.is_in(rows.outcome, pa.array(KEPT)))
    is_kept = np.isin(outcome, KEPT)
    frames = kept.numbers("num_frames")
    return RunStatistics(
        kinds={name: int((outcome == name).sum()) for name in names},
        seconds={name: float(np.nansum(seconds[outcome == name])) for name in names},
        frames=int(np.nansum(frames)),
        cameras=_counts(kept.table["camera"]),
        camera_moves=_counts(pc.list_flatten(kept.table["camera_moves"])),
        duration_s=Distribution.of(seconds[is_kept]),
        num_frames=Distribution.of(frames),
        measures={name: _by_kind(rows.numbers(name), outcome) for name in _MEASURES},
    )


def label_of(measure: str) -> str:
    """What people are shown of a measure's name, with its unit."""
    known = next(known for known in columns_of(ClipRecord) if known.name == measure)
    return f"{known.label} {known.unit}".rstrip()


def _by_kind(values: "np.ndarray", outcome: "np.ndarray") -> dict[Outcome, Distribution]:
    found: dict[Outcome, Distribution] = {
        kind: Distribution.of(values[outcome == kind]) for kind in KEPT
    }
    return {kind: known for kind, known in found.items() if known.clips}


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, most frequent first."""
    counted = {c["values"]: c["counts"] for c in pc.value_counts(values).to_pylist()}
    counted.pop(None, None)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
