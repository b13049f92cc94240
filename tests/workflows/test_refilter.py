"""What new thresholds would change: from columns the same as clip by clip, in a few lines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from camvid.books.clip_table import ClipTable
from camvid.books.index import INDEX, read_index, stopped_record, verdict_record, write_index
from camvid.camerawork.moves import CameraMove, Description
from camvid.errors import StoreError
from camvid.outcome import Reason
from camvid.record import ClipRecord, Measures
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.verdict import Policy, decide
from tests.camvid.test_verdict import GOOD
from tests.workflows.light_run import LightCurate, write_videos
from tests.workflows.test_cli import camvid
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.refilter import preview, refilter
from workflows.runs.run_toml import write_run_toml

POLICIES = (
    Policy(),
    Policy(min_motion_strength=0.018),
    Policy(min_motion_strength=0.0, max_overlay_fraction=0.1),
    Policy(rotating="4d", max_motion_background=0.02),
    Policy(fixed="4d"),
    Policy(camera_moves=("dolly_in", "pan_left", "-handheld")),
)
MOVES = ((), (CameraMove.DOLLY_IN,), (CameraMove.DOLLY_IN, CameraMove.HANDHELD))


def any_measures(random: np.random.Generator) -> Measures:
    """Numbers about the limits, some not measured."""
    strength = 10 ** random.uniform(-4, -1)
    low, high = strength * random.random(), strength * (1 + 3 * random.random())
    known = replace(
        GOOD,
        camera=random.choice(
            ["moving", "moving", "fixed", "rotating", "zooming", "unknown"]
        ).item(),
        motion_strength=strength,
        motion_interval_low=low,
        motion_interval_high=high,
        motion_background=10 ** random.uniform(-4, -2),
        motion_confidence=random.random(),
        unmeasured_fraction=0.008 * random.random(),
        registered_fraction=random.uniform(0.6, 1),
        mean_reprojection_error_px=random.uniform(0, 1.5),
        median_triangulation_angle_deg=random.uniform(0.5, 6),
        depth_residual=random.uniform(0, 0.4),
        overlay_fraction=random.choice([0.0, 0.2, 0.5]).item(),
        focal_uncertainty=random.uniform(0, 0.3),
    )
    lost = random.choice(["", "motion_strength", "motion_interval_low", "depth_residual"])
    return replace(known, **{str(lost): float("nan")}) if lost else known


def index() -> list[ClipRecord]:
    random = np.random.default_rng(0)
    upstream = (Reason("min_focal_share", 0.02, 0.3), Reason("camera_fixed"))
    records = [
        replace(
            verdict_record(
                ClipRow(clip_id=f"{n:016x}", video_uri=f"{n}.mp4"),
                None,
                decide(
                    any_measures(random),
                    Policy(),
                    upstream if n % 3 == 0 else (),
                    description=Description(camera_moves=MOVES[n % len(MOVES)]),
                ),
            ),
            clip_id=f"{n:016x}",
        )
        for n in range(400)
    ]
    row = ClipRow(clip_id="f" * 16, video_uri="z.mp4", status="failed", stopped_at="filter")
    return [*records, stopped_record(row, None)]


@pytest.mark.parametrize("policy", POLICIES)
def test_columns_decide_as_clip_by_clip(policy: Policy) -> None:
    records = index()
    verdicts = {
        r.clip_id: decide(
            r.measures,
            policy,
            r.camera_reasons,
            r.motion_reasons,
            Description(camera_moves=r.camera_moves),
        )
        for r in records
        if r.has_verdict
    }
    expected = {
        (r.clip_id, r.kind, v.kind, v.reasons[0].name if v.reasons else "")
        for r in records
        if (v := verdicts.get(r.clip_id)) and v.kind != r.kind
    }
    found = preview(ClipTable.of(records), policy)
    assert found.num_clips == len(expected) == sum(c.clips for c in found.counts)
    for count in found.counts:
        same = [e for e in expected if e[1:] == (count.before, count.after, count.reason)]
        assert len(same) == count.clips
    shown = {(c.clip_id, c.before, c.after, c.reason) for c in found.examples}
    assert shown <= expected
    assert len(shown) == (len(expected) if len(expected) <= 10 else min(len(found.counts), 10))


def test_a_dry_run_prints_a_summary(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path / "run"))
    write_run_toml(store, CurateConfig(), {"weights": []})
    write_index(store, index())
    command = ["refilter", store.root, "--dry-run", "--set", "filter.min_motion_strength=0.05"]
    command += ["--set", 'filter.camera_moves=["dolly_in"]']
    done = camvid(*command)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) < 40
    assert lines[0].split() == ["was", "is", "first", "reason", "clips"]
    assert lines[-1].endswith("clips would change")


def test_a_run_that_is_older_than_describe_gets_that_stage(tmp_path: Path) -> None:
    store = ClipStore(str(tmp_path / "run"))
    (record,) = curate(write_videos(tmp_path, (40,)), store.root, LightCurate(), in_process.run)
    store.remove_record(record.clip_id, "describe")
    store.remove(store.artifact_name(record.clip_id, Description))
    index = store.full_path(INDEX)
    pq.write_table(pq.read_table(index).drop(["camera_moves"]), index)
    moving = ['filter.camera_moves=["-static"]']
    with pytest.raises(StoreError, match="must have the columns camera_moves"):
        refilter(store, moving, dry_run=True)
    assert refilter(store, ["filter.min_motion_strength=0.001"], dry_run=True).num_clips == 0
    (changed,) = refilter(store, moving, dry_run=False).counts
    assert (changed.before, changed.after, changed.reason) == ("video", "none", "camera_moves")
    assert read_index(store)[0].camera_moves == (CameraMove.STATIC,)
