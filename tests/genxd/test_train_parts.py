"""What stands around the loop's steps: signals, launchers, curves, recipes, memory."""

import json
import os
import signal
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from torch import Tensor, nn  # noqa: E402

from camvid.errors import BackendUnavailable, ConfigError, RunAborted  # noqa: E402
from camvid.genxd.resnet import CascadeResBlock  # noqa: E402
from camvid.genxd.training.board import Board  # noqa: E402
from camvid.genxd.training.meter import Meter  # noqa: E402
from camvid.genxd.training.options import RunOptions  # noqa: E402
from camvid.genxd.training.processes import check_can_halve, join_processes  # noqa: E402
from camvid.genxd.training.skips import SkippedSteps  # noqa: E402
from camvid.genxd.training.start import check_levels, make_unet  # noqa: E402
from camvid.genxd.training.stop import STOP_SIGNALS, StopSignal  # noqa: E402
from camvid.genxd.training.weights import choose_trained, halve_frozen  # noqa: E402
from tests.genxd.tiny import make_inputs  # noqa: E402
from tests.genxd.training_runs import small  # noqa: E402
from workflows.configs import load_training_config  # noqa: E402

ONE_LEVEL = replace(small().model, block_out_channels=(32,), num_attention_heads=(1,))


def inputs_of(indicator: list[int], **shape: int) -> dict[str, Tensor]:
    made = make_inputs(indicator, **shape)
    return {name: x.float() if x.is_floating_point() else x for name, x in made.items()}


# ---- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_signals_are_heard_within_and_obeyed_after(
    number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    if number == signal.SIGINT:  # tests that a shell runs in the background inherit deaf ears
        usual = signal.signal(number, signal.default_int_handler)
        request.addfinalizer(lambda: signal.signal(number, usual))
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.heard
        os.kill(os.getpid(), number)
        assert (stop.heard, stop.agreed) == (True, False)
        if number != signal.SIGINT:
            os.kill(os.getpid(), number)  # a scheduler's and a launcher's
        else:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_file_asks_for_a_stop_once(tmp_path: Path) -> None:
    with StopSignal(tmp_path / "stop") as stop:
        assert not stop.heard
        (tmp_path / "stop").touch()
        assert stop.heard
    assert not (tmp_path / "stop").exists()


def test_the_driver_of_ray_passes_signals_on_as_that_file(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from workflows.execution.train_on_ray import passed_on

    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "stop"
    file.touch()
    with passed_on(file):
        assert not file.exists()  # of a run before
        os.kill(os.getpid(), signal.SIGTERM)
        assert file.exists()


def test_only_steps_in_a_row_count() -> None:
    skips = SkippedSteps(2, is_main=True)
    for step in (1, 2, 4, 5):
        skips.skip(step, 1.0, float("nan"), ["a", "b"])
        if step == 2:
            skips.taken()
    with pytest.raises(RunAborted, match=r"got 1.0 and nan in step 6 \(clips a, b\), 3 in a row"):
        skips.skip(6, 1.0, float("nan"), ["a", "b"])


# ---- launchers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ACCELERATE_MIXED_PRECISION", "bf16", "means no here, but .* --mixed_precision bf16"),
        ("ACCELERATE_USE_FSDP", "true", "uses FSDP: set run.sharding = fsdp2"),
    ],
)
def test_what_accelerate_launch_would_override_is_refused(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        join_processes(RunOptions(precision="fp32"))


# ---- curves --------------------------------------------------------------------------------------


def test_a_reading_says_of_how_many_and_how_long() -> None:
    meter = Meter(num_steps=4, num_images=2, peak_flops=float("nan"), flops_of=lambda **_: 1)
    meter.stepped(1.0, 3.0)
    meter.skipped()
    reading = replace(meter.read(2, 0.1), eta_s=90_061.0)
    assert (reading.loss, reading.gradient_norm, reading.skipped_steps) == (1.0, 3.0, 1)
    assert str(reading).startswith("step 2 of 4, ETA 1 day, 1:01:01: loss 1.0000, gradient 3.000")


def test_metrics_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    def write(steps: range, going_on_from: int) -> None:
        with Board(tmp_path, small(), going_on_from, is_main=True) as board:
            for step in steps:
                board.numbers(step, {"a": float(step), "b": float("nan")})

    write(range(1, 4), 0)
    with (tmp_path / "metrics.jsonl").open("a") as cut_off:
        cut_off.write('{"step": 4, "a"')
    write(range(3, 5), 2)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": step, "a": step} for step in (1, 2, 3, 4)]


def test_wandb_is_off_unless_asked_for_and_keeps_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []

    class Run:
        log = finish = staticmethod(lambda *_, **__: None)

    def init(**arguments: Any) -> Run:
        started.append(arguments)
        return Run()

    api = types.SimpleNamespace(api_key=None)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, api=api))
    for wanted in (False, True, True):
        with Board(tmp_path, small(run={"wandb": wanted}), 0, is_main=True) as board:
            board.numbers(1, {"a": 1.0})
    first, second = started
    assert first["id"] == second["id"] == (tmp_path / "wandb_id").read_text()
    assert first["resume"] == "allow"
    monkeypatch.setitem(sys.modules, "wandb", None)
    with (
        pytest.raises(BackendUnavailable, match="needs wandb"),
        Board(tmp_path, small(run={"wandb": True}), 0, is_main=True),
    ):
        pass


