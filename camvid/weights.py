"""Model weights: what a run records of each, and the folder that keeps them."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One weight in use, as run.toml and the shards tell of it."""

    name: str
    version: str  # a release, a hub revision, or "local"
    licence: str  # an SPDX name, or "unknown" for a file of the user's own
    sha256: str
    commercial: bool = True  # False where the licence forbids commercial use

    def __str__(self) -> str:
        line = f"{self.name} {self.version} sha256:{self.sha256} {self.licence}"
        return line if self.commercial else f"{line} {NON_COMMERCIAL}"


NON_COMMERCIAL = "(non-commercial)"  # ends the line of such a weight


def directory() -> Path:
    """Where weights are kept: CAMVID_WEIGHTS, else the user's cache folder."""
    asked = os.environ.get("CAMVID_WEIGHTS")
    if asked:
        return Path(asked).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "camvid" / "weights"
