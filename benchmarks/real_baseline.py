"""Runs one baseline on one clip in its own process: a crash or a hang costs one table cell.

python benchmarks/real_baseline.py u2netp RUN CLIP_ID TRUTH OUT.json
python benchmarks/real_baseline.py stock RUN CLIP_ID TRUTH OUT.json
python benchmarks/real_baseline.py stock-masked RUN CLIP_ID TRUTH OUT.json
"""

import json
import sys
from pathlib import Path

import numpy as np
from real_facts import MAX_FRAMES, MAX_FRAMES_POSED, SALIENT
from stock_sfm import solve_stock

from camvid.artifacts import Clip, Frames, MovableMasks, ObjectMasks
from camvid.evaluation.pairwise import pairwise_scores
from camvid.evaluation.regions import region_scores
from camvid.evaluation.trajectory import trajectory_error
from camvid.evaluation.truth import ClipTruth, read_truth
from camvid.models.checkpoints import locate_optional
from camvid.models.segmenters.u2netp import U2NetP
from camvid.store import ClipStore


def main() -> None:
    baseline, run, clip_id, folder, out = sys.argv[1:]
    store, truth = ClipStore(run), read_truth(Path(folder))
    clip, frames = store.load(clip_id, Clip), store.load(clip_id, Frames)
    if baseline == "u2netp":
        scores = salient(clip, frames, truth)
    else:
        masks = ObjectMasks.none(*frames.rgb.shape[:3])
        if baseline == "stock-masked":
            masks = store.load(clip_id, MovableMasks)
        scores = stock(clip, frames, masks, truth)
    Path(out).write_text(json.dumps(scores))


def salient(clip: Clip, frames: Frames, truth: ClipTruth) -> dict[str, float]:
    """J and F of what U2-Net-P finds salient, frame by frame and nothing else."""
    found = locate_optional("u2netp")
    if found is None:
        sys.exit("no weights: camvid models fetch u2netp")
    net = U2NetP(found.path)
    size = frames.rgb.shape[2], frames.rgb.shape[1]
    seen = np.stack([net.saliency(rgb, *size) > SALIENT for rgb in frames.rgb])
    masks = ObjectMasks(object_id=seen.astype(np.uint16), objects=())
    scores = region_scores(masks, (), clip, truth.masks)
    return {"num_frames": scores.num_frames, "j": scores.j_all, "f": scores.f_all}


def stock(clip: Clip, frames: Frames, masks: ObjectMasks, truth: ClipTruth) -> dict[str, float]:
    """What stock COLMAP makes of frames spread evenly over the clip."""
    true_cameras = truth.cameras_at(clip.source_frame_index)
    most = MAX_FRAMES if true_cameras is None else MAX_FRAMES_POSED
    last = clip.num_frames - 1
    used = np.unique(np.linspace(0, last, min(most, clip.num_frames)).round().astype(int))
    chosen = ObjectMasks(object_id=masks.object_id[used], objects=())
    solved = solve_stock(Frames(rgb=frames.rgb[used]), chosen)
    found = np.asarray(np.isfinite(solved.cam_from_world).all(axis=(1, 2)))
    scores = {
        "num_frames": float(len(used)),
        "seconds": solved.seconds,
        "registered": float(found.mean()),
        "focal_px": solved.focal_px,
    }
    if true_cameras is None:
        return scores
    compared = solved.cam_from_world, found, true_cameras[used]
    error, pairs = trajectory_error(*compared), pairwise_scores(*compared)
    scores |= {
        "ate_rmse": error.ate_rmse,
        "ate_percent": error.ate_percent,
        "auc_3": pairs.auc_3,
        "auc_30": pairs.auc_30,
    }
    if len(used) == clip.num_frames:  # RPE is of neighbouring frames
        scores["rpe_translation"] = error.rpe_translation
        scores["rpe_rotation_deg"] = error.rpe_rotation_deg
    return scores


if __name__ == "__main__":
    main()
