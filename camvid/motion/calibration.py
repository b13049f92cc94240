"""From clips labelled still or moving to the threshold of motion strength that tells them apart."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from camvid.artifacts import F64, NAN, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What a threshold would do: `moving` is said of strengths at least as great."""

    threshold: float
    precision: float  # of the clips called moving, those that are
    recall: float  # of the moving clips, those called so
    num_called_moving: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The precision-recall curve, by growing threshold, and what follows from it."""

    curve: tuple[CurvePoint, ...]
    wanted_precision: float
    chosen: CurvePoint | None  # most recall at the wanted precision; None where none reaches it
    average_precision: float
    num_moving: int
    num_still: int


def calibrate(strength: F64, moves: Bool, wanted_precision: float) -> Calibration:
    """The curve over every threshold between two neighbouring strengths.

    Args:
        strength: motion strength of each clip, [n], finite.
        moves: its label, [n].
        wanted_precision: 0 to 1.
    """
    thresholds = _thresholds(strength)
    curve = tuple(_point(strength, moves, float(t)) for t in thresholds)
    good = [p for p in curve if p.num_called_moving and p.precision >= wanted_precision]
    return Calibration(
        curve=curve,
        wanted_precision=wanted_precision,
        # Of thresholds that recall as much, the greatest: it is the one farther from the still.
        chosen=max(good, key=lambda p: (p.recall, p.threshold), default=None),
        average_precision=_average_precision(curve),
        num_moving=int(moves.sum()),
        num_still=int((~moves).sum()),
    )


def _thresholds(strength: F64) -> F64:
    """Halfway, on a logarithmic scale, between neighbouring strengths; 0 calls all moving."""
    levels = np.unique(strength)
    low, high = levels[:-1], levels[1:]
    between = np.where(low > 0, np.sqrt(low * high), high / 2)
    return np.concatenate([[0.0], between])


def _point(strength: F64, moves: Bool, threshold: float) -> CurvePoint:
    called = strength >= threshold
    right = int((called & moves).sum())
    return CurvePoint(
        threshold=threshold,
        precision=right / int(called.sum()) if called.any() else NAN,
        recall=right / int(moves.sum()) if moves.any() else NAN,
        num_called_moving=int(called.sum()),
    )


def _average_precision(curve: tuple[CurvePoint, ...]) -> float:
    """Precision, averaged over the steps of recall."""
    falling = [*curve, CurvePoint(threshold=np.inf, precision=1.0, recall=0.0, num_called_moving=0)]
    steps = pairwise(falling)
    return float(sum((p.recall - after.recall) * p.precision for p, after in steps))
