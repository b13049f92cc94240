"""Files of clips: each by itself while stages work on its clip, all in one archive afterwards.

A file that lies by itself counts; without one, that of its name in the archive does. Whoever writes
a file of a packed clip writes it beside the archive, and it is packed again at the end. The archive
takes its place at once and only then do the files go that are in it, so whenever that is killed,
each file is in one of the two places, or the same in both.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Self

from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    MotionReport,
    MovableMasks,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    Rigidity,
    Verdict,
)
from camvid.camerawork.moves import Description
from camvid.clip_archive import Archive, archive_bytes
from camvid.errors import DamagedArtifact, StoreError
from camvid.imports.cameras import GivenCameras
from camvid.run_files import RunFiles

ARCHIVE = "clip.zip"
FILE_NAMES: dict[type, str] = {
    Clip: "clip.json",
    Frames: "frames.parquet",
    GivenCameras: "given_cameras.npz",
    MovableMasks: "movable_masks.npz",
    ObjectMasks: "object_masks.npz",
    Reconstruction: "reconstruction.npz",
    DepthMaps: "depth_maps.npz",
    PointTracks: "point_tracks.npz",
    Rigidity: "rigidity.npz",
    MotionReport: "motion_report.json",
    Description: "description.json",
    Verdict: "verdict.json",
}
REMEDY = "`camvid curate` makes it anew"
RECORD = ".record.json"
_COUNTED = frozenset((*FILE_NAMES.values(), ARCHIVE))  # in the size of a clip
_CLIPS = "clips"
_THREADS = 16  # an object store answers a request in 20 to 100 ms, many at a time


@dataclass(slots=True)
class Lying:
    """What lies of a clip."""

    sizes: dict[str, int]  # of its files by name, in bytes; its archive is one of them
    archive: Archive | None  # None: there is none, or none that can be read
    written: dict[str, bytes] = field(default_factory=dict[str, bytes])  # since it was looked up

    @property
    def beside(self) -> set[str]:
        """Names of the pipeline's own files beside the archive."""
        return {f for f in self.sizes if f != ARCHIVE and (f in _COUNTED or f.endswith(RECORD))}

    @property
    def packed(self) -> Mapping[str, int]:
        """Sizes of the files in the archive."""
        return self.archive.sizes if self.archive else {}


