"""run.toml of this version and of older ones; the settings that it may hold."""

import logging
from pathlib import Path

import pytest

from camvid.errors import ConfigError
from camvid.models.depth.options import DepthAnythingOptions
from camvid.settings import settings_of
from camvid.store import ClipStore
from stages.filter import FilterConfig
from workflows.curate import CurateConfig
from workflows.runs.run_toml import (
    VERSION,
    load_settings,
    read_run_toml,
    write_run_toml,
    write_section,
)
from workflows.settings_page import all_settings, settings_page

DOCS = Path(__file__).parents[2] / "docs"
MAX_SETTINGS = 65  # what a person may be asked to look through
TRANSNET = ["split.backend=transnetv2"]
PROVENANCE = {"camvid": "0.1", "weights": ["u2netp 1"], "videos": ["a.mp4"]}

# What a run of version 3 wrote. A key that goes from here needs a new version.
V3 = """
version = 3
[split]
backend = "transnetv2"
licence = "CC0"
image_fps = 24.0
[split.options]
device = "auto"
[split.cut]
min_clip_s = 1.5
min_fps = 2.0
min_side_px = 128
min_brightness = 24.0
min_corner_count = 40
min_frame_change = 4.0
max_combing = 0.06
max_lost_share = 0.1
max_clip_s = 4.0
max_fps = 30.0
max_side_px = 640
jpeg_quality = 95
remove_black_bars = true
[segment]
backend = "rf_detr_seg"
max_inset_fraction = 0.005
[segment.options]
checkpoint = "rf-detr-seg-large"
licence = ""
device = "auto"
min_score = 0.3
movable = ["person", "car"]
[segment.resources]
gpus = 0.5
[reconstruct]
backend = "track_sfm"
[reconstruct.options.features]
backend = "xfeat"
[align_depth]
backend = "depth_anything"
[align_depth.options]
checkpoint = "/models/mine"
licence = "MIT"
device = "cpu"
[track]
backend = "cotracker"
[track.options]
checkpoint = "cotracker3-offline"
licence = "CC-BY-NC-4.0"
device = "auto"
mode = "offline"
checkout = "/code/co-tracker"
[filter]
min_motion_strength = 0.004
min_motion_confidence = 0.4
min_motion_probability = 0.95
max_motion_probability = 0.2
max_unmeasured_fraction = 0.0047
max_motion_background = 0.003
min_registered_fraction = 0.8
max_mean_reprojection_error_px = 1.2
min_median_triangulation_angle_deg = 1.0
max_depth_residual = 0.25
max_overlay_fraction = 0.4
max_focal_uncertainty = 0.15
rotating = "4d"
[write_shards]
max_row_group_bytes = 8000000
max_shard_bytes = 500000000
[report]
max_clip_pages = 200
[breaker]
after_machine_faults = 10
after_equal_failures = 100
[licences]
accept_noncommercial = true
[provenance]
weights = []
"""

# What a run of version 2 wrote otherwise.
V2 = V3.replace("version = 3", "version = 2").replace("image_fps = 24.0", "picture_fps = 12.0")

# Parts of what a run of version 1 wrote: a table for every backend, constants among the settings.
V1 = """
[split.pyscenedetect]
min_cut_ratio = 3.0
[split.cut]
max_clip_s = 4.0
[reconstruct]
backend = "track_sfm"
[reconstruct.track_sfm]
mask_margin_px = 4
[reconstruct.track_sfm.features]
backend = "xfeat"
[reconstruct.track_sfm.features.xfeat]
max_features = 2048
[verify.options]
min_moving = 0.5
[align_depth]
backend = "depth_anything"
[align_depth.geometric.movers.floor]
foot_share = 0.2
[align_depth.depth_anything]
checkpoint = "/models/mine"
batch_size = 8
[filter]
min_motion_strength = 0.004
[filter.resources]
cpus = 1.0
[breaker]
after_machine_faults = 7
fraction = 0.8
[provenance]
weights = ["u2netp 1"]
"""


def written(text: str, tmp_path: Path) -> str:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return str(path)


