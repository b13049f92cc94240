"""`camvid evaluate`: scores a run against ground truth."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Verdict,
)
from camvid.books.index import read_index
from camvid.errors import ConfigError
from camvid.evaluation.calibration_plot import calibration_plot
from camvid.evaluation.scores import ClipResults, ClipScores, score_clip, score_stopped
from camvid.evaluation.summary import RunScores, score_run
from camvid.evaluation.truth import ClipTruth, Labels, find_truths, match_truth, read_truth
from camvid.plain import to_plain
from camvid.record import ClipRecord
from camvid.store import ClipStore

EVALUATION = "evaluation.json"
CALIBRATION = "depth_confidence.svg"


def evaluate(
    store: ClipStore,
    truth_folder: Path,
    labels: Mapping[str, Labels] = MappingProxyType({}),
) -> RunScores:
    """Scores every clip of the run that has a truth.

    Writes them to RUN/evaluation.json, and depth's error by confidence to RUN/depth_confidence.svg.
    ConfigError where no truth is of this run, or one cannot be read.

    Args:
        store: the run.
        truth_folder: holds a folder for each source, named like it.
        labels: kind and camera by the name of that folder, where it has no labels.json.
    """
    truths = find_truths(truth_folder)
    clips: list[ClipScores] = []
    for record in read_index(store):
        folder = match_truth(record.source_uri, truths)
        if folder is not None:
            truth = read_truth(folder)
            if truth.labels == Labels():
                truth = replace(truth, labels=labels.get(truth.name, Labels()))
            clips.append(_score(store, record, truth))
    if not clips:
        raise ConfigError(
            f"a folder in {truth_folder} must be named like a video of the run, or like the folder"
            f" it lies in; none is among {', '.join(sorted(truths))}"
        )
    scores = score_run(clips)
    store.write_bytes(EVALUATION, json.dumps(to_plain(scores), indent=1).encode())
    if scores.depth_by_confidence:
        store.write_bytes(CALIBRATION, calibration_plot(scores.depth_by_confidence).encode())
    return scores


def _score(store: ClipStore, record: ClipRecord, truth: ClipTruth) -> ClipScores:
    clip_id = record.clip_id
    if not record.has_verdict:
        return score_stopped(truth, clip_id, record.outcome)
    found = ClipResults(
        clip=store.load(clip_id, Clip),
        reconstruction=store.load(clip_id, Reconstruction),
        depth=store.load(clip_id, DepthMaps),
        masks=store.load(clip_id, ObjectMasks),
        tracks=store.load(clip_id, PointTracks) if truth.joints else None,
        motion=store.load(clip_id, MotionReport),
        verdict=store.load(clip_id, Verdict),
    )
    return score_clip(truth, found)
