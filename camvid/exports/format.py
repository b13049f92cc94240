"""What a format is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from camvid.exports.options import ExportOptions
from camvid.exports.view import View

Entry = Mapping[str, Any]
"""What an export keeps of a clip: plain values, of which its lists are made."""


class Format(ABC):
    """Writes clips as some other tool reads them.

    Files go into an empty local folder, from where the export moves them to where they belong; so
    nothing is ever half written, and no format knows of resuming.
    """

    needs_cameras: ClassVar[bool] = True
    clips_per_part: ClassVar[int] = 1  # that are written or not written together

    def __init__(self, options: ExportOptions) -> None:
        self.options = options

    @abstractmethod
    def write(self, view: View, folder: Path, number: int) -> Entry:
        """Writes one clip; `number` is its own, the same whenever the export is resumed."""

    def pack(self, folder: Path, number: int) -> None:
        """Joins what `write` left of a part, where clips share files; `number` is the part's."""
        return

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        """Writes what speaks of the whole: lists, a card. It replaces what was there."""
        return
