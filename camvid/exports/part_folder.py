"""Local folders in which the files of a part are made, before they are moved into place."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from camvid.errors import StoreError
from camvid.store import PART, ClipStore


@contextmanager
def part_folder(target: ClipStore) -> Generator[Path, None, None]:
    """An empty folder, gone afterwards; inside the target where that is local, so that a rename
    moves its files.
    """
    filesystem, base = fsspec.core.url_to_fs(target.root)
    beside = str(base) if isinstance(filesystem, LocalFileSystem) else None
    try:
        if beside:
            Path(beside).mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=PART, dir=beside)
    except OSError as error:
        raise StoreError(f"the folder must be writeable: {target.root}: {error}") from error
    with made as folder:
        yield Path(folder)


def put(folder: Path, target: ClipStore) -> None:
    """Moves all files of a local folder into a store, under the same names."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        target.move_in(str(path), path.relative_to(folder).as_posix())
