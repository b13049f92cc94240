"""Which device to compute on."""

import torch

from camvid.errors import BackendUnavailable


def choose_device(name: str = "") -> str:
    """The device by that name; where none is named, CUDA if there is one, else the CPU."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # torch's words for what is not there
        found = str(error).splitlines()[0]
        raise BackendUnavailable(f"--device {name} must be usable: {found}") from error
    return name
