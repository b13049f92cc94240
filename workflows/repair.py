"""Makes damaged shards anew, byte by byte as they were, from the artifacts of the run."""

import os
from collections.abc import Callable
from functools import partial

from camvid.books.index import read_index
from camvid.errors import StoreError
from camvid.shards.columns import shard_row
from camvid.shards.manifest import ShardInfo, read_manifest, shards_of
from camvid.shards.row import load_parts
from camvid.shards.writer import ShardWriter, faults_of
from camvid.store import ClipStore
from stages.write_shards import WriteShardsConfig
from workflows.runs.rows import StoredRows
from workflows.runs.run_toml import RunToml, read_run_toml


def repair_shards(
    store: ClipStore, progress: Callable[[str], None] = lambda name: None
) -> tuple[list[str], list[str]]:
    """Repairs what `verify_shards` would name; returns the repaired shards, and why others are not.

    A shard is replaced only by the very bytes that the manifest vouches for.
    """
    shards = shards_of(read_manifest(store))
    repaired: list[str] = []
    unrepaired: list[str] = []
    for shard in shards:
        progress(shard.name)
        if not faults_of(store, shard):
            continue
        try:
            _write_again(store, shard, read_run_toml(store))
            repaired.append(shard.name)
        except StoreError as error:
            unrepaired.append(f"shards/{shard.name}: could not be repaired: {error}")
    return repaired, unrepaired


def _write_again(store: ClipStore, shard: ShardInfo, run: RunToml) -> None:
    index = read_index(store, columns=["clip_id", "source_uri"]).table
    rows = StoredRows(store, index)
    options = run.section("write_shards", WriteShardsConfig())
    put = partial(_put_exact, store, shard)
    writer = ShardWriter(store, shard.kind, options, put, lambda number: shard.name)
    for clip_id in shard.clip_ids:
        parts = load_parts(store, rows(clip_id), shard.kind, run.provenance["weights"])
        writer.add(shard_row(parts))
    writer.close()


def _put_exact(store: ClipStore, shard: ShardInfo, local_path: str, name: str, sha256: str) -> None:
    """Takes the shard only as it was."""
    if sha256 != shard.sha256:
        os.unlink(local_path)
        raise StoreError(
            "the run's artifacts must give the bytes that the manifest names, but its settings,"
            " its artifacts or the version of camvid or pyarrow are others by now; remove"
            f" shards/{name} and run `camvid curate` again for new shards"
        )
    store.move_in(local_path, f"shards/{name}")
