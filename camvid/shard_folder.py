"""Which files in `shards/` may be replaced: those that an earlier manifest names, no others."""

import hashlib
import json
import os
from collections.abc import Iterable

from camvid.errors import StoreError
from camvid.manifest import MANIFEST_NAMES
from camvid.parquet import table_from_bytes
from camvid.store import ClipStore

# Names our shards while they change and no manifest stands; a run that was killed meanwhile
# finds there what it had written.
WRITING = "shards/_writing.json"


class ShardFolder:
    """Puts shards in place and takes those of earlier runs away."""

    def __init__(self, store: ClipStore, index: str = "index.parquet") -> None:
        self._store = store
        books = (*(f"shards/{name}" for name in MANIFEST_NAMES), WRITING, "shards/writing.json")
        self._ours = {name for book in books for name in _in_json(store, book)}
        if not self._ours:  # a damaged manifest: the index names the shards too
            self._ours.update(_in_index(store, index))

    def begin(self) -> None:
        """From here on shards change: nothing vouches for them, but they stay named."""
        self._book()
        for name in MANIFEST_NAMES:
            self._store.remove(f"shards/{name}")

    def put(self, local_path: str, name: str, sha256: str) -> None:
        """Moves a finished file in; StoreError where that would replace one that is not ours."""
        path = f"shards/{name}"
        if name not in self._ours and self._store.exists(path) and self._sha256(path) != sha256:
            os.unlink(local_path)
            raise StoreError(
                f"{self._store.root}/{path} must be a shard of this run, but no manifest names it:"
                " move it elsewhere, then run the same command again"
            )
        self._ours.add(name)
        self._book()
        self._store.move_in(local_path, path)

    def finish(self, keep: Iterable[str]) -> None:
        """Removes our shards but for those to `keep`, once a manifest names these."""
        for name in sorted(self._ours - set(keep)):
            self._store.remove(f"shards/{name}")
        self._store.remove(WRITING)

    def _book(self) -> None:
        text = json.dumps({"shards": [{"name": name} for name in sorted(self._ours)]}, indent=1)
        self._store.write_bytes(WRITING, text.encode())

    def _sha256(self, path: str) -> str:
        with self._store.open_local(path) as local, open(local, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _in_json(store: ClipStore, name: str) -> set[str]:
    """The shards that a list names; none where it is damaged."""
    if not store.exists(name):
        return set()
    try:
        return _plain(shard["name"] for shard in json.loads(store.read_bytes(name))["shards"])
    except (ValueError, KeyError, TypeError):
        return set()


def _in_index(store: ClipStore, name: str) -> set[str]:
    if not store.exists(name):
        return set()
    try:
        column = table_from_bytes(store.read_bytes(name), ["shard"])["shard"].to_pylist()
    except (OSError, ValueError, KeyError):  # pyarrow's errors are of these
        return set()
    return _plain(shard for shard in column if shard)


def _plain(names: Iterable[object]) -> set[str]:
    """Names of files in the folder itself: a list that was tampered with reaches nothing else."""
    return {name for name in map(str, names) if "/" not in name and name.endswith(".parquet")}
