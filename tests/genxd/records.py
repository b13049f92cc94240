"""Numbers recorded from another implementation, for the tests to meet."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"


def read(file: str, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays of data/<file>.npz whose names start with `prefix/`, without it."""
    with np.load(DATA / f"{file}.npz") as arrays:
        names = [n for n in arrays.files if n.startswith(prefix + "/")]
        return {n[len(prefix) + 1 :]: arrays[n] for n in names}
