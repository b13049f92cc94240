"""A dataset as mlcroissant reads it, as arrays: python read_mlcroissant.py FOLDER OUT.npz"""

import sys
from pathlib import Path

import mlcroissant
import numpy as np


def main(folder: str, out: str) -> None:
    dataset = mlcroissant.Dataset(jsonld=Path(folder) / "croissant.json")
    clips = sorted(dataset.records("clips"), key=lambda clip: clip["clips/start_s"])
    index = list(dataset.records("index"))
    np.savez(
        out,
        clip_ids=[clip["clips/clip_id"].decode() for clip in clips],
        cameras=np.array([clip["clips/cam_from_world"] for clip in clips], np.float64),
        video_bytes=[len(clip["clips/video"]["bytes"]) for clip in clips],
        indexed=sorted(row["index/clip_id"].decode() for row in index),
        warnings=dataset.metadata.ctx.issues.report(),
    )


main(*sys.argv[1:])