# ---- the network ---------------------------------------------------------------------------------


def gradient_norm(unet: nn.Module, inputs: dict[str, Tensor], parts: list[slice]) -> float:
    """Of the mean square of the output over all samples, from gradients of the parts."""
    unet.zero_grad()
    num_samples = len(inputs["sample"])
    for part in parts:
        output = unet(**{name: x[part] for name, x in inputs.items()})
        (output.square().mean() * len(output) / num_samples).backward()
    return float(torch.nn.utils.get_total_norm([p.grad for p in unet.parameters()]))


def test_tiny_has_the_same_gradients_however_they_are_computed() -> None:
    """In halves, as two processes do, and in float64: no norm of it sees but a few values."""
    config = load_training_config("tiny", [])
    unet = make_unet(config.model, 4, seed=0)
    height, width = config.data.latent_hw
    assert height == width
    inputs = inputs_of([2, 2], num_frames=2, side=height)
    whole, halves = [slice(0, 2)], [slice(0, 1), slice(1, 2)]
    together = gradient_norm(unet, inputs, whole)
    assert gradient_norm(unet, inputs, halves) == pytest.approx(together, rel=1e-4)
    doubled = {n: x.double() if x.is_floating_point() else x for n, x in inputs.items()}
    assert gradient_norm(unet.double(), doubled, whole) == pytest.approx(together, rel=1e-4)


def test_a_network_that_ends_in_one_latent_is_refused() -> None:
    unet = make_unet(small().model, 4, seed=0)
    check_levels(unet, (4, 8))
    with pytest.raises(ConfigError, match=r"2 resolutions must end in 2 x 2 .* end in 1 x 1"):
        check_levels(unet, (2, 8))


def test_frozen_weights_in_bfloat16_change_nothing() -> None:
    results: list[list[Tensor]] = []
    for halve in (lambda _: None, halve_frozen):
        unet = make_unet(ONE_LEVEL, 4, seed=0)
        choose_trained(unet, "temporal")
        halve(unet)
        with torch.autocast("cpu", torch.bfloat16):
            output = unet(**inputs_of([2], num_frames=4))
        output.float().square().mean().backward()
        grads = [p.grad for p in unet.parameters() if p.grad is not None]
        results.append([output, *grads])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    large = [p for p in unet.parameters() if p.ndim > 1]
    assert {p.dtype for p in large if not p.requires_grad} == {torch.bfloat16}
    assert {p.dtype for p in large if p.requires_grad} == {torch.float32}


@pytest.mark.parametrize("half", [True, False])
def test_frozen_weights_in_bfloat16_need_a_run_in_it(half: bool) -> None:
    options = RunOptions(sharding="fsdp2" if half else "ddp")
    with pytest.raises(ConfigError, match=r"needs run.precision = bf16 and run.sharding = ddp"):
        check_can_halve(options, half)


def test_a_layer_computes_the_same_through_inductor() -> None:
    """One, without its backward pass: each loop is a C++ file to compile. See TRAINING_COST.md."""
    unet = make_unet(ONE_LEVEL, 4, seed=0)
    layer = next(module for module in unet.modules() if isinstance(module, CascadeResBlock))
    calls: list[tuple[Any, ...]] = []
    with torch.no_grad():
        hook = layer.register_forward_pre_hook(lambda _, arguments: calls.append(arguments))
        unet(**inputs_of([0], num_frames=2))
        hook.remove()
        expected = layer(*calls[0])
        layer.compile(backend="inductor")
        compiled = layer(*calls[0])
    torch.testing.assert_close(compiled, expected, rtol=1e-4, atol=1e-4)


# ---- recipes -------------------------------------------------------------------------------------


def test_a_later_configuration_lies_over_those_before(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[run]\nbatch_size = 32\n")
    config = load_training_config(["stage3", "lowmem", str(tmp_path / "mine.toml")], [])
    assert config.data.single_view_probability == 0.5  # of stage3
    assert (config.model.trained, config.optimizer.state_bits) == ("temporal", 8)
    assert config.run.batch_size == 32
    large = load_training_config(["stage1", "h100"], [])
    assert (large.run.compile_backend, large.run.batch_size) == ("inductor", 128)
    assert large.run.micro_batches(8) == 2
