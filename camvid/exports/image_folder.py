"""The frames of a view as a folder of images, and what may move in them as masks."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from camvid.artifacts import U8, U16
from camvid.exports.format import Entry, Format
from camvid.exports.view import View


class ImageFolders(Format):
    """A folder of images for each clip. Neither they nor their camera files say how fast they
    follow each other, so `metadata.jsonl` beside the folders does; our import reads it there.
    """

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        lines = (json.dumps(entry) for entry in entries)
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def write_images(view: View, folder: Path) -> list[str]:
    """Writes the frames as JPEGs; returns their names."""
    folder.mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(view.num_frames)]
    for name, jpeg in zip(names, view.jpegs(), strict=True):
        (folder / name).write_bytes(jpeg)
    return names


def write_pngs(images: Iterable[U8 | U16] | U16, names: Sequence[str], folder: Path) -> None:
    """Writes images [H, W] of 8 or 16 bits."""
    folder.mkdir(parents=True)
    for name, image in zip(names, images, strict=True):
        (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())


def static_masks(view: View) -> Iterable[U8]:
    """For each frame [H, W]: 0 on what may move and on overlays, 255 elsewhere."""
    return (np.where(ids == 0, 255, 0).astype(np.uint8) for ids in view.masks())
