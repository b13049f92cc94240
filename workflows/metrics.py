"""Generated clips against true ones, folder by folder."""

from pathlib import Path

import numpy as np

from camvid.errors import ConfigError
from camvid.genxd.metrics import Measure, NetworkWeights, Scorer
from camvid.video.decode import read_frames
from camvid.video.find import find_videos


def score_folders(made: str, true: str, weights: NetworkWeights, device: str) -> list[Measure]:
    """Videos, or folders of images, of the same names, frames and sizes."""
    ours, theirs = (_by_name(folder) for folder in (made, true))
    if set(ours) != set(theirs):
        lonely = sorted(set(ours) ^ set(theirs))
        raise ConfigError(f"both folders must hold the same clips, {lonely[0]} is in one alone")
    scorer = Scorer(weights, device)
    for name in sorted(ours):
        clip, truth = (np.stack([f.rgb for f in read_frames(p[name])]) for p in (ours, theirs))
        if clip.shape != truth.shape:
            raise ConfigError(
                f"clip {name} must be of one length and size in both folders, is"
                f" {clip.shape} and {truth.shape} (frames, height, width, channels)"
            )
        scorer.add(clip, truth)
    return scorer.measures()


def _by_name(folder: str) -> dict[str, str]:
    return {Path(uri).stem: uri for uri in find_videos([folder])}
