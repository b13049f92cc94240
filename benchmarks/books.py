"""Time and peak memory of the commands that read a run's books, at any number of clips.

    python -m benchmarks.books --rows 100000 1000000 --out runs/books

The books are made up, as `camvid curate` writes them; of artifacts and videos there are names
alone. Each command is a process of its own, as a person would run it; `curate` resumes a run of
which all is done.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import SCHEMA, ClipTable
from camvid.books.finished import SCHEMA as FINISHED
from camvid.books.finished import finished_parts, graph_keys
from camvid.books.index import write_index
from camvid.books.ledger import SCHEMA as LEDGER
from camvid.clip_files import ARCHIVE
from camvid.outcome import INDICATOR
from camvid.parquet import table_to_bytes
from camvid.pipeline import CLIP_STAGES, DECIDES, FIRST
from camvid.reasons import Why
from camvid.shards.buckets import Bucket, shard_name
from camvid.shards.manifest import Described, ShardInfo, write_description
from camvid.store import ClipStore
from workflows.curate import CurateConfig
from workflows.runs.licences import weights_in_use
from workflows.runs.provenance import weight_lines
from workflows.runs.run_toml import write_run_toml
from workflows.runs.shard_writing import ShardWriting, clips_of_shards

COMMANDS: dict[str, list[str]] = {
    "status": ["status"],
    "status --json": ["status", "--json"],
    "refilter --dry-run": ["refilter", "--dry-run", "--set", "filter.min_motion_strength=0.02"],
    "report": ["report"],
    "inspect": ["inspect", "9e3779b97f4a7c15"],  # the second clip
    "curate (resume)": ["curate"],
}
SHARES = {"4d": 0.5, "3d": 0.15, "video": 0.25, "none": 0.1}
LEDGER_PART = 100_000  # lines of a part that was merged
_RUN = """
import re, resource, sys
from pathlib import Path
Path("/proc/self/clear_refs").write_text("5")  # the peak of the parent's memory is inherited
from workflows.cli.main import app
try:
    app(sys.argv[1:])
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak_kb = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
    print(used.ru_utime + used.ru_stime, peak_kb, file=sys.stderr)
