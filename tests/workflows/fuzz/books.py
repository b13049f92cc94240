"""Damaged books and shards of a run, lists and settings, as the commands meet them."""

import contextlib
import hashlib
import io
import json
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from camvid.books.index import read_index
from camvid.config import dump_toml
from camvid.errors import StoreError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.shards.manifest import MANIFEST
from camvid.shards.writer import verify_shards
from camvid.store import ClipStore
from camvid.video.sources import find_sources
from tests.workflows.fuzz.batch import Attempt
from tests.workflows.fuzz.mutants import mutant, strange_table, strange_tables
from tests.workflows.fuzz.videos import SMALLEST_PX, small_video
from tests.workflows.light_run import LightCurate
from workflows.cli.main import main
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.runs.run_toml import load_settings, write_run_toml

_RUN = "run"
_COMMANDS: tuple[Sequence[str], ...] = (
    ("status",),
    ("status", "--json"),
    ("inspect",),
    ("report",),
    ("refilter", "--set", "filter.min_motion_strength=0.5", "--dry-run"),
    ("refilter", "--set", "filter.min_motion_strength=0.5"),
    ("shards", "verify"),
    ("shards", "verify", "--repair"),
    ("stage", "filter"),
)


def books() -> Attempt:
    """Any file of a run, damaged; then any command over it, or `curate` again."""
    videos = _make_run()
    files = sorted(path for path in Path(_RUN).rglob("*") if path.is_file())
    of_clips = [path for path in files if "clips" in path.parts]
    of_run = [path for path in files if path not in of_clips]
    shutil.copytree(_RUN, "whole")
    clip_id = next(iter(ClipStore(_RUN).clip_ids()))

    def attempt(seed: int) -> str:
        shutil.rmtree(_RUN)
        shutil.copytree("whole", _RUN)
        random = np.random.default_rng(seed)
        some = of_clips if seed % 3 == 0 else of_run
        path = some[random.integers(len(some))]
        path.write_bytes(_damaged(path, seed))
        number = random.integers(len(_COMMANDS) * 3 // 2)
        if number < len(_COMMANDS):
            return _command(_COMMANDS[number], clip_id)
        curate(videos, _RUN, LightCurate(), in_process.run)
        assert [row.status for row in read_index(ClipStore(_RUN))] == ["ok"] * len(videos), path
        return ""

    return attempt


def shards() -> Attempt:
    """Shards that are damaged although the manifest vouches for them: verified, then loaded."""
    _make_run()
    store = ClipStore(_RUN)
    name = f"shards/{store.list_names('shards', '.parquet')[0]}"
    whole, manifest = store.read_bytes(name), store.read_bytes(MANIFEST)

    def attempt(seed: int) -> str:
        damaged = mutant(whole, seed) if seed % 2 else _strange_parquet(whole, seed)
        store.write_bytes(name, damaged)
        store.write_bytes(MANIFEST, _vouching(manifest, damaged))
        faults = verify_shards(store)
        try:
            data = ClipDataset(_RUN, DataOptions(num_frames=4, height_px=64, width_px=64))
            for row in range(len(data)):
                data[row]
        except StoreError as error:
            faults.append(str(error))
        assert all(len(fault.splitlines()) == 1 for fault in faults), faults
        return faults[0] if faults else ""

    return attempt


def lists() -> Attempt:
    """Lists of videos that hold anything at all."""
    Path("a.mp4").touch()
    Path("folder").mkdir()
    Path("folder/b.mp4").touch()
    whole = "\n".join(
        [
            *("# videos", "a.mp4", "folder", "folder/*.mp4", "./folder/../a.mp4", "gone.mp4"),
            *("file:a.mp4", "s3://bucket/a.mp4", "https://user:pass@host/a.mp4"),
            *("@list.txt", "folder/[ab].mp4", "nosuch://x", "a b\tc.mp4", "**/*.mp4", "üñí.mp4"),
        ]
    ).encode()

    def attempt(seed: int) -> str:
        Path("list.txt").write_bytes(mutant(whole, seed))
        list(find_sources(["list.txt"], local_only=bool(seed % 2)))
        return ""

    return attempt


def tables() -> Attempt:
    """Lists with columns: CSV, JSON lines and Parquet; a bad row is a fault of its own."""
    rows = [
        {"uri": f"{n}.mp4", "caption": 'a, "b"', "start_s": n, "end_s": n + 1.5, "fx": 9.0}
        for n in range(20)
    ]
    table = pa.Table.from_pylist(rows)
    text = "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])
    whole = {
        "list.csv": text.encode(),
        "list.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "list.parquet": table_to_bytes(table),
    }

    def attempt(seed: int) -> str:
        name = list(whole)[seed % len(whole)]
        strange = name == "list.parquet" and seed % 2
        damaged = (
            table_to_bytes(strange_table(table, seed)) if strange else mutant(whole[name], seed)
        )
        Path(name).write_bytes(damaged)
        faults = [source.fault for source in find_sources([name]) if source.fault]
        assert all(len(fault.splitlines()) == 1 for fault in faults), faults
        return faults[0] if faults else ""

    return attempt


def settings() -> Attempt:
    """Settings as bytes, as tables, and as `--set` options."""
    write_run_toml(ClipStore("."), CurateConfig(), {"camvid": "0", "weights": [], "videos": []})
    whole = Path("run.toml").read_bytes()
    tables: dict[str, Any] = tomllib.loads(whole.decode())
    keys = [f"{n}.{key}" for n, t in tables.items() if isinstance(t, dict) for key in t]

    def attempt(seed: int) -> str:
        if seed % 3 == 0:
            option = mutant(f"{keys[seed % len(keys)]}={seed}".encode(), seed)
            load_settings(CurateConfig(), None, [option.decode("utf-8", "surrogateescape")])
            return ""
        damaged = mutant(whole, seed) if seed % 3 == 1 else _strange_toml(whole, seed)
        Path("settings.toml").write_bytes(damaged)
        load_settings(CurateConfig(), "settings.toml")
        return ""

    return attempt


def _make_run() -> list[str]:
    videos = ["a.mp4", "b.mp4"]
    for seed, video in enumerate(videos):
        Path(video).write_bytes(small_video("mp4", 24, SMALLEST_PX, seed))
    curate(videos, _RUN, LightCurate(), in_process.run)
    return videos


def _command(command: Sequence[str], clip_id: str) -> str:
    """What `camvid` prints as an error; its exit status agrees with whether it does."""
    name, *options = command
    where = [options.pop(0)] if name in ("shards", "stage") else []
    clip = {"inspect": [clip_id], "stage": ["--clip", clip_id]}.get(name, [])
    sys.argv = ["camvid", name, *where, _RUN, *clip, *options]
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    assert status in (0, 1, 2, 4), (command, status, err.getvalue())
    assert "Traceback" not in err.getvalue(), err.getvalue()
    lines = [line for line in err.getvalue().splitlines() if line.startswith("camvid: error")]
    assert status == 0 or lines or out.getvalue(), f"{command}: status {status} without a word"
    return "\n".join(lines)


def _damaged(path: Path, seed: int) -> bytes:
    """Bytes that are wrong, or values; of files that are no tables only bytes."""
    whole = path.read_bytes()
    if np.random.default_rng(seed).random() < 0.5:
        return mutant(whole, seed)
    if path.suffix == ".json":
        return json.dumps(strange_tables(json.loads(whole), seed)).encode()
    strange = {".toml": _strange_toml, ".parquet": _strange_parquet}.get(path.suffix, mutant)
    return strange(whole, seed)


def _strange_toml(whole: bytes, seed: int) -> bytes:
    tables = strange_tables(tomllib.loads(whole.decode()), seed)
    return dump_toml(tables).encode("utf-8", "surrogatepass")


def _strange_parquet(whole: bytes, seed: int) -> bytes:
    return table_to_bytes(strange_table(table_from_bytes(whole), seed))


def _vouching(manifest: bytes, shard: bytes) -> bytes:
    """The manifest as if the shard had been written so."""
    tables = json.loads(manifest)
    tables["shards"][0] |= {
        "sha256": hashlib.sha256(shard).hexdigest(),
        "size_bytes": len(shard),
    }
    return json.dumps(tables).encode()
