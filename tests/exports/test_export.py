"""The command and its bookkeeping: resuming, what is left out, what is refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from camvid.dataset.clip import DatasetClip
from camvid.dataset.run import open_run
from camvid.errors import BackendUnavailable, ConfigError, StoreError
from camvid.exports import registry
from camvid.exports.options import ExportOptions
from camvid.exports.scale import SCALE_RULES
from camvid.store import ClipStore
from tests.exports.exporting import export
from tests.genxd.datasets import change_row
from workflows.cli.main import app
from workflows.export import Export, export_clips

SMALL = {"fps": 12.0, "width_px": 64, "height_px": 64}


def command(*arguments: str) -> Result:
    """What the command does, in this process."""
    return CliRunner().invoke(app, ["export", *arguments])


def mtimes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*.mp4"))
    return {path.name: os.stat(path).st_mtime_ns for path in files}


def test_the_command_on_ray(run: ClipStore, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    arguments = ["export", run.root, "--to", "realestate10k", "--out", str(tmp_path / "out")]
    options = ["--kind", "4d,3d,video", "--fps", "12", "--size", "64x64", "--workers", "2"]
    shell = [sys.executable, "-m", "workflows.cli", *arguments, *options]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 clips, 2 of them cut again from their source videos" in done.stdout
    assert "left out, no_cameras: 1" in done.stdout
    assert [path.name for path in (tmp_path / "out").glob(".part-*")] == []


def test_what_is_written_is_not_written_again(run: ClipStore, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = export(run, out, "realestate10k", **SMALL)
    before = mtimes(out)
    first = whole[0].clip_id
    (out / ".camvid/parts/000000.json").unlink()  # as if it was killed before it noted that
    (out / f"videos/{first}.mp4").unlink()
    (out / ".part-of-it/videos").mkdir(parents=True)
    assert export(run, out, "realestate10k", **SMALL) == whole
    after = mtimes(out)
    assert not (out / ".part-of-it").exists()
    assert {name for name in after if after[name] == before[name]} == set(before) - {f"{first}.mp4"}


def test_a_failed_clip_is_tried_again(
    run: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(open_run(run.root).clips("4d"))
    moved = Path(clip.source_uri).rename(tmp_path / "elsewhere.mp4")
    Path(clip.source_uri).write_bytes(b"no video any more")
    try:
        done = export(run, tmp_path / "out", "realestate10k", **SMALL)
    finally:
        moved.rename(clip.source_uri)
    assert [clip.status for clip in done] == ["ok", "ok"]
    assert not any(clip.entry["from_source"] for clip in done)  # its stored frames will do
    note = tmp_path / "out/.camvid/parts/000000.json"
    failed = [{"clip_id": done[0].clip_id, "status": "failed", "why": "disk full"}]
    note.write_text(json.dumps(failed))
    again = export(run, tmp_path / "out", "realestate10k", **SMALL)
    assert [clip.entry["from_source"] for clip in again] == [True, False]


def test_a_damaged_clip_fails_alone(
    run: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = DatasetClip.jpegs

    def damaged(clip: DatasetClip) -> list[bytes]:
        return [b"no JPEG"] * 48 if clip.kind == "4d" else read(clip)

    monkeypatch.setattr(DatasetClip, "jpegs", damaged)
    done = export(run, tmp_path / "out", "realestate10k", stored_frames=True, **SMALL)
    assert [(clip.status, clip.why) for clip in done] == [
        ("failed", "a frame is not a readable JPEG"),
        ("ok", ""),
    ]
    assert len(mtimes(tmp_path / "out")) == 1


def test_a_full_disk_ends_the_export(
    run: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("camvid.exports.realestate10k.write_mp4", full)
    with pytest.raises(StoreError, match=r"must be writeable: .*No space left"):
        export(run, tmp_path / "out", "realestate10k", **SMALL)


def test_a_folder_is_refused_where_it_is_not_this_export(run: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match=r"must be a new or empty folder.* holds thesis\.tex"):
        export(run, tmp_path, "realestate10k")
    with pytest.raises(ConfigError, match="holds a file"):
        export(run, tmp_path / "thesis.tex", "realestate10k")
    export(run, tmp_path / "out", "realestate10k", frames=4, **SMALL)
    with pytest.raises(ConfigError, match=r"same export, but was made with fps 12\.0, frames 4:"):
        export(run, tmp_path / "out", "realestate10k", frames=5, **(SMALL | {"fps": 8.0}))


def test_to_any_filesystem(run: ClipStore) -> None:
    out = ClipStore("memory://export")
    job = Export(
        uri=run.root, out=out.root, format="realestate10k", options=ExportOptions(frames=3)
    )
    export_clips(job, job.parts())
    assert len(out.list_names("videos", ".mp4")) == len(out.list_names("cameras", ".txt")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "realestate"], "did you mean `realestate10k`"),
        (["--to", "realestate10k", "--kind", "4D"], "--kind must be of"),
        (["--to", "realestate10k", "--size", "large"], "--size must look like"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    run: ClipStore, tmp_path: Path, arguments: Sequence[str], message: str
) -> None:
    error = command(run.root, "--out", str(tmp_path / "out"), *arguments).exception
    assert isinstance(error, ConfigError)
    assert message in str(error)
    assert not (tmp_path / "out").exists()


def test_nothing_to_export(run: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    shard = next(Path(run.root, "shards").glob("video-*"))
    (tmp_path / "shards" / shard.name).symlink_to(shard)
    with pytest.raises(ConfigError, match="must hold clips of kind 4d or 3d to export, but holds"):
        export(ClipStore(str(tmp_path)), tmp_path / "out", "realestate10k")


def test_a_clip_id_is_no_path(run: ClipStore, tmp_path: Path) -> None:
    shutil.copytree(f"{run.root}/shards", tmp_path / "shards")
    change_row(ClipStore(str(tmp_path)), "4d-00000.parquet", 0, clip_id="../../elsewhere")
    with pytest.raises(StoreError, match=r"must name clips by letters.*'\.\./\.\./elsewhere'"):
        export(ClipStore(str(tmp_path)), tmp_path / "out", "realestate10k")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FORMATS", {"odd": "no_such_package.exports:Odd"})
    with pytest.raises(BackendUnavailable, match=r"needs the package no_such_package.*pip install"):
        registry.make_format("odd", ExportOptions())


def test_the_help_names_every_rule() -> None:
    said = "".join(command("--help").stdout.split())  # lines break at hyphens
    assert all(name in said for name in (*SCALE_RULES, *registry.FORMATS))
