"""Files of a run's folder, local or remote: read, written whole or not at all, and listed."""

import os
import tempfile
import uuid
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np

from camvid.errors import BackendUnavailable, ConfigError, StoreError
from camvid.video.addresses import without_secrets

PART = ".part-"  # begins the names of files that are being written


class RunFiles:
    """The bytes of a run; `root` is a path or any fsspec URI. Names are relative to it."""

    def __init__(self, root: str) -> None:
        self.root = root
        # Its own processes and others write to the run: a listing is true only when it is made.
        try:
            filesystem, base = fsspec.core.url_to_fs(root, use_listings_cache=False)
        except ImportError as error:
            raise BackendUnavailable(f"{without_secrets(root)} needs a package: {error}") from error
        except ValueError as error:
            raise ConfigError(f"{without_secrets(root)} must be a folder: {error}") from error
        self._fs: Any = filesystem
        self._base = str(base)
        self._local = "file" in np.atleast_1d(filesystem.protocol)

    def full_path(self, name: str) -> str:
        """Absolute path or key of a file of the run, as the filesystem spells it."""
        return str(PurePosixPath(self._base) / name)

    @contextmanager
    def _asked(self, name: str, must_be: str = "readable") -> Generator[None, None, None]:
        """Whatever the filesystem raises, each its own types, is a StoreError that names the file.

        What is not there is left to the caller.
        """
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:
            line = " ".join(str(error).split()) or type(error).__name__
            message = f"the run's file must be {must_be}: {self.root}/{name}: {line}"
            raise StoreError(message) from error

    def exists(self, name: str) -> bool:
        return self.size_bytes(name) >= 0

    def is_file(self, name: str) -> bool:
        with self._asked(name):
            return bool(self._fs.isfile(self.full_path(name)))

    def size_bytes(self, name: str) -> int:
        """The size of a file of the run; -1 where there is none."""
        try:
            with self._asked(name):
                return int(self._fs.size(self.full_path(name)) or 0)
        except (FileNotFoundError, NotADirectoryError):
            return -1

    def read_bytes(self, name: str) -> bytes:
        """The bytes of a file of the run; StoreError where it cannot be read."""
        data = self._read_if_there(name)
        if data is None:
            raise StoreError(self._missing(name))
        return data

    def _missing(self, name: str) -> str:
        return f"the run's file must be readable: {self.root}/{name}: it is missing"

    def _read_if_there(self, name: str) -> bytes | None:
        """In one request, where asking first would be two."""
        try:
            with self._asked(name):
                return bytes(self._fs.cat_file(self.full_path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """The bytes of a file of the run from one place to another; b"" where there are none."""
        if end <= start:
            return b""
        with suppress(FileNotFoundError, NotADirectoryError), self._asked(name):
            return bytes(self._fs.cat_file(self.full_path(name), start=start, end=end))
        return b""

    def write_bytes(self, name: str, data: bytes, *, lasting: bool = False) -> None:
        """Writes a file of the run so that readers see all of it or nothing of it.

        A `lasting` one is on the disk before anybody sees it, should the machine lose its power.
        """
        path = self.full_path(name)
        with self._writing(name):
            if not self._local:
                self._fs.pipe_file(path, data)
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = os.path.join(os.path.dirname(path), f"{PART}{uuid.uuid4().hex}")
            with open(temporary, "xb") as file:  # readable by whom the umask says
                file.write(data)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)

    @contextmanager
    def _writing(self, name: str) -> Generator[None, None, None]:
        try:
            with self._asked(name, "writeable"):
                yield
        except OSError as error:  # no folder, or no bucket, to write into
            message = f"the run's file must be writeable: {self.root}/{name}: {error}"
            raise StoreError(message) from error

    def move_in(self, local_path: str, name: str) -> None:
        """Puts a finished local file into the run, atomically."""
        path = self.full_path(name)
        with self._writing(name):
            if not self._local:
                self._fs.put_file(local_path, path)
                os.unlink(local_path)
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(local_path, path)

    def part_path(self, name: str) -> str:
        """Where a file is written that `move_in` will call `name`: beside it where that is local,
        so that a rename does, else in the temporary folder.
        """
        path = PurePosixPath(name)
        if not self._local:
            handle, local = tempfile.mkstemp(prefix="camvid-", suffix=path.suffix)
            os.close(handle)
            return local
        local = self.full_path(str(path.with_name(f"{PART}{path.name}")))
        with self._writing(name):
            os.makedirs(os.path.dirname(local), exist_ok=True)
        return local

    @contextmanager
    def open_local(self, name: str) -> Generator[str, None, None]:
        """A local path of a file of the run: its own, or a temporary copy of a remote one."""
        if self._local:
            yield self.full_path(name)
            return
        with tempfile.TemporaryDirectory(prefix="camvid-") as folder:
            path = os.path.join(folder, PurePosixPath(name).name)
            with self._asked(name):
                self._fs.get_file(self.full_path(name), path)
            yield path

    def remove(self, name: str) -> None:
        """Takes away one file of the run, if it is there; never a folder."""
        with suppress(FileNotFoundError), self._asked(name, "writeable"):
            self._fs.rm_file(self.full_path(name))

    def remove_all(self, names: Iterable[str]) -> None:
        """Takes away some files of the run: a store is asked once for all of them."""
        paths = [self.full_path(name) for name in names]
        with suppress(FileNotFoundError), self._asked("", "writeable"):
            if paths:
                self._fs.rm(paths)

    def remove_empty(self, folder: str) -> None:
        """Takes away a folder of the run in which nothing lies; an object store has none."""
        if self._local:
            with suppress(OSError):
                os.rmdir(self.full_path(folder))

    def list_names(self, folder: str, suffix: str = "") -> list[str]:
        """Names of the finished files in a folder of the run, sorted."""
        try:
            with self._asked(folder):
                paths = self._fs.ls(self.full_path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (PurePosixPath(path).name for path in paths)
        return sorted(n for n in names if n.endswith(suffix) and not n.startswith(PART))

    def list_sizes(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of the finished files in a folder of the run, by name."""
        try:
            with self._asked(folder):
                found = self._fs.ls(self.full_path(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        named = [(PurePosixPath(each["name"]).name, each) for each in found]
        return {n: each["size"] for n, each in named if n[:6] != PART and each["type"] == "file"}
