"""Many processes: the same losses as one, sharded or not, by torchrun's variables and by Ray."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

import torch.multiprocessing as mp  # noqa: E402

from camvid.errors import ConfigError  # noqa: E402
from tests.genxd.training_runs import losses, saved_state, saved_unet, small, write_shards  # noqa: E402
from workflows.train import Trained, train  # noqa: E402

FOUR = {"num_steps": 4, "micro_batch_size": 1}


@pytest.fixture
def shards(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    return write_shards(tmp_path / "run", request)


@pytest.fixture
def alone(shards: str, tmp_path: Path) -> Path:
    """The run of one process."""
    train(shards, tmp_path / "alone", small(run=FOUR))
    return tmp_path / "alone"


def _train_all(rank: int, port: int, shards: str, out: str) -> None:
    """In one of two processes, started as torchrun starts them."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    train(shards, Path(out) / "ddp", small(run=FOUR))
    half_way = FOUR | {"num_steps": 2, "sharding": "fsdp2"}
    train(shards, Path(out) / "fsdp2", small(run=half_way))
    sampled = {"every_steps": 4}
    sharded = small(run=FOUR | {"sharding": "fsdp2"}, validation=sampled)
    train(shards, Path(out) / "fsdp2", sharded, resume=True)
    torch.distributed.destroy_process_group()


def test_two_processes_train_as_one(shards: str, alone: Path, tmp_path: Path) -> None:
    """Replicated, and sharded with a stop half-way; both save what one process can read."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_train_all, (port, shards, str(tmp_path)), nprocs=2)
    expected = losses(alone)
    for name in ("ddp", "fsdp2"):
        assert losses(tmp_path / name) == pytest.approx(expected, rel=2e-4), name
        there = tmp_path / name / "checkpoints" / "step-00000004"
        here = alone / "checkpoints" / "step-00000004"
        loaded = saved_unet(there)
        for key, value in saved_unet(
            here
        ).items():  # Adam turns rounding of tiny gradients to steps
            assert (loaded[key] - value).abs().mean() < 2e-4, key
        assert saved_state(there).keys() == saved_state(here).keys()
    assert (tmp_path / "fsdp2" / "validation" / "step-00000004" / "0.mp4").stat().st_size
    goes_on = small(run=FOUR | {"num_steps": 5})
    assert train(shards, tmp_path / "fsdp2", goes_on, resume=True).step == 5


@pytest.fixture
def local_ray() -> Iterator[None]:
    """One cluster for all of a test."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("local_ray")
def test_ray_trains_as_one_process(shards: str, alone: Path, tmp_path: Path) -> None:
    from workflows.train_on_ray import train_on_ray

    def on_ray() -> Trained:
        out = tmp_path / "ray"
        return train_on_ray(shards, out, small(run=FOUR), resume=False, address="", workers=2)

    done = on_ray()
    assert (done.step, done.stopped) == (4, False)
    assert losses(tmp_path / "ray") == pytest.approx(losses(alone), rel=2e-4)
    with pytest.raises(ConfigError, match="already holds a run"):
        on_ray()
