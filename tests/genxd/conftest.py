"""Fixtures of the GenXD tests; none imports torch, for its absence must only skip."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights() -> "dict[str, Tensor]":
    """Of the tiny UNet, float32."""
    from tests.genxd.tiny import manifest, recipe_weights

    return recipe_weights(manifest("tiny"))
