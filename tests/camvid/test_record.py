"""Every fact of a clip is declared once; what follows from that, and what must agree with it."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from camvid.artifacts import MotionReport, Reconstruction
from camvid.books.index import SCHEMA
from camvid.columns import columns_of, from_row, show, to_row
from camvid.motion.objects import MotionLimits
from camvid.pipeline import CLIP_STAGES, STAGES
from camvid.reasons import Bound, Why, missed_limits, rule_of
from camvid.record import ClipRecord, Measures, ObjectRecord, measure
from camvid.report.columns_page import columns_page
from camvid.sfm.acceptance import AcceptanceLimits
from camvid.shards.columns import SHARD_COLUMNS, TRAINING_COLUMNS
from camvid.shards.schema import shard_schema
from camvid.verdict import Policy
from camvid.video.quality import QualityOptions
from workflows.curate import CurateConfig

ROOT = Path(__file__).parents[2]
INDEX_CONTRACT = """
    clip_id video_id source_uri start_s end_s status kind camera reasons error motion_strength
    motion_lower_bound motion_background motion_pair_gap_s num_objects registered_fraction
    mean_reprojection_error_px median_triangulation_angle_deg focal_px num_points depth_residual
    seconds shard row_group row
"""


def test_the_index_has_the_columns_it_promises() -> None:
    assert set(INDEX_CONTRACT.split()) < set(SCHEMA.names)
    assert str(SCHEMA.field("reasons").type) == (
        "list<item: struct<name: string, measured: double, limit: double>>"
    )
    kinds = {name: str(SCHEMA.field(name).type) for name in ("num_points", "row", "focal_px")}
    assert kinds == {"num_points": "int64", "row": "int64", "focal_px": "double"}


def test_every_column_has_one_name_and_a_meaning() -> None:
    for columns in (columns_of(ClipRecord), columns_of(ObjectRecord), SHARD_COLUMNS):
        names = [known.name for known in columns]
        assert len(names) == len(set(names))
        assert all(known.meaning and known.name for known in columns)


def test_scalar_columns_of_shards_are_those_of_the_record() -> None:
    schema = shard_schema()
    quality = {f.name for f in schema.field("quality").type}
    for known in columns_of(ClipRecord):
        assert (known.name in schema.names) == (known.shard == "column"), known.name
        assert (known.name in quality) == (known.shard == "quality"), known.name
    assert str(schema.field("num_frames").type) == "int32"
    assert {"kind", "motion_strength", "cam_from_world", "K"} < set(TRAINING_COLUMNS)


def test_measures_come_of_the_artifacts(
    reconstruction: Reconstruction, motion: MotionReport
) -> None:
    found = measure(reconstruction, motion)
    assert found.camera == "moving"
    assert found.motion_interval_low == motion.interval_low
    assert found.num_objects == 1
    assert found.focal_px == 30.0
    assert all(known.source for known in columns_of(Measures)), "each says whose number it is"
    assert measure(reconstruction).motion_background != measure(motion).motion_background


def test_a_record_is_a_flat_row_and_back() -> None:
    record = ClipRecord(clip_id="a", status="ok", kind="4d", measures=Measures(focal_px=30.0))
    row = to_row(record)
    assert list(row) == SCHEMA.names
    assert (row["focal_px"], row["motion_strength"], row["shard"]) == (30.0, None, None)
    assert to_row(from_row(ClipRecord, row)) == row
    assert to_row(from_row(ClipRecord, {**row, "of_a_newer_version": 1})) == row


@pytest.mark.parametrize("options", [Policy, QualityOptions, AcceptanceLimits, MotionLimits])
def test_each_limit_is_a_declared_reason(options: type) -> None:
    limits = {f.name for f in fields(options) if f.name.startswith(("min_", "max_"))}
    assert limits <= {str(why) for why in Why}


def test_names_of_reasons_agree_with_what_they_say() -> None:
    sides: dict[str, Bound] = {"min_": "at least", "max_": "at most"}
    for why in Why:
        assert why.name.lower() == why
        assert why.rule.is_fact or why.rule.bound
        if why[:4] in sides:
            assert why.rule.bound == sides[why[:4]], why


def test_limits_are_missed_on_their_side_and_where_nothing_was_measured() -> None:
    policy = Policy(min_motion_strength=0.1, max_depth_residual=0.2)
    measured = {Why.MIN_MOTION_STRENGTH: 0.1, Why.MAX_DEPTH_RESIDUAL: 0.2}
    assert missed_limits(measured, policy) == ()
    beyond = {Why.MIN_MOTION_STRENGTH: 0.09, Why.MAX_DEPTH_RESIDUAL: float("nan")}
    found = missed_limits(beyond, policy)
    assert [(r.name, r.limit) for r in found] == [
        ("min_motion_strength", 0.1),
        ("max_depth_residual", 0.2),
    ]
    assert rule_of("of_long_ago").label == "of long ago"


def test_code_names_only_declared_reasons() -> None:
    literal = re.compile(r"\bReason\(\s*f?[\"']")
    for top in ("camvid", "stages", "workflows"):
        for path in (ROOT / top).rglob("*.py"):
            assert not literal.search(path.read_text()), f"{path}: a reason is a member of Why"


def test_the_graph_runs_the_stages_in_the_order_declared() -> None:
    config = CurateConfig()
    built = [stage.build().name for stage in config.clip_stages()]
    ends = [config.split.build().name, config.write_shards.build().name]
    assert [ends[0], *built, ends[1]] == list(STAGES)
    assert built == list(CLIP_STAGES)


def test_the_readme_lists_the_stages_in_order() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [name for name in table if name in STAGES] == list(STAGES)


def test_each_stage_reads_what_one_before_it_wrote() -> None:
    written: set[type] = set()
    for config in CurateConfig().clip_stages():
        stage = config.build()
        made_by_split = {kind for kind in stage.reads if kind.__name__ in ("Clip", "Frames")}
        assert set(stage.reads) <= written | made_by_split, stage.name
        written.add(stage.writes)


def test_the_docs_are_those_of_the_declarations() -> None:
    assert (ROOT / "docs" / "COLUMNS.md").read_text() == columns_page(), "run `make docs`"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0279, "x100", "2.79"),
        (0.4, "%", "40 %"),
        (12345.0, "count", "12,345"),
        (1.62, "px", "1.62 px"),
        (None, "", "\N{EN DASH}"),
    ],
)
def test_numbers_are_shown_with_their_unit(value: float | None, unit: Any, shown: str) -> None:
    assert show(value, unit) == shown
