"""A filesystem that counts what is asked of it, as a remote store would be."""

from typing import Any, ClassVar

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile


class CountingFileSystem(fsspec.AbstractFileSystem):
    """`counting://PATH`, a local file, by ranges of bytes."""

    protocol = "counting"
    ranges: ClassVar[list[int]] = []  # the size of each request

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        return LocalFileSystem().ls(self._strip_protocol(path), detail=detail)

    def info(self, path: str, **kwargs: Any) -> Any:
        return LocalFileSystem().info(self._strip_protocol(path))

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        content = LocalFileSystem().cat_file(self._strip_protocol(path), start=start, end=end)
        self.ranges.append(len(content))
        return content

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> "_File":
        kept = {name: kwargs[name] for name in ("cache_type",) if name in kwargs}
        return _File(self, path, mode, **kept)


class _File(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.cat_file(self.path, start=start, end=end)


fsspec.register_implementation("counting", CountingFileSystem, clobber=True)
