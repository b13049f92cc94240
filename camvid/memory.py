"""Memory of this process: how much at most, and giving back what was freed."""

import ctypes
import resource
import sys
from functools import cache
from typing import Any


def peak_rss_bytes() -> int:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_gpu_bytes() -> int:
    """The most GPU memory this process held since `reset_peak_gpu`; 0 without torch or a GPU."""
    cuda = _cuda()
    return int(cuda.max_memory_reserved()) if cuda else 0


def reset_peak_gpu() -> None:
    """Starts the count of `peak_gpu_bytes` anew."""
    cuda = _cuda()
    if cuda:
        cuda.reset_peak_memory_stats()


def _cuda() -> Any:
    """torch.cuda where a model of this process uses it; asking must not load torch or CUDA."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def give_back() -> None:
    """Hands freed memory back; glibc, Arrow and torch would keep it, and each stage adds more."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    cuda = _cuda()
    if cuda:
        cuda.empty_cache()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """glibc's malloc_trim; None elsewhere."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
