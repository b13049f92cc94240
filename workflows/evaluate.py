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
from camvid.evaluation.scores import ClipScores, RunScores, score_clip, score_run
from camvid.evaluation.truth import find_truths, match_truth, read_truth
from camvid.index import IndexRow, read_index
from camvid.store import ClipStore
from camvid.structure import unstructure

EVALUATION = "evaluation.json"


def evaluate(store: ClipStore, truth_folder: Path) -> RunScores:
    """Scores every clip of the run that has a truth; writes them to RUN/evaluation.json."""
    truths = find_truths(truth_folder)
    clips: list[ClipScores] = []
    for row in read_index(store):
        folder = match_truth(row["source_uri"], truths)
        if folder is not None and _measured(row):
            clips.append(_score(store, row["clip_id"], folder))
    scores = score_run(clips)
    store.write_bytes(EVALUATION, json.dumps(unstructure(scores), indent=1).encode())
    return scores


def _measured(row: IndexRow) -> bool:
    """Whether the clip went all the way to a verdict."""
    return row["status"] != "failed" and row["stopped_at"] in ("", "filter")


def _score(store: ClipStore, clip_id: str, folder: Path) -> ClipScores:
    return score_clip(
        read_truth(folder),
        store.load(clip_id, Clip),
        store.load(clip_id, Reconstruction),
        store.load(clip_id, DepthMaps),
        store.load(clip_id, ObjectMasks),
        store.load(clip_id, MotionReport),
        store.load(clip_id, Verdict),
    )
