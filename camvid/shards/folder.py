"""Which files in `shards/` may be replaced: those that a list of ours names, no others."""

import hashlib
import json
import os
from collections.abc import Iterable

from camvid.errors import StoreError
from camvid.parquet import table_from_bytes
from camvid.shards.manifest import MANIFEST_NAMES, described_buckets, description_name
from camvid.store import ClipStore

# Names our shards while they change and no manifest stands; a run that was killed meanwhile
# finds there what it had written.
WRITING = "shards/_writing.json"
_WRITING_BEFORE = "shards/writing.json"  # its name up to schema 1.5
_LISTS = (*(f"shards/{name}" for name in MANIFEST_NAMES), WRITING, _WRITING_BEFORE)


class ShardFolder:
    """Puts shards in place and takes earlier ones away."""

    def __init__(self, store: ClipStore, ours: Iterable[str], book: str = WRITING) -> None:
        """What may be replaced: `ours`, and what the file `book` names, where all is listed."""
        self._store, self._book_name = store, book
        self._ours = {*ours, *_in_json(store, book)}

    def begin(self) -> None:
        """From here on shards change: nothing vouches for them, but they stay named."""
        self.book()
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
        self.book()
        self._store.move_in(local_path, path)

    def remove_others(self, keep: Iterable[str]) -> None:
        """Removes our shards but for those to `keep`, once these are named elsewhere."""
        for name in sorted(self._ours - set(keep)):
            self._store.remove(f"shards/{name}")

    def finish(self, keep: Iterable[str]) -> None:
        """The same as the last thing, when a manifest stands."""
        self.remove_others(keep)
        for name in (WRITING, _WRITING_BEFORE):
            self._store.remove(name)

    def book(self) -> None:
        """Lists what is ours."""
        text = json.dumps({"shards": [{"name": name} for name in sorted(self._ours)]}, indent=1)
        self._store.write_bytes(self._book_name, text.encode())

    def _sha256(self, path: str) -> str:
        with self._store.open_local(path) as local, open(local, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def our_shards(store: ClipStore, index: str = "index.parquet") -> set[str]:
    """Names of the shards that this and earlier commands wrote, where they may still lie."""
    buckets = map(description_name, described_buckets(store))
    ours = {name for path in (*_LISTS, *buckets) for name in _in_json(store, path)}
    # Where a manifest is damaged, the index names the shards, too.
    return ours or set(_in_index(store, index))


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
