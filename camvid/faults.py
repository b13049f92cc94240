"""Decides whether a failure is due to one clip or to the machine, where any clip would fail."""

import errno
import re
from collections.abc import Iterator

from camvid.errors import ClipError

# Disk or quota full, read-only, stale mount; too many files open.
_MACHINE_ERRNO = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
    }
)
# Running out of memory is not among them: one huge clip does that, and the next may fit.
_MACHINE_TEXT = re.compile(
    r"\b(CUDA|CUDNN|CUBLAS|NVML|HIP|NCCL)[ _](driver|runtime|error|failure|status)"
    r"|\bno kernel image|\bdevice-side assert|\bNVIDIA driver|\bno CUDA-capable device"
    r"|\bcannot open shared object file|\bundefined symbol|\bNo space left on device",
    re.IGNORECASE,
)
_OUT_OF_MEMORY = re.compile(r"out of memory", re.IGNORECASE)


def is_of_machine(error: BaseException) -> bool:
    """Whether the error, or one that led to it, is about a missing library, device or disk."""
    return any(_one(link) for link in _chain(error))


def _one(error: BaseException) -> bool:
    if isinstance(error, ImportError):
        return True
    if isinstance(error, OSError) and error.errno in _MACHINE_ERRNO:
        return True
    if isinstance(error, ClipError) or (isinstance(error, OSError) and error.errno is not None):
        return False  # these name the file, and a video may be called "cuda error.mp4"
    text = str(error)
    return bool(_MACHINE_TEXT.search(text)) and not _OUT_OF_MEMORY.search(text)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        shown = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or shown
