"""The same training inside Ray's TorchTrainer: on this machine, or on a cluster's.

Workers read the shards themselves; nothing but the configuration travels through Ray. They hear no
signals: those that this process hears reach them as the file `out`/stop. Workers that are lost are
started again, `run.max_failures` times, and go on from the newest checkpoint.
"""

import logging
import signal
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from camvid.errors import CamvidError, RunAborted
from camvid.genxd.training.checkpoints import Checkpoints
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.training.stop import STOP_FILE, STOP_SIGNALS
from camvid.plain import from_plain, to_plain
from workflows.ray_cluster import ray_cluster
from workflows.train import Trained, train


def train_on_ray(
    shards: str, out: Path, config: TrainConfig, *, resume: bool, address: str, workers: int
) -> Trained:
    """As `train`, in `workers` processes, with a GPU each where the cluster has any.

    `out` and `shards` must be reachable from all machines: a shared disk; or URIs, for the shards.
    """
    checkpoints = Checkpoints(out, config)
    checkpoints.to_go_on_from(resume=resume)  # what would be refused there is refused here
    config.run.micro_batches(workers)
    job: dict[str, Any] = {
        "shards": shards if "://" in shards else str(Path(shards).resolve()),
        "out": str(out.resolve()),
        "config": to_plain(config),
    }
    with ray_cluster(address, workers, show_logs=True):
        on_gpus = float(ray.cluster_resources().get("GPU", 0)) >= workers
        trainer = TorchTrainer(
            _work,
            train_loop_config=job,
            scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=on_gpus),
            torch_config=TorchConfig(backend="nccl" if on_gpus else "gloo"),
            run_config=ray.train.RunConfig(
                name="ray",
                storage_path=job["out"],
                failure_config=ray.train.FailureConfig(max_failures=config.run.max_failures),
            ),
        )
        with passed_on(out / STOP_FILE):
            aborted = _fit(trainer)
    if aborted:
        raise RunAborted(aborted)
    step, checkpoint = checkpoints.reached()
    return Trained(step=step, checkpoint=checkpoint, stopped=step < config.run.num_steps)


def _fit(trainer: TorchTrainer) -> str:
    """What `_work` returned; older versions of Ray do not pass it on.

    Not on the main thread: there Ray answers SIGINT itself, and drops what is in flight.
    """
    with ThreadPoolExecutor(1, "ray-train") as thread:
        try:
            result: Any = thread.submit(trainer.fit).result()
        except ray.train.TrainingFailedError as error:
            raise cause(error) from error
    return getattr(result, "return_value", None) or ""


@contextmanager
def passed_on(file: Path) -> Generator[None, None, None]:
    """A signal makes the file, which asks the workers to stop."""
    file.unlink(missing_ok=True)  # of a run that was killed before it heard
    file.parent.mkdir(parents=True, exist_ok=True)
    hears = threading.current_thread() is threading.main_thread()
    heard = STOP_SIGNALS if hears else ()
    before = {each: signal.signal(each, lambda *_: file.touch()) for each in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(job: Mapping[str, Any]) -> str:
    """On each worker. It always resumes: whether it may was asked before, and it may be a retry.

    Returns why the run was aborted, which all workers agree on: raised, it would be tried again.
    """
    logging.basicConfig(level=logging.INFO, format="camvid: %(message)s")
    config = from_plain(TrainConfig, job["config"])
    try:
        train(job["shards"], Path(job["out"]), config, resume=True)
    except RunAborted as aborted:
        return str(aborted)
    return ""


def cause(error: Exception) -> CamvidError:
    """The first worker's own error, of the type that it had there."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        if isinstance(failure, CamvidError):
            return failure
    lines = [line for line in str(error).splitlines() if line.strip()]
    return RunAborted(f"training on Ray failed: {lines[-1] if lines else error}")
