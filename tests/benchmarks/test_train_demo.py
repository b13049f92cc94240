"""The training demo's table in docs/TRAIN.md is the one that the demo writes."""

from dataclasses import fields
from pathlib import Path

import pytest

for package in ("torch", "diffusers", "accelerate"):
    pytest.importorskip(package)

import train_demo  # noqa: E402

from workflows.train_demo import DemoNumbers  # noqa: E402

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_rows_that_the_demo_writes() -> None:
    """With numbers of a run of its own."""
    numbers = DemoNumbers(**dict.fromkeys((f.name for f in fields(DemoNumbers)), 1.0))
    written = train_demo.table_lines(numbers)
    before, after = train_demo.MARKS
    page = (ROOT / "docs/TRAIN.md").read_text()
    held = page.partition(f"{before}\n")[2].partition(f"\n{after}")[0]
    names = [[line.split("|")[1] for line in table.splitlines()] for table in (held, written)]
    assert names[0] == names[1]
