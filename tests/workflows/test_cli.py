"""The command line: exit codes, one-line errors, JSON that parses."""

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_broken_video, write_video
from camvid.scenes.render import render
from workflows.cli.main import app

COMMANDS = [
    "audit",
    "import",
    "stats",
    "curate",
    "demo",
    "status",
    "inspect",
    "report",
    "refilter",
    "evaluate",
    "export",
    "calibrate",
    "train",
    "sample",
    "genxd",
    "stage",
    "shards",
    "models",
    "settings",
    "doctor",
]


def camvid(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflows.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command over a fixed camera and a broken file."""
    folder = tmp_path_factory.mktemp("cli")
    scene = next(spec for spec in demo_scenes() if spec.name == "fixed_mover")
    spec = replace(scene, num_frames=40, width_px=320, height_px=180)
    (folder / "in").mkdir()
    write_video(folder / "in" / "fixed.mp4", render(spec).rgb, spec.fps)
    write_broken_video(folder / "in" / "broken.mp4")
    done = camvid("curate", "in", "--out", "run", "--set", "report.max_clip_pages=0", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert "failed: in/broken.mp4: " in done.stdout
    assert done.stdout.splitlines()[-1].endswith("run/report/index.html")
    return folder / "run"


def test_help_names_every_command() -> None:
    done = camvid("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["curate", "none.mp4", "--out", "r"], 2, "none.mp4"),
        (["curate", ".", "--out", "r", "--config", "no.toml"], 2, "config file must be readable"),
        (["curate", ".", "--out", "r", "--set", "filtre.x=1"], 2, "did you mean `filter`?"),
        (["curate", ".", "--out", "r", "--profile", "big"], 2, "--profile must be one of"),
        (["status", "nowhere"], 4, "must be a run of `camvid curate`"),
        (["inspect", "nowhere", "abc"], 4, "must hold index.parquet"),
        (["shards", "verify", "nowhere"], 4, "must hold shards/_manifest.json"),
        (["refilter", "nowhere", "--set", "split.x=1"], 2, "refilter takes --set filter."),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = camvid(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("camvid: error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("first", [True, False])
def test_debug_shows_where_a_mistake_was_found(tmp_path: Path, first: bool) -> None:
    asked = ["--debug", "status", "nowhere"] if first else ["status", "nowhere", "--debug"]
    assert camvid(*asked, cwd=tmp_path).stderr.count("Traceback") >= 1


def test_status(run: Path) -> None:
    status = json.loads(camvid("status", str(run), "--json").stdout)
    assert status["finished"]
    assert status["kinds"] == {"failed": 1, "video": 1}
    assert status["funnel"]["stages"][0]["failed"] == {"VideoError": 1}, "numbers, no text"
    text = camvid("status", str(run)).stdout
    assert "broken.mp4" in text
    assert "measure_motion" in text


def test_stats(run: Path) -> None:
    found = json.loads(camvid("stats", str(run), "--json").stdout)
    assert (found["kinds"], found["camera_moves"]) == ({"failed": 1, "video": 1}, {"static": 1})
    assert "![camera moves](card/camera_moves.svg)" in (run / "README.md").read_text()
    assert (run / "card" / "camera_moves.svg").exists()


def test_inspect(run: Path) -> None:
    clip_id = next((run / "clips").glob("*/*")).name
    found = json.loads(camvid("inspect", str(run), clip_id[:6], "--json").stdout)
    assert found["clip"]["clip_id"] == clip_id
    assert found["verdict"]["kind"] == "video"
    assert found["motion"]["per_object"]
    text = camvid("inspect", str(run), clip_id).stdout
    assert "because camera_fixed" in text
    assert "  The camera is static; " in text
    assert found["processing"] == []
    assert found["num_lost_frames"] == 0
    assert camvid("inspect", str(run), "zz").returncode == 4


def test_verify_and_a_flipped_byte(run: Path, tmp_path: Path) -> None:
    assert camvid("shards", "verify", str(run)).stdout == "1 shard, 1 clip: all well\n"
    shard = run / "shards" / "video-00000.parquet"
    data = shard.read_bytes()
    shard.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    done = camvid("shards", "verify", str(run))
    shard.write_bytes(data)
    assert done.returncode == 4
    assert "sha256 must be" in done.stdout


def test_stage_and_report(run: Path) -> None:
    clip_id = next((run / "clips").glob("*/*")).name
    record = json.loads(camvid("stage", "track", str(run), "--clip", clip_id, "--json").stdout)
    assert (record["stage"], record["status"], record["reused"]) == ("track", "ok", False)
    done = camvid("stage", "tracks", str(run), "--clip", clip_id)
    assert done.returncode == 2
    assert "did you mean `track`?" in done.stderr
    assert Path(camvid("report", str(run)).stdout.strip()).exists()


def test_commands_read_of_an_older_run_what_they_need(run: Path, tmp_path: Path) -> None:
    """Its run.toml has keys that are none any more, and values that were never any."""
    old = tmp_path / "old"
    shutil.copytree(run, old)
    (old / "run.toml").write_text(
        "[align_depth.geometric.movers.floor]\nfoot_share = 0.2\n[split.cut]\nmax_clip_s = 'long'\n"
        "[filter]\nmin_motion_strength = 0.9\n[provenance]\nweights = []\n"
    )
    clip_id = next((old / "clips").glob("*/*")).name
    for command in (["status"], ["report"], ["refilter", "--dry-run"]):
        done = camvid(*command, str(old))
        assert (done.returncode, done.stderr) == (0, ""), command
    for command in (
        ["inspect", str(old), clip_id],
        ["stage", "track", str(old), "--clip", clip_id],
    ):
        done = camvid(*command)
        assert (done.returncode, done.stderr) == (0, ""), command
    done = camvid("refilter", str(old), "--set", "filter.min_motion_confidence=0.1")
    assert done.stdout.endswith("1 clip changed\n")
    kept = tomllib.loads((old / "run.toml").read_text())
    assert kept["align_depth"] == {"geometric": {"movers": {"floor": {"foot_share": 0.2}}}}
    assert kept["filter"]["min_motion_strength"] == 0.9
    assert kept["filter"]["min_motion_confidence"] == 0.1


def test_doctor() -> None:
    checks = json.loads(camvid("doctor", "--json").stdout)
    names = {check["name"] for check in checks}
    assert {"python", "pycolmap", "gpu", "segmenter sam2", "depth estimator geometric"} <= names
    assert all(check["ok"] for check in checks if check["required"])
    assert all(check["fix"] for check in checks if not check["ok"])


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    models = {m["name"]: m for m in json.loads(camvid("models", "list", "--json").stdout)}
    assert models["sam-vit-b"]["licence"] == "Apache-2.0"
    assert models["sam-vit-b"]["path"] == ""
    assert not models["cotracker3-offline"]["commercial"]
    (tmp_path / "sam-vit-b.pth").write_bytes(b"no")
    done = camvid("models", "check", "sam-vit-b")
    assert done.returncode == 3
    assert "DAMAGED" in done.stdout
    assert "must have sha256 ec2df627" in done.stdout
    assert camvid("models", "check", "sam-vit-bb").returncode == 2
    done = camvid("models", "fetch", "depth-anything-v2-small")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "depth-anything-v2-small: cannot " in done.stderr
    assert not (tmp_path / "depth-anything-v2-small").exists()
