"""A list with columns through the whole graph: what it says reaches index and shards."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from camvid.artifacts import Clip
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.sources import find_sources
from tests.workflows.light_run import LightCurate, shard_hashes
from tests.workflows.plain_videos import write_moving_square
from workflows.curate import curate
from workflows.execution import in_process
from workflows.runs.copies import CopiesConfig


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    write_moving_square(tmp_path / "a.mp4", 62)
    rows = [
        {"uri": "a.mp4", "end_s": 1.75, "licence": "MIT", "caption": "a square", "n": 1},
        {"uri": "a.mp4", "end_s": "soon"},
        {"uri": "nothing.mp4"},
        {"uri": "a.mp4", "start_s": 0.9, "calibration": [300, 300, 160, 90]},
    ]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_a_list_says_reaches_the_shard(listed: Path, tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path / "run"))
    ran: list[bool] = []

    def note(row: ClipRow) -> None:
        ran.append(any(not record.reused for record in row.records))

    config = LightCurate(copies=CopiesConfig(reject=False))  # spans of one video that overlap
    index = curate(find_sources([str(listed)]), store.root, config, in_process.run, note)
    video = str(tmp_path / "a.mp4")
    assert [(r.source_uri, r.status, r.start_s, r.licence, r.listed) for r in index][:2] == [
        (f"{video}#t=0.000,1.750", "ok", 0.0, "MIT", '{"n": 1}'),
        (f"{video}#t=0.900", "ok", 0.9, "", ""),
    ]
    bad, missing = index[2:]
    assert (bad.source_uri, bad.status) == (f"{listed}:2", "failed")
    assert "must be seconds, got 'soon'" in bad.error
    assert missing.source_uri == str(tmp_path / "nothing.mp4")
    (shard,) = store.list_names("shards", ".parquet")
    rows = pq.ParquetFile(store.full_path(f"shards/{shard}")).read().to_pylist()
    said = {row["clip_id"]: (row["caption"], row["provenance"]["listed"]) for row in rows}
    assert said == {index[0].clip_id: ("a square", '{"n": 1}'), index[1].clip_id: (None, "")}
    clip = store.load(index[1].clip_id, Clip)
    assert clip.video.calibration == (300, 300, 160, 90)
    assert len(ran) == 4

    before = shard_hashes(store)
    ran.clear()
    listed.write_text(listed.read_text().replace("a square", "a small square"))
    curate(find_sources([str(listed)]), store.root, config, in_process.run, note)
    assert shard_hashes(store) != before, "the caption is another"
    assert sum(ran) == 3, "the video of another caption, and what failed"
