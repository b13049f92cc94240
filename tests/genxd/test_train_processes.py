"""Many processes: the same losses as one, sharded or not, by torchrun's variables and by Ray."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from torch.multiprocessing.spawn import spawn  # noqa: E402

from camvid.errors import ConfigError, RunAborted  # noqa: E402
from camvid.genxd.training.options import RunOptions  # noqa: E402
from camvid.genxd.training.processes import join_processes, micro_batch, spread  # noqa: E402
from camvid.genxd.training.start import make_unet  # noqa: E402
from tests.genxd.tiny import make_inputs  # noqa: E402
from tests.genxd.training_runs import (  # noqa: E402
    curve,
    losses,
    saved_state,
    saved_unet,
    small,
    write_shards,
)
from workflows.train import Trained, train  # noqa: E402

THREE = {"num_steps": 3, "micro_batch_size": 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture
def shards(shared: Path, request: pytest.FixtureRequest) -> str:
    """Written once for all tests."""
    folder = shared / "run"
    return str(folder) if folder.exists() else write_shards(folder, request)


@pytest.fixture
def alone(shards: str, shared: Path) -> Path:
    """The run of one process, trained once."""
    if not (shared / "alone").exists():
        train(shards, shared / "alone", small(run=THREE))
    return shared / "alone"


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
    train(shards, Path(out) / "ddp", small(run=THREE))
    half_way = THREE | {"num_steps": 1, "sharding": "fsdp2"}
    train(shards, Path(out) / "fsdp2", small(run=half_way))
    sampled = {"every_steps": 3}
    sharded = small(run=THREE | {"sharding": "fsdp2"}, validation=sampled)
    train(shards, Path(out) / "fsdp2", sharded, resume=True)
    _accumulate()
    torch.distributed.destroy_process_group()


def _accumulate() -> None:
    """Sharded: with `reduce_once` gradients are there after the last micro-batch, and the same."""
    one_level = replace(small().model, block_out_channels=(32,), num_attention_heads=(1,))
    inputs = {n: x.float() if x.is_floating_point() else x for n, x in make_inputs([2]).items()}
    found: list[list[torch.Tensor]] = []
    for once in (False, True):
        options = RunOptions(sharding="fsdp2", gradient_checkpointing=False, reduce_once=once)
        model = spread(make_unet(one_level, 4, seed=0), join_processes(options), options)
        for is_last in (False, True):
            with micro_batch(model, options, is_last=is_last):
                model(**inputs).square().mean().backward()
            exchanged = [p.grad is not None for p in model.parameters()]
            assert all(exchanged) if is_last or not once else not any(exchanged)
        found.append([p.grad.to_local() for p in model.parameters()])
    replicated = spread(make_unet(one_level, 4, seed=0), join_processes(options), RunOptions())
    assert replicated.gradient_as_bucket_view
    for each, all_at_once in zip(*found, strict=True):
        torch.testing.assert_close(all_at_once, each)


def test_two_processes_train_as_one(shards: str, alone: Path, tmp_path: Path) -> None:
    """Replicated, and sharded with a stop half-way; both save what one process can read."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_train_all, (port, shards, str(tmp_path)), nprocs=2)
    expected = losses(alone)
    for name in ("ddp", "fsdp2"):
        assert losses(tmp_path / name) == pytest.approx(expected, rel=2e-4), name
        norms = curve(tmp_path / name, "train/gradient_norm")
        assert norms == pytest.approx(curve(alone, "train/gradient_norm"), rel=1e-3), name
        there = tmp_path / name / "checkpoints" / "step-00000003"
        here = alone / "checkpoints" / "step-00000003"
        loaded = saved_unet(there)
        for key, value in saved_unet(
            here
        ).items():  # Adam turns rounding of tiny gradients to steps
            assert (loaded[key] - value).abs().mean() < 2e-4, key
        assert saved_state(there).keys() == saved_state(here).keys()
    assert (tmp_path / "fsdp2" / "validation" / "step-00000003" / "0.mp4").stat().st_size
    goes_on = small(run=THREE | {"num_steps": 4})
    assert train(shards, tmp_path / "fsdp2", goes_on, resume=True).step == 4


def test_ray_trains_as_one_process(
    shards: str, alone: Path, tmp_path: Path, local_ray: None
) -> None:
    from workflows.train_on_ray import train_on_ray

    def on_ray() -> Trained:
        out = tmp_path / "ray"
        return train_on_ray(shards, out, small(run=THREE), resume=False, address="", workers=2)

    done = on_ray()
    assert (done.step, done.stopped) == (3, False)
    assert losses(tmp_path / "ray") == pytest.approx(losses(alone), rel=2e-4)
    with pytest.raises(ConfigError, match="already holds a run"):
        on_ray()


def test_an_error_of_a_worker_keeps_its_type() -> None:
    pytest.importorskip("ray")
    from ray.train import WorkerGroupError

    from workflows.train_on_ray import cause

    failed = WorkerGroupError("two failed", {1: OSError("lost"), 0: ConfigError("must be so")})
    assert cause(failed) is failed.worker_failures[0]
    other = cause(WorkerGroupError("one failed", {1: OSError("lost")}))
    assert isinstance(other, RunAborted)
    assert "training on Ray failed: one failed" in str(other)
