"""Measures the peak memory of this process, and returns freed memory to the system."""

import ctypes
import os
import resource
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_LARGEST_KEPT_BYTES = (32 << 20) - (64 << 10)  # glibc's own limit, less what it adds to a block


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


def release_memory() -> None:
    """Returns freed memory to the system; glibc, Arrow and torch would keep it at every stage."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    cuda = _cuda()
    if cuda:
        cuda.empty_cache()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


def reuse_blocks(num_bytes: int) -> None:
    """Lets glibc keep a freed block of this size for the next one of its kind.

    It returns larger blocks than any freed so far to the system, and every new one is then mapped
    page by page: a third of the time of decoding. The limit rises to 32 MiB at most.
    """
    np.empty(min(2 * num_bytes, _LARGEST_KEPT_BYTES), np.uint8)


@cache
def _malloc_trim() -> Any:
    """glibc's malloc_trim; None elsewhere."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def machine_bytes() -> int:
    """The machine's memory, or what the container that this runs in may use of it."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups 2 and 1
        try:
            text = Path("/sys/fs/cgroup", name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def rss_bytes(pid: int) -> int:
    """The memory that a process holds now; 0 if it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def num_oom_kills() -> int:
    """How many processes the kernel killed on this machine because memory ran out."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