class ClipFiles(RunFiles):
    """A run's files; a name in a clip's folder is found wherever that file lies."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._folder: str | None = None  # of the clip of which it is known what lies there
        self._lying: Lying | None = None

    @staticmethod
    def clip_folder(clip_id: str) -> str:
        return f"{_CLIPS}/{clip_id[:2]}/{clip_id}"

    def of_clip(self, clip_id: str) -> Self:
        """The same files, where it is looked up once what lies of this clip.

        True for as long as nobody else writes to the clip.
        """
        files = type(self)(self.root)
        files._folder = self.clip_folder(clip_id)
        return files

    def size_bytes(self, name: str) -> int:
        folder, file = _parted(name)
        if folder != self._folder:
            size = super().size_bytes(name)
            if size >= 0 or not folder:
                return size
        lying = self._lies(folder)
        return lying.sizes.get(file, lying.packed.get(file, -1))

    def _read_if_there(self, name: str) -> bytes | None:
        folder, file = _parted(name)
        if folder != self._folder or file in self._lies(folder).sizes:
            data = super()._read_if_there(name)
            if data is not None or not folder:
                return data
            self._lying = None  # it has gone since that was looked up
        for _ in range(2):
            archive = self._lies(folder).archive
            if archive is None or file not in archive.sizes:
                return None
            if (data := archive.read(file)) is not None:
                return data
            self._lying = None  # it may have been packed anew
        where = f"{self.root}/{folder}/{ARCHIVE}"
        message = f"{file} in {where} must be as it was written, but is damaged; {REMEDY}"
        raise DamagedArtifact(message, name=name)

    def write_bytes(self, name: str, data: bytes, *, lasting: bool = False) -> None:
        super().write_bytes(name, data, lasting=lasting)
        folder, file = _parted(name)
        if folder == self._folder and self._lying:
            self._lying.sizes[file] = len(data)
            self._lying.written[file] = data

    def remove(self, name: str) -> None:
        folder, file = _parted(name)
        if folder:
            self.remove_of_clip(PurePosixPath(folder).name, [file])
        else:
            super().remove(name)

    def remove_of_clip(self, clip_id: str, files: Collection[str]) -> None:
        """Takes files of a clip away, from its archive first: what they had replaced is not back.

        An archive of which nothing can be read, or nothing is left, goes, too.
        """
        if (folder := self.clip_folder(clip_id)) != self._folder:
            self.of_clip(clip_id).remove_of_clip(clip_id, files)
            return
        lying = self._lies(folder)
        packed = set(lying.packed)
        if left := packed.difference(files):
            if left != packed:
                self._write_archive(folder, left)
        elif ARCHIVE in lying.sizes:
            self.remove_all([f"{folder}/{ARCHIVE}"])
        self.remove_all(f"{folder}/{file}" for file in files if file in lying.sizes)
        self._lying = None

    def pack(self, clip_id: str) -> None:
        """Puts a clip's files into its archive, each in the place of an older one there."""
        if (folder := self.clip_folder(clip_id)) != self._folder:
            self.of_clip(clip_id).pack(clip_id)
            return
        lying = self._lies(folder)
        if beside := lying.beside:
            self._write_archive(folder, beside.union(lying.packed))
            self.remove_all(f"{folder}/{file}" for file in beside)
            self._lying = None

    def clip_size(self, clip_id: str) -> int:
        """What lies of the clip, in bytes, as `clip_sizes` lists it; -1 where nothing does."""
        sizes = self._lies(self.clip_folder(clip_id)).sizes
        return sum(size for file, size in sizes.items() if file in _COUNTED) if sizes else -1

    def clip_ids(self) -> Iterator[str]:
        """Ids of all clips with a folder in the run, sorted."""
        for prefix in self.list_names(_CLIPS):
            yield from self.list_names(f"{_CLIPS}/{prefix}")

    def clip_sizes(self) -> Iterator[tuple[str, int]]:
        """Every clip with the size of its artifacts in bytes, by listing folders alone."""
        prefixes = self.list_names(_CLIPS)
        if self._local:
            for prefix in prefixes:
                yield from _local_sizes(self.full_path(f"{_CLIPS}/{prefix}"))
            return
        with ThreadPoolExecutor(_THREADS) as pool:
            for sizes in pool.map(self._listed_sizes, prefixes):
                yield from sizes.items()

    def _lies(self, folder: str) -> Lying:
        if folder != self._folder:
            return self._look(folder)
        self._lying = self._lying or self._look(folder)
        return self._lying

    def _look(self, folder: str) -> Lying:
        sizes = self.list_sizes(folder)
        name, size = f"{folder}/{ARCHIVE}", sizes.get(ARCHIVE, 0)
        try:
            archive = Archive(lambda a, b: self.read_range(name, a, b), size) if size else None
        except StoreError:
            raise
        except Exception:  # noqa: BLE001  (of what is no zip, its reader raises dozens of types)
            archive = None  # all that was in it is made anew
        return Lying(sizes, archive)

    def _write_archive(self, folder: str, files: Iterable[str]) -> None:
        """Of files that lie beside the archive or in it; what is damaged there is left out."""
        names = [f"{folder}/{file}" for file in files]
        with ThreadPoolExecutor(_THREADS) as pool:
            contents = (map if self._local else pool.map)(self._unless_damaged, names)
            found = {_parted(name)[1]: data for name, data in zip(names, contents, strict=True)}
        self.write_bytes(f"{folder}/{ARCHIVE}", archive_bytes(found), lasting=True)

    def _unless_damaged(self, name: str) -> bytes | None:
        _, file = _parted(name)
        if self._lying and file in self._lying.written:
            return self._lying.written[file]
        try:
            return self._read_if_there(name)
        except DamagedArtifact:
            return None

    def _listed_sizes(self, prefix: str) -> dict[str, int]:
        with self._asked(f"{_CLIPS}/{prefix}"):
            found = self._fs.find(self.full_path(f"{_CLIPS}/{prefix}"), detail=True)
        sizes: dict[str, int] = {}
        for path, info in found.items():
            *_, clip_id, name = PurePosixPath(path).parts
            if name in _COUNTED:
                sizes[clip_id] = sizes.get(clip_id, 0) + int(info["size"] or 0)
        return sizes


def _parted(name: str) -> tuple[str, str]:
    """A clip's folder and the file in it, of which a name is made; empty where it is no clip's."""
    folder, _, file = name.rpartition("/")
    is_of_clip = folder.startswith(f"{_CLIPS}/") and folder.count("/") == 2 and file != ARCHIVE
    return (folder, file) if is_of_clip else ("", "")


def _local_sizes(folder: str) -> Iterator[tuple[str, int]]:
    """As the listing of an object store; three times as fast as fsspec's own of a local folder."""
    for clip in _entries(folder):
        files = _entries(clip.path)
        yield clip.name, sum(f.stat().st_size for f in files if f.name in _COUNTED)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):  # what lies there is not ours
        return []
