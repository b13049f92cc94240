"""The training loop: what it leaves, that it resumes to the bit, and what it does with trouble."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from camvid.config import dump_toml  # noqa: E402
from camvid.errors import BackendUnavailable, ConfigError, RunAborted, StoreError  # noqa: E402
from camvid.genxd.data.loader import Batch  # noqa: E402
from camvid.genxd.data.shards import find_shards  # noqa: E402
from camvid.genxd.model import GenXDUNet  # noqa: E402
from camvid.genxd.training.checkpoints import Checkpoints, Training  # noqa: E402
from camvid.genxd.training.options import TrainConfig  # noqa: E402
from tests.genxd.training_runs import (  # noqa: E402
    curve,
    losses,
    saved_state,
    saved_unet,
    small,
    write_shards,
)
from workflows.train import Trained, batch_loss, set_up, train  # noqa: E402


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture
def shards(shared: Path, request: pytest.FixtureRequest) -> str:
    """Written once for all tests."""
    folder = shared / "run"
    return str(folder) if folder.exists() else write_shards(folder, request)


@pytest.fixture
def plain(shards: str, shared: Path) -> Path:
    """A run of four steps, trained once."""
    if not (shared / "plain").exists():
        train(shards, shared / "plain", small())
    return shared / "plain"


def last(run: Path) -> Path:
    return run / "checkpoints" / "step-00000004"


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        same = torch.equal(value, b[name]) if isinstance(value, torch.Tensor) else value == b[name]
        assert same, name


# ---- what it leaves ------------------------------------------------------------------------------


def test_a_run_leaves_checkpoints_curves_and_samples(shards: str, tmp_path: Path) -> None:
    config = small(
        run={"num_steps": 3, "save_every_steps": 1, "keep_checkpoints": 2, "peak_tflops": 0.1},
        validation={"every_steps": 3},
    )
    done = train(shards, tmp_path / "out", config)
    assert done == Trained(step=3, checkpoint=done.checkpoint, stopped=False)
    names = sorted(p.name for p in (tmp_path / "out" / "checkpoints").iterdir())
    assert names == ["step-00000002", "step-00000003"]
    assert done.checkpoint.name == names[-1]
    assert set(losses(tmp_path / "out")) == {1, 2, 3}
    samples = tmp_path / "out" / "validation" / "step-00000003"
    assert sorted(p.name for p in samples.iterdir()) == ["0.mp4", "0.png"]
    assert (done.checkpoint / "train.toml").read_text() == dump_toml(config)
    average = {k.removeprefix("/average/"): v for k, v in saved_state(done.checkpoint).items()
               if k.startswith("/average/")}  # fmt: skip
    assert_equal(saved_unet(done.checkpoint), average)


def test_a_checkpoint_samples_alone(plain: Path, tmp_path: Path) -> None:
    from camvid.genxd.checkpoint import load_checkpoint

    shutil.copytree(last(plain), tmp_path / "alone", ignore=shutil.ignore_patterns("state"))
    loaded = load_checkpoint(tmp_path / "alone")
    assert loaded.codec.num_channels == loaded.model.config["out_channels"] == 4
    assert_equal(dict(loaded.model.state_dict()), saved_unet(last(plain)))


# ---- going on ------------------------------------------------------------------------------------


def test_a_resumed_run_is_the_undisturbed_run_to_the_bit(
    shards: str, plain: Path, tmp_path: Path
) -> None:
    train(shards, tmp_path / "parts", small(run={"num_steps": 2}))
    parts = train(shards, tmp_path / "parts", small(), resume=True)
    assert losses(tmp_path / "parts") == losses(plain)
    assert len(losses(plain)) == 4
    assert_equal(saved_state(parts.checkpoint), saved_state(last(plain)))
    assert_equal(saved_unet(parts.checkpoint), saved_unet(last(plain)))


def test_nothing_is_overwritten_or_mixed_up(shards: str, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    with pytest.raises(ConfigError, match=r"already holds a run \(step-00000004\): --resume"):
        train(shards, out, small())
    other = small(optimizer={"learning_rate": 1.0})
    with pytest.raises(ConfigError, match=r"learning_rate was 0.001, is 1.0\): keep it"):
        train(shards, out, other, resume=True)
    (last(out) / "state" / ".metadata").unlink()
    with pytest.raises(StoreError, match="step-00000004 must be readable"):
        train(shards, out, small(), resume=True)


def test_a_broken_save_leaves_no_checkpoint(
    shards: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one cleans up. Here without any before: --resume starts anew."""

    def fail(*_: object) -> None:
        raise OSError("disk full")

    out, config = tmp_path / "out", small(run={"num_steps": 1})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(StoreError, match="step-00000001 must be writable: OSError: disk full"):
            train(shards, out, config)
    assert [path.name for path in (out / "checkpoints").iterdir()] == [".step-00000001"]
    assert train(shards, out, config, resume=True).step == 1
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000001"]


