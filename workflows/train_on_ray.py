"""The same training inside Ray's TorchTrainer: on this machine, or on a cluster's.

Workers read the shards themselves; nothing but the configuration travels through Ray. Ray ends
workers in its own way: what SIGTERM would save is at most `run.save_every_steps` old.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from camvid.errors import CamvidError, RunAborted
from camvid.genxd.training.checkpoints import Checkpoints
from camvid.genxd.training.options import TrainConfig
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
    job: dict[str, Any] = {
        "shards": shards if "://" in shards else str(Path(shards).resolve()),
        "out": str(out.resolve()),
        "config": to_plain(config),
        "resume": resume,
    }
    with ray_cluster(address, workers, show_logs=True):
        on_gpus = float(ray.cluster_resources().get("GPU", 0)) >= workers
        trainer = TorchTrainer(
            _work,
            train_loop_config=job,
            scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=on_gpus),
            torch_config=TorchConfig(backend="nccl" if on_gpus else "gloo"),
            run_config=ray.train.RunConfig(name="ray", storage_path=job["out"]),
        )
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise cause(error) from error
    step, checkpoint = checkpoints.reached()
    return Trained(step=step, checkpoint=checkpoint, stopped=step < config.run.num_steps)


def _work(job: Mapping[str, Any]) -> None:
    """On each worker."""
    logging.basicConfig(level=logging.INFO, format="camvid: %(message)s")
    config = from_plain(TrainConfig, job["config"])
    train(job["shards"], Path(job["out"]), config, resume=job["resume"])


def cause(error: Exception) -> CamvidError:
    """The first worker's own error, of the type that it had there."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        if isinstance(failure, CamvidError):
            return failure
    lines = [line for line in str(error).splitlines() if line.strip()]
    return RunAborted(f"training on Ray failed: {lines[-1] if lines else error}")
