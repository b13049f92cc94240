"""Work that falls into parts: in this process, or on Ray."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from camvid.errors import BackendUnavailable

Writer = Callable[[Callable[[int, Any], Any], Sequence[Any]], Iterator[Any]]


def in_process(write_part: Callable[[int, Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
    """What becomes of one part after another."""
    return map(write_part, range(len(parts)), parts)


def choose_writer(ray: str | None, workers: int, *, with_gpu: bool = False) -> Writer:
    """In this process, unless Ray is asked for by address or by more than one worker."""
    if ray is None and workers == 1:
        return in_process
    try:
        from workflows.execution.parts_on_ray import write_on_ray
    except ImportError as error:
        raise BackendUnavailable(
            "--ray and --workers need Ray", fix="pip install 'camvid[ray]'"
        ) from error
    return partial(write_on_ray, address=ray or "local", workers=workers, with_gpu=with_gpu)
