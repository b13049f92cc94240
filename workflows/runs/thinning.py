"""Takes artifacts away that shards make up for, once these are on the disk as they were written.

What a later command needs of a clip, it makes anew from the video, as it does of damaged ones.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

from camvid.arrow import pc
from camvid.artifacts import Frames, MovableMasks, Rigidity
from camvid.books.clip_table import ClipTable
from camvid.errors import ConfigError, StoreError
from camvid.pipeline import CLIP_STAGES
from camvid.plain import did_you_mean
from camvid.shards.manifest import read_manifest, shards_of
from camvid.shards.writer import faults_of
from camvid.store import FILE_NAMES, ClipStore, record_file

Keep = Literal["all", "evidence", "shards"]
KEEP: tuple[Keep, ...] = get_args(Keep)
THINNED = "thinned.json"
_IN_SHARDS_OR_PASSING = (Frames, MovableMasks, Rigidity)  # what neither report nor inspect lacks
_THREADS = 16  # an object store answers many requests at a time


def check_keep(keep: str) -> Keep:
    """ConfigError where it is none of `KEEP`."""
    for known in KEEP:
        if keep == known:
            return known
    choices = ", ".join(KEEP)
    raise ConfigError(f"--keep must be one of {choices}, got {keep!r}{did_you_mean(keep, KEEP)}")


def thin(store: ClipStore, keep: Keep, index: ClipTable) -> None:
    """Removes artifacts of a finished run.

    `evidence` leaves what report and inspect show, and takes the frames from the shards; `shards`
    leaves no clip's folder at all. Shards, index, ledger and the report's pages stay as they are.

    Raises:
        StoreError: a shard is missing or not as it was written; nothing was removed.
    """
    if keep == "all":
        return
    for shard in shards_of(read_manifest(store)):
        for fault in faults_of(store, shard, rows=False):
            raise StoreError(f"shards must be whole before artifacts go, but {fault}; all are kept")
    store.write_bytes(THINNED, json.dumps({"keep": keep}).encode())
    clips = index.table.filter(pc.not_equal(index.table["clip_id"], ""))
    if keep == "evidence":
        clips = clips.filter(pc.is_valid(clips["shard"]))
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(
            lambda clip_id: _thin(store, keep, clip_id), clips["clip_id"].to_pylist()
        ):
            pass


def kept(store: ClipStore) -> Keep:
    """What the run has of its finished clips; of some it may have more."""
    if not store.exists(THINNED):
        return "all"
    try:
        return check_keep(json.loads(store.read_bytes(THINNED))["keep"])
    except (ValueError, TypeError, LookupError, ConfigError):
        return "shards"  # damaged: nothing is counted on


def refuse_thinned(store: ClipStore, command: str) -> None:
    """ConfigError where the run has not all its artifacts."""
    if (keep := kept(store)) != "all":
        raise ConfigError(
            f"`camvid {command}` needs all artifacts, but {store.root} was thinned (--keep {keep});"
            " run `camvid curate` with the new settings, which makes them anew from the videos"
        )


def _thin(store: ClipStore, keep: Keep, clip_id: str) -> None:
    store.remove_of_clip(clip_id, _files(keep))
    if keep == "shards":
        store.remove_empty(store.clip_folder(clip_id))


def _files(keep: Keep) -> list[str]:
    """Names of the files that go."""
    if keep == "evidence":
        return [FILE_NAMES[kind] for kind in _IN_SHARDS_OR_PASSING]
    return [*FILE_NAMES.values(), *map(record_file, CLIP_STAGES)]
