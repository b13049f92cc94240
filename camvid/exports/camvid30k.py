"""CamVid-30K's layout, as released with GenXD: `ID/images/*.jpg` and a COLMAP model in `ID/0`.

The release has no motion strength; `metadata.jsonl` beside the clips does.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from camvid.exports.colmap_model import write_model
from camvid.exports.format import Entry, Format
from camvid.exports.image_folder import write_images
from camvid.exports.view import View


class CamVid30K(Format):
    """A folder a clip."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        sample = folder / view.clip.clip_id
        names = write_images(view, sample / "images")
        write_model(view, names, sample / "0")
        # COLMAP leaves its settings there; these cameras have none, but readers of the release
        # may list the file.
        (sample / "0" / "project.ini").write_text("[General]\nimage_path=images\n")
        return view.entry()

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        lines = (json.dumps(entry) for entry in entries)
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
