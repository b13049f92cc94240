"""`pyarrow.compute` without types: it makes its functions when it is imported."""

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
