"""Backends by name: all of them reachable, a new one in one file, what they are told."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camvid.artifacts import PointTracks, Rigidity
from camvid.errors import BackendUnavailable, ConfigError
from camvid.models.depth.options import DepthAnythingOptions, DepthProOptions
from camvid.models.options import CheckpointOptions
from camvid.models.registry import BACKENDS, BackendConfig, find_weights
from camvid.settings import settings_of
from camvid.stage import Resources, fingerprint
from stages.align_depth import AlignDepthConfig
from stages.split import SplitConfig
from tests.models.backend_contracts import check_depth_estimator, posed_frames
from workflows.curate import CurateConfig
from workflows.runs.run_toml import load_settings

PAGE = Path(__file__).parents[2] / "docs" / "BACKENDS.md"
SECTIONS = [
    section
    for section in (CurateConfig().split, *CurateConfig().clip_stages())
    if isinstance(section, BackendConfig)
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.role)
def test_every_backend_has_its_options(section: BackendConfig) -> None:
    assert list(section.known) == list(BACKENDS[section.role])
    assert section.options == section.known[section.backend]


def test_every_backend_has_its_own_file() -> None:
    root = Path(__file__).parents[2]
    for known in BACKENDS.values():
        for name, target in known.items():
            module, _, class_name = target.partition(":")
            text = (root / f"{module.replace('.', '/')}.py").read_text()
            assert f"class {class_name}" in text, name


def test_an_unknown_name_is_a_config_error() -> None:
    section = replace(CurateConfig().align_depth, backend="depth_anythin")
    with pytest.raises(ConfigError, match=r"did you mean `depth_anything`\?"):
        section.build()


def test_a_table_of_options_lies_over_the_backends_own() -> None:
    told = AlignDepthConfig(backend="depth_pro", options={"device": "cpu"})
    assert told.options == DepthProOptions(device="cpu")
    assert replace(told, backend="depth_anything").options == DepthAnythingOptions()
    with pytest.raises(ConfigError, match=r"unknown key `options.batch_size`"):
        AlignDepthConfig(backend="depth_pro", options={"batch_size": 3})


def test_constants_change_the_fingerprint_though_no_setting_reaches_them() -> None:
    used = SplitConfig(backend="transnetv2")
    assert "options.min_cut_score" not in [s.name for s in settings_of(used)]
    changed = replace(used, options=replace(used.options, min_cut_score=0.6))
    elsewhere = replace(used, resources=Resources(cpus=2.0, gpus=1.0))
    marks = [fingerprint("split", 1, config, []) for config in (used, elsewhere, changed)]
    assert marks[0] == marks[1] != marks[2]


def test_a_checkpoint_and_a_batch_are_needed() -> None:
    with pytest.raises(ConfigError, match="checkpoint must be a name, a file or a folder"):
        CheckpointOptions()
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        CheckpointOptions(checkpoint="x", batch_size=0)


# ---- a backend of one's own, as docs/BACKENDS.md tells it --------------------------------------


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The page's code blocks, its Python saved where it can be imported."""
    blocks = dict(re.findall(r"```(python|toml)\n(.*?)```", PAGE.read_text(), re.DOTALL))
    (tmp_path / "my_depth.py").write_text(blocks["python"])
    (tmp_path / "mine.toml").write_text(blocks["toml"])
    monkeypatch.syspath_prepend(str(tmp_path))
    return {"config": str(tmp_path / "mine.toml")}


def test_the_page_adds_a_backend_that_keeps_the_contract(told: dict[str, str]) -> None:
    config = load_settings(CurateConfig(), told["config"]).align_depth
    stage = config.build()
    frames, masks, reconstruction = posed_frames(3, 24, 32)
    num_frames = len(frames.rgb)
    tracks = PointTracks(
        xy_px=np.zeros((num_frames, 0, 2), np.float32),
        visible=np.zeros((num_frames, 0), bool),
        object_id=np.zeros(0, np.uint16),
        query_frame=np.zeros(0, np.int32),
    )
    nothing = np.zeros(0)
    rigidity = Rigidity(
        log_ratio=nothing, image_ratio=nothing, unexplained=nothing, white_px=0.1, slow_px=nothing
    )
    maps = stage(frames, masks, reconstruction, tracks, rigidity)
    assert (maps.depth[maps.valid] == np.float32(4.0)).all()
    assert maps.valid[0].all()
    estimator: Any = stage._estimator
    check_depth_estimator(estimator)
    (weight,) = find_weights(config)
    assert weight.name == "flat"
    assert stage.weights == (weight,)


@pytest.mark.parametrize("backend", ["cotracker", "tapir"])
def test_code_that_must_be_checked_out_is_asked_for_first(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackendUnavailable, match=r"git clone .* set track.options.checkout"):
        find_weights(replace(CurateConfig().track, backend=backend))


def test_a_class_that_is_not_there_is_named() -> None:
    section = CurateConfig().align_depth
    with pytest.raises(BackendUnavailable, match="needs the package no_such_package"):
        replace(section, backend="no_such_package.depth:Flat").build()
    with pytest.raises(ConfigError, match=r"json has no Flat"):
        replace(section, backend="json:Flat").build()


def test_a_configuration_needs_no_model_package() -> None:
    code = "import sys, workflows.curate; print(*sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert not {"torch", "transformers", "huggingface_hub"} & set(done.stdout.split())
