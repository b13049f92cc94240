"""A LeRobotDataset as LeRobot reads it, as arrays: python read_lerobot.py FOLDER OUT.npz"""

import importlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import av
import numpy as np
import torch

KEYS = ("observation.state", "action", "observation.intrinsics", "timestamp", "episode_index")


def decode(path: Path, times_s: list[float], tolerance_s: float, *_: object) -> torch.Tensor:
    """PyAV in the place of LeRobot's decoders, which want FFmpeg's libraries or torchvision."""
    with av.open(str(path)) as container:
        frames = {float(f.time): f.to_ndarray(format="rgb24") for f in container.decode(video=0)}
    have_s = np.array(list(frames))
    nearest = [have_s[np.abs(have_s - time_s).argmin()] for time_s in times_s]
    assert np.abs(np.subtract(nearest, times_s)).max() <= tolerance_s
    return torch.from_numpy(np.stack([frames[t] for t in nearest])).permute(0, 3, 1, 2) / 255


def main(folder: str, out: str) -> None:
    importlib.import_module("datasets")  # which asks about torchvision
    # LeRobot imports torchvision for augmentations, of which nothing is asked here.
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.v2"):
        sys.modules[name] = MagicMock()
    lerobot_dataset: Any = importlib.import_module("lerobot.datasets.lerobot_dataset")
    lerobot_dataset.decode_video_frames = decode
    dataset = lerobot_dataset.LeRobotDataset("local/camvid", root=folder)
    samples = [dataset[k] for k in range(len(dataset))]
    found = {key: np.stack([sample[key].numpy() for sample in samples]) for key in KEYS}
    ahead = {"action": [0.0, 1 / dataset.fps]}  # as policies ask: now and the next frame
    ahead_of = lerobot_dataset.LeRobotDataset("local/camvid", root=folder, delta_timestamps=ahead)
    np.savez(
        out,
        **found,
        frames=np.stack([sample["observation.images.main"].numpy() for sample in samples]),
        task=[sample["task"] for sample in samples],
        action_ahead=ahead_of[0]["action"].numpy(),
        mean=dataset.meta.stats["observation.state"]["mean"],
        num_episodes=dataset.num_episodes,
    )


main(*sys.argv[1:])
