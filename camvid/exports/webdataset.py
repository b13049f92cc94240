"""WebDataset's: tars of samples that are streamed: `ID.mp4`, `ID.json`, `ID.txt`, `ID.npz`.

The text is the caption; the arrays are K [F, 3, 3], cam_from_world [F, 3, 4] (NaN where not known),
timestamps_s [F], points_world [P, 3] and point_rgb [P, 3].
"""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from camvid.exports.format import Entry, Format
from camvid.exports.mp4 import write_mp4
from camvid.exports.view import View


class WebDataset(Format):
    """`shards/00000.tar` and on, and a list of what is in them."""

    needs_cameras: ClassVar[bool] = False
    clips_per_part: ClassVar[int] = 64  # some 100 MB a tar

    def write(self, view: View, folder: Path, number: int) -> Entry:
        key = view.clip.clip_id.replace(".", "_")  # a sample's name ends at its first dot
        tar = f"shards/{number // self.clips_per_part:05d}.tar"
        entry = view.entry() | {"key": key, "file": tar}
        write_mp4(folder / f"{key}.mp4", view.frames(), view.fps, self.options.crf)
        (folder / f"{key}.json").write_text(json.dumps(entry))
        (folder / f"{key}.txt").write_text(view.clip.caption)
        arrays = io.BytesIO()
        np.savez_compressed(
            arrays,
            K=view.K,
            cam_from_world=view.cam_from_world,
            timestamps_s=view.timestamps_s,
            points_world=view.points_world,
            point_rgb=view.clip.point_rgb,
        )
        (folder / f"{key}.npz").write_bytes(arrays.getvalue())
        return entry

    def pack(self, folder: Path, number: int) -> None:
        samples = sorted(path for path in folder.iterdir() if path.is_file())  # by key
        (folder / "shards").mkdir()
        with tarfile.open(folder / f"shards/{number:05d}.tar", "w") as tar:
            for path in samples:
                tar.add(path, path.name, filter=_anonymous)
                path.unlink()

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        lines = (json.dumps(entry) for entry in entries)
        (folder / "index.jsonl").write_text("\n".join(lines) + "\n")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the clock and the user of this machine."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