"""

_ARROW = (pa.Array, pa.ChunkedArray)


def make_books(root: str, rows: int, part_rows: int = LEDGER_PART) -> None:
    """A finished run's books of so many clips, two clips a video."""
    store = ClipStore(root)
    config = CurateConfig()
    index = index_table(rows, f"{root}-videos")
    provenance = {"camvid": "0", "weights": [], "num_videos": rows // 2}
    write_run_toml(store, config, provenance)
    write_index(store, ClipTable(index))
    make_finished(store, config, index)
    make_files(store, index)
    state = {"status": "finished", "num_videos": rows // 2, "videos_done": rows // 2}
    store.write_bytes("run_state.json", json.dumps(state).encode())
    for number, start in enumerate(range(0, rows * (1 + len(CLIP_STAGES)), part_rows)):
        part = ledger_part(index["clip_id"], start, part_rows)
        store.write_bytes(f"ledger/part-{number:05d}.parquet", table_to_bytes(part))


def make_finished(store: ClipStore, config: CurateConfig, index: pa.Table) -> None:
    """The finished list, and shards that nobody opens."""
    configs = (config.split, *config.clip_stages())
    weights = weights_in_use(configs, config.licences)
    graph = graph_keys(configs, weights)[DECIDES]
    rows = index.num_rows
    os.makedirs(f"{store.root}-videos", exist_ok=True)
    for name in set(index["source_uri"].to_pylist()):
        Path(name).touch()
        os.utime(name, (0, 0))
    known = {
        "graph": np.full(rows, graph),
        "video_stat": np.full(rows, "1:0:0.0"),
        "content": index["clip_id"],
        "size_bytes": np.zeros(rows, np.int64),
        "change_hashes": pa.nulls(rows, FINISHED.field("change_hashes").type),
        "rows_of_video": np.full(rows, 2, np.int32),
    }
    listed = index
    for name, column in known.items():
        listed = listed.append_column(
            name, column if isinstance(column, _ARROW) else pa.array(column)
        )
    finished_parts(store).append(listed.cast(FINISHED))
    provenance = {
        "weights": weight_lines(weights),
        "num_videos": len(index["source_uri"].unique()),
    }
    shards = ShardWriting(store, config.write_shards, provenance).shards
    for bucket in shards.outdated(clips_of_shards(listed)):
        described = Described(bucket.content, tuple(_shards_of(store, bucket)))
        write_description(store, bucket.number, described)
        shards.written(bucket.number)
    shards.finish()


def _shards_of(store: ClipStore, bucket: Bucket) -> Iterator[ShardInfo]:
    """One of each kind, without content."""
    for kind in INDICATOR:
        ids = bucket.clips.filter(pc.equal(bucket.clips["kind"], kind))["clip_id"].to_pylist()
        name = shard_name(kind, bucket.number, 0)
        store.write_bytes(f"shards/{name}", b"")
        yield ShardInfo(
            name=name,
            kind=kind,
            num_rows=len(ids),
            size_bytes=0,
            sha256="",
            clip_ids=tuple(ids),
            row_group_sizes=(len(ids),),
        )


def make_files(store: ClipStore, index: pa.Table) -> None:
    """An empty file for the archive of every clip."""
    for clip_id in index["clip_id"].to_pylist():
        folder = store.full_path(store.clip_folder(clip_id))
        os.makedirs(folder)
        os.close(os.open(f"{folder}/{ARCHIVE}", os.O_CREAT | os.O_WRONLY))


def index_table(rows: int, folder: str) -> pa.Table:
    """Rows of index.parquet with kinds, reasons and numbers as they come in practice."""
    random = np.random.default_rng(0)
    kind = random.choice(list(SHARES), size=rows, p=list(SHARES.values()))
    strength = np.where(kind == "3d", 1e-3, 10 ** random.uniform(-2.4, -1, rows))
    known = {
        "clip_id": [f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(rows)],
        "video_id": [f"{n // 2:016x}" for n in range(rows)],
        "source_uri": [f"{folder}/{n // 2:08d}.mp4" for n in range(rows)],
        "start_s": np.arange(rows) % 2 * 4.0,
        "end_s": np.arange(rows) % 2 * 4.0 + 4,
        "num_frames": np.full(rows, 96),
        "status": np.where(kind == "none", "rejected", "ok"),
        "kind": kind,
        "stopped_at": np.where(kind == "none", DECIDES, ""),
        "camera": np.where(kind == "video", "fixed", "moving"),
        "motion_strength": strength,
        "motion_interval_low": strength * 0.8,
        "motion_interval_high": strength * 1.2,
        "reasons": _reasons(kind, strength),
        "licence": np.full(rows, "CC-BY-4.0"),
    }
    columns = [known.get(f.name, _filled(f, rows, random)) for f in SCHEMA]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _filled(field: pa.Field, rows: int, random: np.random.Generator) -> Any:
    if pa.types.is_floating(field.type):
        return random.uniform(0, 1e-3, rows) if "background" in field.name else random.random(rows)
    if pa.types.is_integer(field.type):
        return np.arange(rows) % 8
    if pa.types.is_list(field.type):
        return pa.array([[]], field.type).take(pa.array(np.zeros(rows, np.int64)))
    return np.full(rows, "")


def _reasons(kind: np.ndarray, strength: np.ndarray) -> pa.Array:
    """One reason for each clip that is not 4d."""
    why = np.choose(
        (kind == "video") + 2 * (kind == "none"),
        [Why.MIN_MOTION_STRENGTH, Why.CAMERA_FIXED, Why.MIN_MOTION_CONFIDENCE],
    )
    has = kind != "4d"
    offsets = pa.array(np.concatenate([[0], np.cumsum(has)]), pa.int32())
    values = [pa.array(why[has]), pa.array(strength[has]), pa.array(np.full(has.sum(), 0.003))]
    return pa.ListArray.from_arrays(
        offsets, pa.StructArray.from_arrays(values, ["name", "measured", "limit"])
    )


def ledger_part(clip_ids: pa.ChunkedArray, start: int, rows: int) -> pa.Table:
    """Lines `start` and following of a ledger that has every stage of every clip."""
    stages = [FIRST, *CLIP_STAGES]
    line = np.arange(start, min(start + rows, len(clip_ids) * len(stages)))
    at = line % len(stages)
    digests = np.random.default_rng(start).bytes(32 * len(line)).hex()  # hashes do not compress
    known = {
        "clip_id": clip_ids.take(pa.array(line // len(stages))).combine_chunks(),
        "stage": np.array(stages)[at],
        "artifact": np.array(stages)[at],
        "fingerprint": [digests[64 * n : 64 * (n + 1)] for n in range(len(line))],
        "status": np.full(len(line), "ok"),
        "seconds": at + 0.5 + line % 97 / 97,
        "peak_rss_bytes": 10**9 + line % 1009 * 10**6,
        "reused": np.zeros(len(line), bool),
    }
    arrays = [
        pa.array(known[f.name], f.type) if f.name in known else pa.nulls(len(line), f.type)
        for f in LEDGER
    ]
    return pa.Table.from_arrays(arrays, schema=LEDGER)


def measure(root: str, command: Sequence[str]) -> dict[str, Any]:
    """Seconds by the clock and of CPU, peak memory of the process, and lines that it printed."""
    name, *options = command
    where = [f"{root}-videos", "--out", root] if name == "curate" else [root]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, name, *where, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    *lines, used = done.stderr.splitlines()
    cpu_s, peak_kb = used.split()
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(float(cpu_s), 1),
        "peak_mb": round(int(peak_kb) / 1024),
        "lines": len(done.stdout.splitlines()),
        "exit": done.returncode,
        "stderr": lines[:2],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    options = parser.parse_args()
    for rows in options.rows:
        root = str(Path(options.out).absolute() / str(rows))
        if not Path(root).exists():
            make_books(root, rows)
        for name in options.only:
            print(rows, name, measure(root, COMMANDS[name]), flush=True)
        page = Path(root, "report/index.html")
        if page.exists():
            print(rows, "the report's first page, MB:", round(page.stat().st_size / 1e6, 2))


if __name__ == "__main__":
    main()
