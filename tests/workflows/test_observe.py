"""What a run tells those who watch it: JSON log lines, metrics, and where its time went."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from camvid.books.ledger import LedgerWriter
from camvid.errors import ConfigError
from camvid.pipeline import CLIP_STAGES
from camvid.stage import ClipRow
from camvid.store import ClipStore, StageRecord
from tests.workflows.light_run import LightCurate, write_videos
from tests.workflows.light_stages import FAULTS, plan_fault
from tests.workflows.test_cli import camvid
from workflows.cli.console import adopt_loggers
from workflows.cli.json_lines import JsonLines
from workflows.curate import curate
from workflows.execution.in_flight import InFlightNow
from workflows.execution.isolated import Isolated
from workflows.runs.prometheus import Metrics, served
from workflows.runs.run_state import read_state
from workflows.runs.run_status import run_status


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Where the root logger writes JSON lines meanwhile."""
    root, text = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(text), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger) and logger.name.startswith(("camvid", "workflows")):
            logger.disabled = False  # whatever tests before it did to them
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_stage_of_every_clip_is_a_line(
    log: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first attempt the clip kills its process; the second attempt is said to be one."""
    monkeypatch.setenv(FAULTS, str(tmp_path))
    plan_fault(tmp_path, 40, "exit", times=1)
    videos = [*write_videos(tmp_path, (40,)), str(tmp_path / "gone.mp4")]
    in_flight = InFlightNow()
    seen: list[str] = []
    store = ClipStore(str(tmp_path / "run"))
    execute = Isolated(in_flight=in_flight)
    curate(videos, store.root, LightCurate(), execute, lambda row: seen.extend(in_flight.ask()))
    stages = [line for line in lines_of(log.getvalue()) if line["stage"]]
    whole = [line for line in stages if line["clip"]]
    assert [line["stage"] for line in whole] == ["split", *CLIP_STAGES]
    attempts = {line["stage"]: line["attempt"] for line in whole}
    assert attempts.pop("reconstruct") == 2
    assert set(attempts.values()) == {1}
    assert {line["level"] for line in whole} == {"info"}
    state = read_state(store)
    assert state
    assert {line["run"] for line in stages} == {state.run}
    (failed,) = [line for line in stages if line["level"] == "warning"]
    assert (failed["outcome"], failed["cause"]) == ("failed", "VideoError")
    assert failed["video"] == videos[1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", failed["time"])
    assert not seen, "between two tasks nothing is in flight"


def test_secrets_stay_out_of_json_lines(log: io.StringIO) -> None:
    logging.getLogger("any").warning("cannot read https://me:secret@host/a.mp4")
    (line,) = lines_of(log.getvalue())
    assert "secret" not in line["message"]
    assert (line["run"], line["clip"], line["attempt"]) == ("", "", None)


def test_what_libraries_print_goes_through_our_handler(log: io.StringIO) -> None:
    """As Ray's loggers do, each with a handler for the terminal and one for its file."""
    library, printed = logging.getLogger("some.library"), io.StringIO()
    library.propagate = False
    to_terminal, to_file = logging.StreamHandler(printed), logging.NullHandler()
    library.handlers = [to_terminal, to_file]
    adopt_loggers("some.library")
    library.warning("hello")
    assert (printed.getvalue(), library.handlers) == ("", [to_file])
    assert [line["message"] for line in lines_of(log.getvalue())] == ["hello"]


def test_the_command_logs_nothing_but_json(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    done = camvid("--log-format", "json", "curate", "bad.mp4", "--out", "run", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = [line for line in lines_of(done.stderr) if line["stage"] == "split"]
    assert line["message"].startswith("bad.mp4: must be a video")
    assert "split                0 ok      0 rejected      1 failed" in done.stdout
    refused = camvid("--log-format", "json", "status", "nowhere", cwd=tmp_path)
    assert lines_of(refused.stderr)[0]["level"] == "error"


def record(stage: str, seconds: float, **more: Any) -> StageRecord:
    blank = {"clip_id": "c" * 16, "version": 1, "artifact": "A", "fingerprint": "f"}
    return StageRecord(**{**blank, "stage": stage, "status": "ok", "seconds": seconds, **more})


def test_prometheus_reads_what_the_records_say() -> None:
    row = ClipRow(clip_id="c" * 16, video_uri="a.mp4")
    row = row.after(record("split", 0.5, reused=True))
    row = row.after(record("segment", 2.0, peak_rss_bytes=3_000_000))
    row = row.after(record("track", 40.0, status="failed", cause="timeout"))
    metrics = Metrics(InFlightNow(lambda: {"reconstruct": 2}))
    metrics.count(row)
    with served(metrics, 0) as port:
        with pytest.raises(ConfigError, match="must be free"), served(metrics, port):
            pass
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
    assert 'camvid_clips_total{outcome="failed"} 1.0' in lines
    assert 'camvid_stages_total{cause="",outcome="ok",stage="segment"} 1.0' in lines
    assert 'camvid_stages_total{cause="timeout",outcome="failed",stage="track"} 1.0' in lines
    assert 'camvid_stage_seconds_bucket{le="30.0",stage="track"} 0.0' in lines
    assert 'camvid_stage_seconds_bucket{le="60.0",stage="track"} 1.0' in lines
    assert 'camvid_stage_peak_rss_bytes{stage="segment"} 3e+06' in lines
    assert 'camvid_in_flight{stage="reconstruct"} 2.0' in lines
    assert not [line for line in lines if 'stage="split"' in line], "it was made by an earlier run"


def test_status_says_where_the_time_went(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    store.write_bytes("run.toml", b"")
    ledger = LedgerWriter(store)
    for number in range(101):
        took = {"peak_rss_bytes": number * 10**7, "clip_id": f"{number:016x}"}
        failed = {"status": "failed", "cause": "crashed"} if number % 50 == 0 else {}
        ledger.append([record("segment", 1.0 * number, **took, **failed)])
        ledger.append([record("track", 0.5, **took)])
    ledger.flush()
    status = run_status(store)
    segment, track = status.stages
    assert (segment.p50_seconds, segment.p90_seconds, segment.p99_seconds) == (50, 90, 99)
    assert (track.p50_seconds, track.p99_seconds, track.peak_rss_bytes) == (0.5, 0.5, 10**9)
    assert [(slow.clip_id, slow.seconds) for slow in status.slowest][:2] == [
        (f"{100:016x}", 100.0),
        (f"{99:016x}", 99.0),
    ]
    assert status.failed_by_cause == {"crashed": 3}
    text = status.render_text()
    assert "p50 50.00 s, p90 90.00 s, p99 99.00 s, peak 1.00 GB" in text
    assert f"slowest: segment of {100:016x} 100.0 s, " in text
