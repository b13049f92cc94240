"""What every backend on torch shares: device, precision, batches that fit, and honest loading."""

import gc
import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from camvid.errors import BackendError, BackendUnavailable
from camvid.parallel import num_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

# What reading a folder of another model, or a damaged one, can end in.
_READ_ERRORS = (OSError, RuntimeError, ValueError, LookupError, TypeError, EOFError, AttributeError)


def device(name: str = "auto") -> torch.device:
    """The device that `name` means: "auto" is the first GPU, or the CPU where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        asked = torch.device(name)
    except RuntimeError as error:
        raise BackendUnavailable(
            f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
        ) from error
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        raise BackendUnavailable(
            f"device `{name}` must be there, but torch {torch.__version__} sees"
            f" {torch.cuda.device_count()} GPUs; set device = 'auto' or 'cpu'"
        )
    return asked


def dtype(where: torch.device) -> torch.dtype:
    """Half precision on a GPU (bf16 where it has it: no overflow), fp32 on the CPU."""
    if where.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


@dataclass(slots=True)
class BatchSize:
    """How many items are run at once; falls when memory does not hold them, and stays there."""

    value: int


def in_batches(
    run: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    *,
    size: BatchSize | int,
) -> list[Result]:
    """`run` over slices of `items`, its results in order.

    A slice that memory does not hold is halved and run again; a `BatchSize` that the caller keeps
    remembers what fitted for its next clips.

    Raises:
        BackendError: memory does not hold even one item.
    """
    fits = size if isinstance(size, BatchSize) else BatchSize(size)
    results: list[Result] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + max(1, fits.value)]
        done = _try(run, part)
        if done is not None:
            results += done
        elif len(part) > 1:
            fits.value = len(part) // 2
        else:
            raise BackendError(
                "one item at a time must fit in the GPU's memory, but does not: give the stage"
                " more of a GPU (resources.gpus), lower the input size, or set device = 'cpu'"
            )
    return results


def _try(run: Callable[[Sequence[Item]], Sequence[Result]], part: Sequence[Item]) -> Any:
    """The results, or None where memory ran out; what the attempt held is free again."""
    try:
        return run(part)
    except torch.OutOfMemoryError:
        pass  # freed below: while the error lives, its traceback holds the tensors
    free()
    return None


@contextmanager
def inference() -> Generator[None, None, None]:
    """No gradients, as many threads as this process may use, memory given back at the end."""
    torch.set_num_threads(num_threads())
    try:
        with torch.inference_mode():
            yield
    finally:
        free()


def free() -> None:
    """Returns cached GPU memory to the card, for the other workers on it."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def read_state(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors, .pt or .pth file; nothing in it is ever executed."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # safetensors raises its own type, which has no narrower base
        if type(error).__name__ == "SafetensorError":
            raise _unreadable(path, error) from error
        raise


def load_pretrained(model_class: Any, folder: Path, where: torch.device) -> Any:
    """A transformers model from a local folder, in eval mode on `where`, all its weights there.

    `from_pretrained` fills weights that the file lacks with random numbers and only warns; here
    that is an error.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, told = model_class.from_pretrained(
            folder, local_files_only=True, dtype=dtype(where), output_loading_info=True
        )
    except _READ_ERRORS as error:
        raise _unreadable(folder, error) from error
    except Exception as error:
        if type(error).__name__ == "SafetensorError":
            raise _unreadable(folder, error) from error
        raise
    missing = sorted([*told["missing_keys"], *(str(k) for k in told["mismatched_keys"])])
    if missing:
        raise BackendUnavailable(
            f"{folder} must hold every weight of {model_class.__name__}, but {len(missing)} are"
            f" missing or of another shape ({missing[0]}, ...): a checkpoint of another model?"
        )
    return model.eval().to(where)


def _unreadable(path: Path, error: Exception) -> BackendUnavailable:
    why = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BackendUnavailable(f"weights must be whole and readable: {path}: {why}")
