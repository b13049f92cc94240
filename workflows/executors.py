"""Chooses the executor, in-process or Ray, that a command line asks for."""

from camvid.errors import BackendUnavailable
from workflows import in_process
from workflows.curate import Executor


def choose_executor(ray: str | None, workers: int) -> Executor:
    """In process, unless Ray is asked for by address or by more than one worker."""
    if ray is None and workers == 1:
        return in_process.run
    try:
        from workflows.on_ray import RayExecutor
    except ImportError as error:
        raise BackendUnavailable(
            "--ray and --workers need Ray: pip install 'camvid[ray]'"
        ) from error
    address = "" if ray in (None, "local") else ray
    return RayExecutor(address=address or "", workers=0 if address and workers == 1 else workers)
