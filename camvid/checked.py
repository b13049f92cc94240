"""Checks shapes and dtypes of a dataclass's arrays when it is made, and makes them read-only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
I32 = NDArray[np.int32]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


class Checked:
    """Shape, dtype and finiteness checks shared by the artifacts."""

    __slots__ = ()

    def check(
        self,
        name: str,
        dtype: type[np.generic],
        shape: tuple[int | str, ...],
        dims: dict[str, int],
        *,
        finite: bool = True,
    ) -> None:
        """Checks one array field, binds named dimensions in `dims`, stores a read-only view."""
        owner = type(self).__name__
        value: Any = getattr(self, name)
        if not isinstance(value, np.ndarray) or value.dtype != np.dtype(dtype):
            got = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise ValueError(f"{owner}.{name} must be a {np.dtype(dtype)} array, got {got}")
        array: NDArray[Any] = value
        wanted = tuple(dims.get(d, d) if isinstance(d, str) else d for d in shape)
        agrees = array.ndim == len(wanted) and all(
            isinstance(want, str) or want == have
            for want, have in zip(wanted, array.shape, strict=True)
        )
        if not agrees:
            raise ValueError(
                f"{owner}.{name} must have shape {_spell(wanted)}, got {array.shape}"
                " (artifacts from different clips?)"
            )
        dims.update({d: n for d, n in zip(shape, array.shape, strict=True) if isinstance(d, str)})
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{owner}.{name} must be finite, got NaN or infinity")
        view = array.view()  # a view, so that the caller's own array stays writeable
        view.flags.writeable = False
        object.__setattr__(self, name, view)


def _spell(shape: tuple[int | str, ...]) -> str:
    return "(" + ", ".join(str(d) for d in shape) + ")"
