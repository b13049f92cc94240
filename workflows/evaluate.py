"""A run against known truth: `camvid evaluate`."""

import json
from pathlib import Path

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    Reconstruction,
    Verdict,
)
from camvid.evaluation.calibration_plot import calibration_plot
from camvid.evaluation.scores import ClipScores, score_clip, score_stopped
from camvid.evaluation.summary import RunScores, score_run
from camvid.evaluation.truth import find_truths, match_truth, read_truth
from camvid.index import IndexRow, read_index
from camvid.store import ClipStore
from camvid.structure import unstructure

EVALUATION = "evaluation.json"
CALIBRATION = "depth_confidence.svg"


def evaluate(store: ClipStore, truth_folder: Path) -> RunScores:
    """Scores every clip of the run that has a truth.

    Writes them to RUN/evaluation.json, and depth's error by confidence to RUN/depth_confidence.svg.
    """
    truths = find_truths(truth_folder)
    clips: list[ClipScores] = []
    for row in read_index(store):
        folder = match_truth(row["source_uri"], truths)
        if folder is not None:
            clips.append(_score(store, row, folder))
    scores = score_run(clips)
    store.write_bytes(EVALUATION, json.dumps(unstructure(scores), indent=1).encode())
    if scores.depth_by_confidence:
        store.write_bytes(CALIBRATION, calibration_plot(scores.depth_by_confidence).encode())
    return scores


def _score(store: ClipStore, row: IndexRow, folder: Path) -> ClipScores:
    truth, clip_id = read_truth(folder), row["clip_id"]
    if row["status"] == "failed" or row["stopped_at"] not in ("", "filter"):
        return score_stopped(truth, clip_id, row["kind"] or "failed")
    return score_clip(
        truth,
        store.load(clip_id, Clip),
        store.load(clip_id, Reconstruction),
        store.load(clip_id, DepthMaps),
        store.load(clip_id, ObjectMasks),
        store.load(clip_id, MotionReport),
        store.load(clip_id, Verdict),
    )
