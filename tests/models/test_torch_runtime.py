"""Batches that fit, devices that are there, weights that are read without running anything."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from camvid.errors import BackendError, BackendUnavailable
from camvid.memory import peak_gpu_bytes, reset_peak_gpu

torch = pytest.importorskip("torch")

from camvid.models.torch_runtime import (  # noqa: E402
    BatchSize,
    device,
    dtype,
    in_batches,
    inference,
    read_state,
)


class Memory:
    """A run that holds `room` items at once, and notes how many it was given."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.asked.append(len(items))
        if len(items) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * item for item in items]


def test_batches_are_halved_until_they_fit_and_the_size_is_remembered() -> None:
    memory, size = Memory(room=3), BatchSize(8)
    assert in_batches(memory, range(10), size=size) == [2 * i for i in range(10)]
    assert memory.asked == [8, 4, 2, 2, 2, 2, 2]
    assert size.value == 2
    memory.asked.clear()
    in_batches(memory, range(4), size=size)
    assert memory.asked == [2, 2]


def test_what_does_not_fit_at_all_says_what_to_lower() -> None:
    with pytest.raises(BackendError, match=r"resources\.gpus.*input size.*device = 'cpu'"):
        in_batches(Memory(room=0), [1], size=4)


def test_nothing_in_is_nothing_out() -> None:
    assert in_batches(Memory(room=1), [], size=4) == []


def test_other_errors_are_not_swallowed() -> None:
    def fail(items: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_batches(fail, [1, 2], size=2)


def test_devices() -> None:
    assert device("cpu").type == "cpu"
    assert dtype(torch.device("cpu")) == torch.float32
    assert device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(BackendUnavailable, match="must be auto, cpu, cuda"):
        device("gpu")
    with pytest.raises(BackendUnavailable, match="`cuda:99` must be there"):
        device("cuda:99")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_half_precision_on_a_gpu() -> None:
    assert dtype(torch.device("cuda")) in (torch.bfloat16, torch.float16)


def test_the_ledger_counts_no_gpu_memory_without_a_gpu() -> None:
    reset_peak_gpu()
    assert torch.cuda.is_available() or peak_gpu_bytes() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_is_that_of_one_clip_and_memory_is_given_back() -> None:
    with inference():
        torch.zeros(1 << 26, device="cuda")
    assert peak_gpu_bytes() >= 1 << 28
    assert torch.cuda.memory_reserved() < 1 << 28
    reset_peak_gpu()
    assert peak_gpu_bytes() < 1 << 28


def test_inference_needs_no_gradients() -> None:
    weight = torch.ones(1, requires_grad=True)
    with inference():
        assert not (weight * 2).requires_grad


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("touched-by-a-pickle"),)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("zip.pt", None), ("plain.pth", pickle.dumps(Evil()))):
        path = tmp_path / name
        if content is None:
            torch.save({"a": Evil()}, path)
        else:
            path.write_bytes(content)
        with pytest.raises(BackendUnavailable, match=f"{name}: "):
            read_state(path)
    assert not (tmp_path / "touched-by-a-pickle").exists()


def test_states_are_read_and_damage_is_one_line(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "good.pt")
    assert read_state(tmp_path / "good.pt")["a"].tolist() == [1, 1, 1]
    for name in ("bad.pt", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(BackendUnavailable, match=f"whole and readable.*{name}") as raised:
            read_state(tmp_path / name)
        assert "\n" not in str(raised.value)
