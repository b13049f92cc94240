"""Time and peak memory of the commands that read a run's books, at any number of clips.

    python -m benchmarks.books --rows 100000 --out /tmp/books

The books are made up: index, ledger and settings as `camvid curate` writes them, without artifacts.
Each command is a process of its own, as a person would run it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.clip_table import SCHEMA
from camvid.index import INDEX
from camvid.ledger import SCHEMA as LEDGER
from camvid.parquet import table_to_bytes
from camvid.pipeline import CLIP_STAGES, DECIDES, FIRST
from camvid.reasons import Why
from camvid.store import ClipStore
from workflows.curate import CurateConfig
from workflows.run_toml import write_run_toml

COMMANDS: dict[str, list[str]] = {
    "status": ["status"],
    "status --json": ["status", "--json"],
    "refilter --dry-run": ["refilter", "--dry-run", "--set", "filter.min_motion_strength=0.02"],
    "report": ["report"],
    "inspect": ["inspect"],
}
SHARES = {"4d": 0.5, "3d": 0.15, "video": 0.2, "none": 0.1, "": 0.05}
LEDGER_PART = 100_000


def make_books(root: str, rows: int, part_rows: int = LEDGER_PART) -> None:
    """A finished run's books of so many clips, two clips a video."""
    store = ClipStore(root)
    write_run_toml(store, CurateConfig(), {"camvid": "0", "weights": [], "videos": ["made up"]})
    index = index_table(rows)
    store.write_bytes(INDEX, table_to_bytes(index))
    state = {"status": "finished", "num_videos": rows // 2, "videos_done": rows // 2}
    store.write_bytes("state.json", json.dumps(state).encode())
    for number, start in enumerate(range(0, rows * (1 + len(CLIP_STAGES)), part_rows)):
        part = ledger_part(index["clip_id"], start, part_rows)
        store.write_bytes(f"ledger/part-{number:05d}.parquet", table_to_bytes(part))


def index_table(rows: int) -> pa.Table:
    """Rows of index.parquet with kinds, reasons and numbers as they come in practice."""
    random = np.random.default_rng(0)
    kind = random.choice(list(SHARES), size=rows, p=list(SHARES.values()))
    strength = np.where(kind == "3d", 1e-3, 10 ** random.uniform(-2.4, -1, rows))
    known = {
        "clip_id": [f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in range(rows)],
        "video_id": [f"{n // 2:016x}" for n in range(rows)],
        "source_uri": [f"s3://bucket/videos/{n // 2:08d}.mp4" for n in range(rows)],
        "start_s": np.arange(rows) % 2 * 4.0,
        "end_s": np.arange(rows) % 2 * 4.0 + 4,
        "num_frames": np.full(rows, 96),
        "status": np.choose((kind == "none") + 2 * (kind == ""), ["ok", "rejected", "failed"]),
        "kind": kind,
        "stopped_at": np.choose((kind == "none") + 2 * (kind == ""), ["", DECIDES, "segment"]),
        "error": np.where(kind == "", "clip x: it could not be segmented", ""),
        "cause": np.where(kind == "", "BackendError", ""),
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
    has = (kind != "4d") & (kind != "")
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
    known = {
        "clip_id": clip_ids.take(pa.array(line // len(stages))).combine_chunks(),
        "stage": np.array(stages)[at],
        "artifact": np.array(stages)[at],
        "fingerprint": [f"{n:064x}" for n in line],
        "status": np.full(len(line), "ok"),
        "seconds": at + 0.5,
        "reused": np.zeros(len(line), bool),
    }
    arrays = [pa.array(known[f.name], f.type) if f.name in known else pa.nulls(len(line), f.type)
              for f in LEDGER]
    return pa.Table.from_arrays(arrays, schema=LEDGER)


def measure(root: str, command: list[str]) -> dict[str, Any]:
    """Seconds, peak memory of the process, and lines that it printed."""
    name, *options = command
    if name == "inspect":
        options = ["9e3779b97f4a7c15"]  # the second clip
    start = time.perf_counter()
    code = "import resource,sys;sys.argv=['camvid',*sys.argv[1:]];" \
        "from workflows.cli.main import app;\n" \
        "try: app()\n" \
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, name, root, *options],
        capture_output=True, text=True, check=False,
    )
    lines = done.stderr.splitlines()
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(int(lines[-1]) / 1024),
        "lines": len(done.stdout.splitlines()),
        "exit": done.returncode,
        "stderr": lines[:-1][:3],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--out", required=True)
    parser.add_argument("--part-rows", type=int, default=LEDGER_PART)
    parser.add_argument("--only", nargs="+", default=list(COMMANDS))
    options = parser.parse_args()
    for rows in options.rows:
        root = str(Path(options.out) / str(rows))
        if not Path(root).exists():
            make_books(root, rows, options.part_rows)
        for name in options.only:
            print(rows, name, measure(root, COMMANDS[name]), flush=True)
        page = Path(root, "report/index.html")
        if page.exists():
            print(rows, "page MB", round(page.stat().st_size / 1e6, 1))


if __name__ == "__main__":
    main()