# ---- how a step is computed ----------------------------------------------------------------------


def test_gradients_accumulate_to_the_same_steps(shards: str, plain: Path, tmp_path: Path) -> None:
    train(shards, tmp_path / "out", small(run={"micro_batch_size": 1}))
    assert losses(tmp_path / "out") == pytest.approx(losses(plain), rel=1e-4)


def test_workers_and_checkpointing_change_nothing(shards: str, plain: Path, tmp_path: Path) -> None:
    other = small(run={"loader_workers": 1, "gradient_checkpointing": True})
    done = train(shards, tmp_path / "other", other)
    assert losses(tmp_path / "other") == losses(plain)
    assert_equal(saved_unet(done.checkpoint), saved_unet(last(plain)))


def test_cached_latents_change_what_bfloat16_rounds(
    shards: str, plain: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "latents"
    train(
        shards,
        tmp_path / "out",
        small(codec={"cache_latents": True, "cache_dir": str(folder)}),
    )
    assert losses(tmp_path / "out") == pytest.approx(losses(plain), rel=0.01)
    assert list(folder.rglob("*.parquet"))


def test_bfloat16_trains_to_about_the_same_losses(shards: str, plain: Path, tmp_path: Path) -> None:
    done = train(shards, tmp_path / "half", small(run={"precision": "bf16"}))
    assert losses(tmp_path / "half") == pytest.approx(losses(plain), rel=0.05)
    assert losses(tmp_path / "half") != losses(plain)
    assert {value.dtype for value in saved_unet(done.checkpoint).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("temporal", ("temporal_", "time_pos_embed", ".gamma", "motion_embedding")),
        ("multiview", ("mv_res_block", "multiview_", ".spatial_mv_factor")),
    ],
)
def test_only_the_named_part_is_trained(
    shards: str, plain: Path, tmp_path: Path, part: str, names: tuple[str, ...]
) -> None:
    first = last(plain)
    config = small(model={"trained": part, "init": str(first)}, run={"num_steps": 1})
    done = train(shards, tmp_path / "out", config).checkpoint
    before, after = saved_unet(first), saved_unet(done)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(any(text in name for text in names) for name in changed)
    in_part = {name for name in before if any(text in name for text in names)}
    assert len(changed) > 0.8 * len(in_part)  # a rare kind may leave some gradients 0
    state = saved_state(done)
    averaged = {k.removeprefix("/average/") for k in state if k.startswith("/average/")}
    assert averaged == in_part


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_trains_in_bfloat16_to_about_the_same_losses(shards: str, tmp_path: Path) -> None:
    done = train(shards, tmp_path / "half", small(run={"loader_workers": 1}))
    train(shards, tmp_path / "full", small(run={"precision": "fp32"}))
    assert {value.dtype for value in saved_unet(done.checkpoint).values()} == {torch.float32}
    half, full = losses(tmp_path / "half"), losses(tmp_path / "full")
    assert half == pytest.approx(full, rel=0.05)
    assert half != full


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_trains_with_8_bit_adam(shards: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    config = small(optimizer={"state_bits": 8})
    train(shards, tmp_path / "parts", small(optimizer={"state_bits": 8}, run={"num_steps": 2}))
    parts = train(shards, tmp_path / "parts", config, resume=True)
    whole = train(shards, tmp_path / "whole", config)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=0.01)
    assert parts.step == whole.step


# ---- trouble -------------------------------------------------------------------------------------