def test_this_version_opens_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        config = load_settings(CurateConfig(), written(V3, tmp_path))
    assert caplog.messages == []
    assert config.split.cut.max_clip_s == 4.0
    assert config.align_depth.options == DepthAnythingOptions(
        checkpoint="/models/mine", licence="MIT", device="cpu"
    )
    assert config.reconstruct.options.features.backend == "xfeat"
    assert config.filter.rotating == "4d"


def test_an_older_version_opens_and_names_the_keys_that_went_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        config = load_settings(CurateConfig(), written(V1, tmp_path), ["split.cut.max_fps=10"])
    assert (config.split.cut.max_clip_s, config.split.cut.max_fps) == (4.0, 10.0)
    assert config.align_depth.options == DepthAnythingOptions(checkpoint="/models/mine")
    assert config.reconstruct.options.features.backend == "xfeat"
    assert config.breaker.after_machine_faults == 7
    (line,) = caplog.messages
    assert line == (
        f"run.toml of version 1 (now {VERSION}): these are no settings any more: verify,"
        " reconstruct.options.mask_margin_px, reconstruct.options.features.options,"
        " align_depth.options.batch_size, filter.resources, breaker.fraction"
    )


@pytest.mark.parametrize(
    "text", [V2, "[split]\npicture_fps = 12", V1 + "[split]\npicture_fps = 12"]
)
def test_a_renamed_key_is_found_by_its_old_name(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_settings(CurateConfig(), written(text, tmp_path)).split.image_fps == 12
    assert "picture_fps" not in caplog.text
    config = load_settings(CurateConfig(), written(V3, tmp_path), ["split.picture_fps=10"])
    assert config.split.image_fps == 10


def test_a_mistake_is_one_in_an_older_run_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean `max_fps`\?"):
        load_settings(CurateConfig(), written(V1, tmp_path), ["split.cut.max_fsp=10"])
    with pytest.raises(ConfigError, match=r"`split.cut.max_clip_s` must be a number"):
        load_settings(CurateConfig(), written('[split.cut]\nmax_clip_s = "long"', tmp_path))


def test_a_constant_cannot_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key `split.options.min_cut_score`"):
        load_settings(CurateConfig(), None, ["split.options.min_cut_score=1", *TRANSNET])
    with pytest.raises(ConfigError, match="unknown key `verify`"):
        load_settings(CurateConfig(), written("[verify.options]\nmin_moving=1", tmp_path))


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"must be of version 1 to {VERSION}, .* got 99"):
        load_settings(CurateConfig(), written("version = 99", tmp_path))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    config = load_settings(CurateConfig(), written(V3, tmp_path))
    write_run_toml(store, config, PROVENANCE)
    assert load_settings(CurateConfig(), str(tmp_path / "run.toml")) == config
    assert read_run_toml(store).provenance == PROVENANCE


def test_one_section_of_an_older_run_changes_and_all_else_stays(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path))
    written(V1, tmp_path)
    run = read_run_toml(store)
    policy = run.section("filter", FilterConfig(), ["filter.rotating=4d"])
    assert policy == FilterConfig(min_motion_strength=0.004, rotating="4d")
    write_section(store, run, "filter", policy)
    again = read_run_toml(store)
    assert again.section("filter", FilterConfig()) == policy
    assert {k: v for k, v in again.tables.items() if k != "filter"} == {
        k: v for k, v in run.tables.items() if k != "filter"
    }
    assert (again.version, again.provenance) == (1, run.provenance)


def test_settings_are_few_and_each_has_a_unit_and_a_sentence() -> None:
    settings = [row.setting for row in all_settings().values()]
    assert len(settings) <= MAX_SETTINGS
    for found in settings:
        assert found.unit, found.name
        assert found.meaning.endswith("."), found.name
    assert {s.name for s in settings_of(CurateConfig())} <= set(all_settings())


def test_the_page_is_what_the_declarations_give() -> None:
    current = (DOCS / "SETTINGS.md").read_text() == settings_page()
    assert current, "run: camvid settings > docs/SETTINGS.md"
