"""1,024 damaged videos with fixed seeds: rows or a line each, in bounded time and memory."""

from pathlib import Path

from camvid.artifacts import MovableMasks, PointTracks
from camvid.store import ClipStore
from tests.workflows.fuzz.batch import assert_one_line_each, run_batch
from tests.workflows.fuzz.videos import __name__ as videos


def test_damaged_containers_are_rows(tmp_path: Path) -> None:
    outcomes = run_batch(f"{videos}:short_ones", range(1000), tmp_path / "short")
    assert_one_line_each(outcomes)
    told = sum(bool(outcome.line) for outcome in outcomes)
    assert 200 < told < 800, "of the damage some is noticed and some is not"


def test_damage_that_passes_split_harms_no_later_stage(tmp_path: Path) -> None:
    outcomes = run_batch(f"{videos}:long_ones", range(24), tmp_path / "long")
    assert_one_line_each(outcomes)
    store = ClipStore(str(tmp_path / "long" / "run"))
    masked, tracked = (
        [clip_id for clip_id in store.clip_ids() if store.has(clip_id, kind)]
        for kind in (MovableMasks, PointTracks)
    )
    assert len(masked) >= 12, "most mutants come as far as the tracks"
    assert tracked, "not all are refused there, as damage may break all tracks at once"
