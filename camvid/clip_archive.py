"""One file with all that the stages left of a clip: a zip, of which readers take what they need."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping

_TAIL_BYTES = 65_536  # read at once: the directory and, before it, all that is JSON
_HEADER_BYTES = 30  # of a zip's member, before its name


def archive_bytes(files: Mapping[str, bytes | None]) -> bytes:
    """The archive of these files, as they are: artifacts are compressed already.

    Equal files give equal bytes: there is no clock in it. What is None is left out.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files, key=lambda name: (name.endswith(".json"), name)):
            if (data := files[name]) is not None:
                archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


class Archive:
    """An archive in the run, of which no more is read than is asked for.

    The directory costs a store one request, and so does a file; zipfile itself would ask for each
    file's header, name and content.
    """

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        """`read` gives the bytes from one place to another; zipfile's errors where it is no zip."""
        self._read = read
        self._tail_at = max(0, size_bytes - _TAIL_BYTES)
        self._tail = read(self._tail_at, size_bytes)
        # zipfile allows for bytes put before an archive, and for as many that were cut off there:
        # it counts from the tail's begin.
        with zipfile.ZipFile(io.BytesIO(self._tail)) as directory:
            self._members = {member.filename: member for member in directory.infolist()}
        self.sizes = {name: member.file_size for name, member in self._members.items()}

    def read(self, file: str) -> bytes | None:
        """A file's bytes; None where they are damaged."""
        member = self._members[file]
        start = member.header_offset + _HEADER_BYTES + len(file)
        end = min(start + member.file_size, len(self._tail))
        if start >= 0:
            data = self._tail[start:end]
        else:
            data = self._read(max(0, self._tail_at + start), self._tail_at + end)
        return data if zlib.crc32(data) == member.CRC else None