def test_steps_that_are_not_finite_are_passed(
    shards: str,
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One is skipped, a second in a row ends the run; --resume goes on after both."""

    def broken(training: Training, batch: Batch, config: TrainConfig) -> torch.Tensor:
        loss = batch_loss(training, batch, config)
        return loss * math.nan if 2 <= int(batch.numbers.min()) < 6 else loss  # steps 2 and 3

    monkeypatch.setattr("workflows.train.batch_loss", broken)
    out, config = tmp_path / "out", small(run={"max_skipped_steps": 1})
    with pytest.raises(RunAborted, match=r"in step 3 \(clips 0000.*\), 2 in a row"):
        train(shards, out, config)
    assert re.search(r"nan in step 2 \(clips 0000.*\): the step is skipped", caplog.text)
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-00000003"]
    done = train(shards, out, config, resume=True)
    assert done.step == 4
    assert set(losses(out)) == {1, 4}
    assert losses(out)[1] == losses(plain)[1]
    assert curve(out, "train/skipped_steps") == {1: 0, 2: 1, 4: 0}
    assert all(value.isfinite().all() for value in saved_unet(done.checkpoint).values())


def test_a_checkpoint_is_written_while_training_goes_on(
    shards: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the weights of its step, and is there when all is written."""
    training = set_up(find_shards(shards), config := small())
    checkpoints, go_on = Checkpoints(tmp_path, config), threading.Event()
    write = GenXDUNet.save_pretrained

    def slow(*arguments: Any) -> None:
        go_on.wait(60)
        write(*arguments)

    monkeypatch.setattr(GenXDUNet, "save_pretrained", slow)
    before = {name: value.clone() for name, value in training.unet.state_dict().items()}
    path = checkpoints.save(training, 1)
    with torch.no_grad():
        for parameter in training.unet.parameters():
            parameter.fill_(7.0)
    assert not path.exists()
    go_on.set()
    checkpoints.wait(training)
    assert_equal(saved_unet(path), before)
    state = saved_state(path)
    assert_equal({name: state[f"/weights/{name}"] for name in before}, before)
    at_once = Checkpoints(tmp_path, small(run={"async_checkpoints": False}))
    assert at_once.save(training, 2).exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"run": {"batch_size": 3}}, ConfigError, "run.batch_size must be a multiple of"),
        ({"run": {"sharding": "fsdp2"}}, ConfigError, "needs two processes or more"),
        ({"optimizer": {"state_bits": 8}}, ConfigError, "needs a CUDA device"),
        ({"model": {"init": "nowhere"}}, BackendUnavailable, "nowhere has no config.json"),
        ({"codec": {"path": "nowhere"}}, BackendUnavailable, "a codec must be at nowhere"),
    ],
)
def test_what_cannot_run_is_refused_before_the_first_step(
    shards: str,
    tmp_path: Path,
    changes: dict[str, dict[str, Any]],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        train(shards, tmp_path / "out", small(**changes))
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_missing_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere must hold shards with clips, got none"):
        train(str(tmp_path / "nowhere"), tmp_path / "out", small())


# ---- the command ---------------------------------------------------------------------------------


def start(shards: str, out: Path, config: TrainConfig) -> subprocess.Popen[str]:
    """`camvid train` in two processes; their log goes to OUT.log."""
    toml = out.with_suffix(".toml")
    toml.write_text(dump_toml(config))
    command = ["torchrun", "--nproc-per-node=2", "train", shards, "--out", str(out)]
    with out.with_suffix(".log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "workflows.cli", *command, "--config", str(toml)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def wait_for(process: subprocess.Popen[str], log: Path, text: str) -> None:
    """Until the log holds it; fails with the log where it does not come."""
    ends_s = time.monotonic() + 300
    while text not in log.read_text():
        if time.monotonic() > ends_s or process.poll() is not None:
            process.kill()
            pytest.fail(f"{text!r} must come, got {log.read_text()}")
        time.sleep(0.1)


def test_sigterm_under_torchrun_saves_and_one_process_goes_on(shards: str, tmp_path: Path) -> None:
    endless = {"num_steps": 100_000, "save_every_steps": 100_000, "micro_batch_size": 1}
    process = start(shards, tmp_path / "out", small(run=endless))
    log = tmp_path / "out.log"
    wait_for(process, log, "step 2 of 100000")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "2 x CPU" in log.read_text()
    assert output.startswith("stopped, --resume goes on: step ")
    step = int(output.split("step ")[1].split(",")[0])
    assert step >= 2
    more = small(run={"num_steps": step + 1})
    assert train(shards, tmp_path / "out", more, resume=True).step == step + 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--config", "nosuch"], 2, "--config must be a file, or one of demo, h100, lowmem"),
        (["--config", "tiny", "--set", "run.steps=1"], 2, "did you mean `num_steps`?"),
        (["--config", "tiny", "--init", "nowhere"], 4, "must hold shards with clips, got none"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from workflows.cli.main import main

    command = ["camvid", "train", "none", "--out", str(tmp_path / "o"), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    output = capsys.readouterr()
    assert (ended.value.code, output.out) == (code, "")
    assert output.err.startswith("camvid: error: ")
    assert message in output.err
    assert len(output.err.splitlines()) == 1
