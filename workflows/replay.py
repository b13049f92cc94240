"""Rows of a finished run from what its stages recorded: to run one stage again from its inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from camvid.config import load_config, read_toml
from camvid.errors import ConfigError, StoreError
from camvid.index import IndexRow, find_row, read_index
from camvid.stage import ClipRow, run_stage
from camvid.store import ClipStore
from camvid.structure import did_you_mean
from stages.split import load_video_record
from workflows.curate import CurateConfig
from workflows.licences import weights_in_use

NOT_PER_CLIP = ("split", "write_shards", "report", "licences")
CLIP_STAGES = tuple(f.name for f in fields(CurateConfig) if f.name not in NOT_PER_CLIP)


def load_run(
    store: ClipStore, overrides: Sequence[str] = ()
) -> tuple[CurateConfig, dict[str, Any]]:
    """A run's configuration, with overrides, and its provenance."""
    if not store.exists("run.toml"):
        raise StoreError(f"{store.root} must be a run of `camvid curate`, but holds no run.toml")
    with store.open_local("run.toml") as local:
        return load_config(CurateConfig, local, overrides), read_toml(local)["provenance"]


def rows_of_run(store: ClipStore, index: Sequence[IndexRow], before: str) -> Iterator[ClipRow]:
    """The run's rows as they stood before the stage `before`."""
    wanted = {row["clip_id"] for row in index}
    for uri in dict.fromkeys(row["source_uri"] for row in index):
        record = load_video_record(store, uri)
        for row in record.rows if record else ():
            if row.clip_id in wanted:
                yield _advance(store, row, before)
                wanted.discard(row.clip_id)


def _advance(store: ClipStore, row: ClipRow, before: str) -> ClipRow:
    for stage in CLIP_STAGES[: CLIP_STAGES.index(before)]:
        record = store.load_record(row.clip_id, stage) if row.status == "ok" else None
        if record is None:
            return row
        row = row.after(replace(record, reused=True))
    return row


def replay_stage(store: ClipStore, name: str, clip_id: str) -> ClipRow:
    """Runs one stage of one clip again, from its inputs, whatever is there."""
    if name not in CLIP_STAGES:
        raise ConfigError(f"stage `{name}` cannot be replayed{did_you_mean(name, CLIP_STAGES)}")
    config, _ = load_run(store)
    index = [find_row(read_index(store), clip_id)]
    rows = list(rows_of_run(store, index, name))
    if not rows or rows[0].status != "ok":
        state = f"was {rows[0].status} in {rows[0].stopped_at}" if rows else "has no record"
        raise StoreError(f"clip {clip_id} must have come to the stage {name}, but it {state}")
    chosen = getattr(config, name)
    weights_in_use([chosen], config.licences)
    return run_stage(chosen.build(), store, rows[0], force=True)
