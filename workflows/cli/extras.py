"""Imports optional packages, with a one-line error where they are missing."""

from importlib.util import find_spec

from camvid.errors import BackendUnavailable

_TRAIN = ("torch", "diffusers", "safetensors", "skimage")


def require_train_extra() -> None:
    """BackendUnavailable without the packages of `camvid[train]`; imports none of them."""
    if absent := [name for name in _TRAIN if find_spec(name) is None]:
        raise BackendUnavailable(
            f"this command needs {', '.join(absent)}: pip install 'camvid[train]'"
        )
