"""Chooses the executor, in-process or Ray, that a command line asks for."""

from camvid.errors import BackendUnavailable
from workflows.curate import CurateConfig, Executor
from workflows.execution.in_flight import InFlightNow
from workflows.execution.isolated import Isolated
from workflows.execution.limits import DEFAULT_LIMITS, LimitsConfig
from workflows.execution.ray_plan import Plan


def choose_executor(
    ray: str | None,
    workers: int,
    limits: LimitsConfig = DEFAULT_LIMITS,
    in_flight: InFlightNow | None = None,
) -> Executor:
    """One clip at a time, unless Ray is asked for by address or by more than one worker."""
    watched = in_flight or InFlightNow()
    if ray is None and workers == 1:
        return Isolated(limits=limits, in_flight=watched)
    try:
        from workflows.execution.on_ray import RayExecutor
    except ImportError as error:
        raise BackendUnavailable(
            "--ray and --workers need Ray: pip install 'camvid[ray]'"
        ) from error
    address = "" if ray in (None, "local") else ray
    asked = 0 if address and workers == 1 else workers
    return RayExecutor(address=address or "", workers=asked, limits=limits, in_flight=watched)


def plan_of(execute: Executor, config: CurateConfig) -> Plan | None:
    """How the graph would be laid over a cluster; None without one."""
    if isinstance(execute, Isolated):
        return None
    from workflows.execution.on_ray import RayExecutor

    assert isinstance(execute, RayExecutor)
    return execute.plan(config.split, config.clip_stages())
