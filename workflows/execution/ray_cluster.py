"""The Ray cluster that a job runs on: the one at an address, or one of this machine's own."""

import logging
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

import ray

from camvid.errors import CamvidError


@contextmanager
def ray_cluster(
    address: str, workers: int, *, num_pools: int = 1, show_logs: bool = False
) -> Generator[None, None, None]:
    """Joins the cluster at `address`, or starts a local one and stops it at the end.

    Within a cluster that was joined before, it leaves that one as it is.

    Args:
        address: "" or "local" for a local one; "auto": the one this machine belongs to.
        workers: processes that will share a local one's cores; 0 if not known.
        num_pools: pools of so many workers each that will ask for a CPU; the cores of a local
            cluster are counted so that all find room, since a waiting clip takes none.
        show_logs: pass on what the workers log.
    """
    if ray.is_initialized():
        yield
        return
    local = address in ("", "local")
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // max(1, workers)) if local else 1
    on_terminate = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    try:
        ray.init(
            address="local" if local else address,  # also where this machine is of a cluster
            num_cpus=max(num_pools * workers, cores) if local else None,
            runtime_env={"env_vars": {"CAMVID_THREADS": str(threads)}},
            include_dashboard=False if local else None,
            log_to_driver=show_logs,
            logging_level=logging.WARNING,
        )
    except ConnectionError as error:
        raise CamvidError(f"--ray {address}: no Ray cluster answers there ({error})") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray's own exits without a word
    try:
        yield
    finally:
        ray.shutdown()
