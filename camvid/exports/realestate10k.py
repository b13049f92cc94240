"""RealEstate10K's: an MP4 and a text of camera poses for each clip, with the trainers' lists.

A pose file has a line with the source's address, then one a frame: timestamp in microseconds,
fx fy cx cy as fractions of the image's sides, two zeros, cam_from_world row by row. With it come
`annotations.json` (CameraCtrl, AC3D), `videox_fun.json` (VideoX-Fun: Wan, CogVideoX) and
`metadata.csv`.

VideoX-Fun takes intrinsics for those of 16:9 images, whatever the video's shape, unless it is told
`original_pose_width` and `original_pose_height`: `--size` of that shape avoids it.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camvid.exports.format import Entry, Format
from camvid.exports.mp4 import write_mp4
from camvid.exports.view import View


class RealEstate10K(Format):
    """`videos/ID.mp4`, `cameras/ID.txt`, and lists of them."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        video, cameras = f"videos/{view.clip.clip_id}.mp4", f"cameras/{view.clip.clip_id}.txt"
        for name in (video, cameras):
            (folder / name).parent.mkdir(exist_ok=True)
        write_mp4(folder / video, view.frames(), view.fps, self.options.crf)
        (folder / cameras).write_text(pose_text(view))
        return view.entry() | {"video": video, "cameras": cameras}

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        lists = {
            "annotations.json": [
                {
                    "clip_name": entry["clip_id"],
                    "clip_path": entry["video"],
                    "pose_file": entry["cameras"],
                    "caption": entry["caption"],
                }
                for entry in entries
            ],
            "videox_fun.json": [
                {
                    "file_path": entry["video"],
                    "control_file_path": entry["cameras"],
                    "text": entry["caption"],
                    "type": "video",
                }
                for entry in entries
            ],
        }
        for name, lines in lists.items():
            (folder / name).write_text(json.dumps(lines, indent=1))
        with (folder / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(entries[0]))
            writer.writeheader()
            writer.writerows(entries)


def pose_text(view: View) -> str:
    """The pose file of a view."""
    sides = np.array([view.width_px, view.height_px] * 2)
    K = view.K
    intrinsics = np.stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]], axis=1) / sides
    poses = np.concatenate(
        [intrinsics, np.zeros((view.num_frames, 2)), view.cam_from_world.reshape(-1, 12)], axis=1
    )
    lines = [
        " ".join([str(round(1e6 * time_s)), *(f"{value:.12g}" for value in pose)])
        for time_s, pose in zip(view.timestamps_s, poses, strict=True)
    ]
    return "\n".join([view.clip.source_uri, *lines, ""])
