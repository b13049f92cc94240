"""1,000 damaged books, shards, lists and settings with fixed seeds: a line each at most."""

from pathlib import Path

import pytest

from tests.workflows.fuzz.batch import assert_one_line_each, run_batch
from tests.workflows.fuzz.books import __name__ as books


@pytest.mark.parametrize(
    ("kind", "num_inputs"),
    [("books", 300), ("shards", 100), ("lists", 150), ("tables", 150), ("settings", 300)],
)
def test_damaged_text_and_tables_give_a_line(kind: str, num_inputs: int, tmp_path: Path) -> None:
    outcomes = run_batch(f"{books}:{kind}", range(num_inputs), tmp_path / kind)
    assert_one_line_each(outcomes)
    assert any(outcome.line for outcome in outcomes), "some of the damage is noticed"
