"""CamVid-30K's layout, as released with GenXD: `ID/images/*.jpg` and a COLMAP model in `ID/0`.

The release has no motion strength; `metadata.jsonl` beside the clips does.
"""

from pathlib import Path

from camvid.exports.colmap_model import write_model
from camvid.exports.format import Entry
from camvid.exports.image_folder import ImageFolders, write_images
from camvid.exports.view import View


class CamVid30K(ImageFolders):
    """A folder a clip."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        sample = folder / view.clip.clip_id
        names = write_images(view, sample / "images")
        write_model(view, names, sample / "0")
        # COLMAP leaves its settings there; these cameras have none, but readers of the release
        # may list the file.
        (sample / "0" / "project.ini").write_text("[General]\nimage_path=images\n")
        return view.entry()
