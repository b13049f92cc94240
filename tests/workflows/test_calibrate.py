"""`camvid calibrate`: labels in, a curve and a setting out."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from camvid.books.index import write_index
from camvid.errors import ConfigError, StoreError
from camvid.record import ClipRecord, Measures
from camvid.store import ClipStore
from workflows.calibrate import calibrate_run, read_labels
from workflows.cli.main import app

STRENGTHS = {"aa1": 0.0002, "ab2": 0.0009, "ba3": 0.012, "bb4": 0.05, "cc5": math.nan}


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    store = ClipStore(str(tmp_path / "run"))
    rows = [
        ClipRecord(
            clip_id=clip_id,
            source_uri=f"{clip_id}.mp4",
            start_s=0.0,
            status="ok",
            kind="video",
            measures=Measures(motion_strength=strength),
        )
        for clip_id, strength in STRENGTHS.items()
    ]
    write_index(store, rows)
    return store


def labels(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


CSV = "clip_id,label\naa1,still\nab2,still\nba3,moving\nbb,moving\ncc5,moving\n"


def test_labels_give_the_setting(store: ClipStore, tmp_path: Path) -> None:
    found = calibrate_run(store, labels(tmp_path, CSV), 0.95)
    assert found.calibration.chosen is not None
    assert 0.0009 < found.calibration.chosen.threshold < 0.012
    assert found.setting == f"filter.min_motion_strength={found.calibration.chosen.threshold:.4g}"
    assert found.unmeasured == ("cc5",)


def test_toml_says_the_same(tmp_path: Path) -> None:
    toml = 'aa1 = "still"\nab2 = "still"\nba3 = "moving"\nbb = "moving"\ncc5 = "moving"\n'
    assert read_labels(labels(tmp_path, toml, "l.toml")) == read_labels(labels(tmp_path, CSV))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,label\naa1,walking\n", "a label must be still or moving, got 'walking'"),
        ("clip_id,label\naa1,still\naa1,moving\n", "each clip must be labelled once"),
        ("id,kind\naa1,still\n", "its first line must name clip_id and label"),
        ("clip_id,label\naa1,still\n", "must label clips of both kinds"),
    ],
)
def test_bad_labels_are_one_clear_line(
    store: ClipStore, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        calibrate_run(store, labels(tmp_path, text), 0.95)


def test_unknown_clips_and_missing_files(store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="names 0"):
        calibrate_run(store, labels(tmp_path, "clip_id,label\nzz,still\n"), 0.95)
    with pytest.raises(ConfigError, match="readable CSV or TOML"):
        calibrate_run(store, tmp_path / "none.csv", 0.95)
    with pytest.raises(ConfigError, match="--precision must be above 0"):
        calibrate_run(store, labels(tmp_path, CSV), 0.0)


def test_the_command_prints_curve_and_setting(store: ClipStore, tmp_path: Path) -> None:
    arguments = ["calibrate", str(store.root), "--labels", str(labels(tmp_path, CSV))]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "<- chosen" in done.output
    assert "--set filter.min_motion_strength=" in done.output
    printed = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert printed["calibration"]["chosen"]["precision"] == 1.0
