"""Clips with cameras through a whole run, with stages that compute nothing; the commands."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from camvid.imports.cameras import GivenCameras
from camvid.store import ClipStore
from stages.take_cameras import TakeCameras, TakeCamerasConfig
from stages.take_clips import TakeClipsConfig
from stages.take_views import TakeViewsConfig
from tests.camvid.imports.test_readers import NUM, K, cameras, write_nerfstudio
from tests.workflows.light_stages import WRITES, LightConfig
from tests.workflows.test_cli import camvid
from workflows.audit import Audit, Status, exit_code
from workflows.curate import curate
from workflows.execution import in_process
from workflows.imports import ImportConfig, plan_import


@dataclass(frozen=True, slots=True, kw_only=True)
class LightImport(ImportConfig):
    def clip_stages(self) -> tuple[LightConfig, ...]:
        return tuple(LightConfig(stage=name) for name in WRITES)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_nerfstudio(tmp_path / "in")
    return tmp_path / "in"


def test_sources_become_clips_of_a_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sources, config = plan_import("in", "nerfstudio", "")
    light = LightImport(split=config.split)
    store = ClipStore(str(tmp_path / "run"))
    (record,) = curate(sources, store.root, light, in_process.run)
    assert record.source_uri == str(source / "transforms.json")
    assert (record.num_frames, record.kind) == (NUM, "video")
    given = store.load(record.clip_id, GivenCameras)
    np.testing.assert_allclose(given.cam_from_world, cameras(), atol=1e-9)
    np.testing.assert_allclose(given.K, K)
    rows: list[bool] = []
    (again,) = curate(
        sources, store.root, light, in_process.run, lambda row: rows.append(bool(row.records))
    )
    assert (again.clip_id, rows) == (record.clip_id, [False]), "nothing is done twice"


def test_many_sources_on_ray_come_as_in_process(tmp_path: Path, local_ray: None) -> None:
    from workflows.execution.on_ray import RayExecutor

    for name in ("a", "b"):
        write_nerfstudio(tmp_path / "in" / name)
    os.rename(tmp_path / "in/a/images", tmp_path / "elsewhere")
    lens = json.loads((tmp_path / "in/a/transforms.json").read_text())
    for frame in lens["frames"]:
        frame["file_path"] = Path(frame["file_path"]).name
    (tmp_path / "in/a/transforms.json").write_text(json.dumps(lens))
    footage = os.path.relpath(tmp_path / "elsewhere")  # where b's are not
    sources, config = plan_import(str(tmp_path / "in"), "nerfstudio", footage)
    light = LightImport(split=config.split)
    found = [
        {
            (Path(row.source_uri).parent.name, row.clip_id, row.kind, row.status)
            for row in curate(sources, str(tmp_path / name), light, execute)
        }
        for name, execute in (("ray", RayExecutor(workers=2)), ("here", in_process.run))
    ]
    assert found[0] == found[1]
    assert {(row[0], row[2], row[3]) for row in found[0]} == {
        ("a", "video", "ok"),
        ("b", "", "failed"),
    }


def test_given_cameras_stand_in_for_solved_ones(tmp_path: Path) -> None:
    _, config = plan_import(str(_written(tmp_path)), "nerfstudio", "")
    assert isinstance(config.split, TakeClipsConfig)
    assert [s.build().name for s in config.clip_stages()[:3]] == ["segment", "track", "reconstruct"]
    assert config.clip_stages()[2] == TakeCamerasConfig()
    assert GivenCameras in TakeCameras.reads


def test_photographs_have_nothing_that_moves_and_no_order(tmp_path: Path) -> None:
    folder = _written(tmp_path) / "images"
    sources, config = plan_import(str(folder), "stills", "")
    assert sources == [str(folder)]
    assert config.clip_stages()[0] == TakeViewsConfig()
    assert config.track.backend == "views"


def _written(folder: Path) -> Path:
    write_nerfstudio(folder)
    return folder


def test_what_is_audited_says_which_of_three_outcomes_it_had() -> None:
    def of(*found: Status) -> int:
        return exit_code([Audit(source="a", start_s=0, end_s=1, status=s) for s in found])

    assert (of("ok", "ok"), of("ok", "rejected"), of("rejected", "failed", "ok")) == (0, 5, 1)


def test_the_audit_command_tells_what_could_not_be_read(source: Path) -> None:
    (source / "images" / "0004.png").unlink()
    done = camvid("audit", str(source), "--json")
    assert done.returncode == 1, done.stderr
    (audit,) = json.loads(done.stdout)
    assert audit["status"] == "failed"
    assert "0004.png missing" in audit["error"]


def test_a_wrong_format_is_a_wrong_argument(source: Path, tmp_path: Path) -> None:
    done = camvid("import", str(source), "--from", "colmap", "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "must hold a COLMAP model, found none" in done.stderr
