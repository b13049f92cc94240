"""The accuracy page: which seeds it is of, and that README says the same."""

from pathlib import Path

import pytest
from accuracy import DEV_SEEDS, MARKS, SETS, preface, readme_lines, seeds_of
from figures import with_figures

from camvid.evaluation.summary import summarise

ROOT = Path(__file__).parents[2]


def marked(path: Path) -> str:
    text = path.read_text()
    assert [text.count(mark) for mark in MARKS] == [1, 1], path
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0]


def test_readme_and_the_accuracy_page_give_the_same_figures() -> None:
    figures = marked(ROOT / "README.md")
    assert "| right kind |" in figures
    assert figures == marked(ROOT / "docs" / "ACCURACY.md")


def test_published_seeds_are_none_that_decisions_are_taken_on() -> None:
    published = set(seeds_of("published"))
    assert set(seeds_of("dev")) <= set(DEV_SEEDS)
    assert not published & set(DEV_SEEDS)
    decided_on = {*range(5000, 5040), *range(7000, 7040)}
    assert not published & decided_on, "decisions were taken on these"
    assert len(published) == 40
    assert seeds_of("203,217") == (203, 217)


def test_the_page_names_its_seeds() -> None:
    page = preface("the command")
    assert f"{SETS['published'][0]} to {SETS['published'][-1]}" in page
    assert f"{DEV_SEEDS[0]} to {DEV_SEEDS[-1]}" in page
    assert "Made by `the command" in page


def test_figures_replace_what_stood_between_the_marks_and_nothing_else() -> None:
    text = f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n"
    lines = readme_lines(summarise([]))
    written = with_figures(text, MARKS, lines)
    assert written == f"before\n{MARKS[0]}\n{lines}\n{MARKS[1]}\nafter\n"
    assert with_figures(written, MARKS, lines) == written
    with pytest.raises(ValueError, match="must hold <!-- accuracy --> once, got 0 times"):
        with_figures("no marks", MARKS, lines)
