"""Local folders in which the files of a part are made, before they are moved into place."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from camvid.errors import StoreError
from camvid.run_files import PART
from camvid.store import ClipStore


@contextmanager
def part_folder(target: ClipStore) -> Generator[Path, None, None]:
    """An empty folder, gone afterwards; inside the target where that is local, so that a rename
    moves its files.
    """
    beside = _local_folder(target)
    try:
        if beside:
            beside.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=PART, dir=beside)
    except OSError as error:
        raise StoreError(f"the folder must be writeable: {target.root}: {error}") from error
    with made as folder:
        yield Path(folder)


def sweep(target: ClipStore) -> None:
    """Removes the folders that killed processes left."""
    if beside := _local_folder(target):
        for folder in beside.glob(f"{PART}*/"):
            shutil.rmtree(folder, ignore_errors=True)


def _local_folder(target: ClipStore) -> Path | None:
    filesystem, base = fsspec.core.url_to_fs(target.root)
    return Path(str(base)) if isinstance(filesystem, LocalFileSystem) else None


def put(folder: Path, target: ClipStore) -> None:
    """Moves all files of a local folder into a store, under the same names."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        target.move_in(str(path), path.relative_to(folder).as_posix())
