"""Labelled images, and evidence of 0 to 255, counted by label."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import U8, Bool

MIN_AREA_SECONDS = 0.0015  # share of the image times duration: a small object must last
USUAL_SIZE_S = 0.5  # frames so near show an object as large as it usually is
THRESHOLD = 128  # evidence from which on it says that a pixel moves, or is salient

Labels = Iterable[NDArray[np.integer]]


def num_labels(labels: Labels) -> int:
    """One more than the highest label of all frames."""
    return max(int(x.max()) for x in labels) + 1


def count_pixels(labels: Labels, num: int, among: Iterable[Bool] | None = None) -> NDArray[np.intp]:
    """Pixels [num] of each label over all frames, or of those among some."""
    kept = labels if among is None else [x[a] for x, a in zip(labels, among, strict=True)]
    return np.array([np.bincount(x.ravel(), minlength=num) for x in kept]).sum(axis=0)


def above_threshold(evidence: Sequence[U8]) -> list[Bool]:
    """Per frame, where the evidence [h, w] says so."""
    return [e >= THRESHOLD for e in evidence]
