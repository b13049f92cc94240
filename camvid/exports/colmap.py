"""COLMAP's: a workspace for each clip, which COLMAP and Gaussian splatting open.

`ID/images`, `ID/masks` (0 on what may move: COLMAP and its readers leave that out) and
`ID/sparse/0`.
"""

from pathlib import Path

from camvid.exports.colmap_model import write_model
from camvid.exports.format import Entry
from camvid.exports.image_folder import ImageFolders, static_masks, write_images, write_pngs
from camvid.exports.view import View


class Colmap(ImageFolders):
    """A COLMAP workspace a clip."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        workspace = folder / view.clip.clip_id
        names = write_images(view, workspace / "images")
        # COLMAP finds a mask by its image's whole name.
        write_pngs(static_masks(view), [f"{name}.png" for name in names], workspace / "masks")
        write_model(view, names, workspace / "sparse" / "0")
        return view.entry()
