"""`camvid calibrate`: chooses the threshold of motion strength from a person's labels."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camvid.books.index import find_record, read_index
from camvid.errors import ConfigError
from camvid.motion.calibration import Calibration, calibrate
from camvid.record import ClipRecord
from camvid.store import ClipStore

LABELS = {"still": False, "moving": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCalibration:
    """The curve of a run's labelled clips."""

    calibration: Calibration
    setting: str  # what makes the run use it: "filter.min_motion_strength=..."; "" where none does
    unmeasured: tuple[str, ...]  # labelled clips that have no motion strength


def calibrate_run(store: ClipStore, labels: Path, precision: float) -> RunCalibration:
    """Compares the index with the labels; the run is left as it is."""
    if not 0 < precision <= 1:
        raise ConfigError(f"--precision must be above 0 and at most 1, got {precision}")
    index = read_index(store)
    moves = _by_clip(read_labels(labels), index)
    measures = {record.clip_id: record.measures for record in index}
    strength = {clip_id: measures[clip_id].motion_strength for clip_id in moves}
    measured = [clip_id for clip_id in moves if np.isfinite(strength[clip_id])]
    if len({moves[clip_id] for clip_id in measured}) < 2:
        raise ConfigError(
            f"{labels} must label clips of both kinds, still and moving, that were measured;"
            f" of its {len(moves)} clips {len(measured)} were measured"
        )
    found = calibrate(
        np.array([strength[clip_id] for clip_id in measured]),
        np.array([moves[clip_id] for clip_id in measured]),
        precision,
    )
    chosen = found.chosen
    return RunCalibration(
        calibration=found,
        setting=f"filter.min_motion_strength={chosen.threshold:.4g}" if chosen else "",
        unmeasured=tuple(clip_id for clip_id in moves if clip_id not in measured),
    )


def read_labels(path: Path) -> dict[str, bool]:
    """Whether each clip moves, by clip id or its first letters.

    CSV with the columns clip_id and label, or TOML with lines `<clip_id> = "moving"`.
    """
    try:
        text = path.read_text()
        pairs = _toml_pairs(text) if path.suffix == ".toml" else _csv_pairs(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise ConfigError(
            f"--labels must be a readable CSV or TOML file: {path}: {error}"
        ) from error
    labels: dict[str, bool] = {}
    for clip_id, label in pairs:
        if label not in LABELS:
            raise ConfigError(f"{path}: a label must be still or moving, got {label!r} ({clip_id})")
        if clip_id in labels:
            raise ConfigError(f"{path}: each clip must be labelled once, {clip_id} is twice")
        labels[clip_id] = LABELS[label]
    return labels


def _csv_pairs(text: str) -> list[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if not {"clip_id", "label"} <= set(rows.fieldnames or ()):
        raise csv.Error(f"its first line must name clip_id and label, got {rows.fieldnames}")
    return [(row["clip_id"].strip(), (row["label"] or "").strip().lower()) for row in rows]


def _toml_pairs(text: str) -> list[tuple[str, str]]:
    return [(key, str(value).lower()) for key, value in tomllib.loads(text).items()]


def _by_clip(labels: Mapping[str, bool], index: Sequence[ClipRecord]) -> dict[str, bool]:
    """By full clip id."""
    return {find_record(index, short).clip_id: moves for short, moves in labels.items()}
