"""Only what is declared a setting can be named; the rest are constants."""

from dataclasses import dataclass
from typing import Any

import pytest

from camvid.errors import ConfigError
from camvid.settings import constant, setting, settings_of, settings_tables, table, with_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    least_px: int = setting(1, "px", "Smaller is refused.")
    most_px: int = setting(9, "px", "Larger is refused.")
    noise_px: float = 0.5

    def __post_init__(self) -> None:
        if self.least_px > self.most_px:
            raise ConfigError(f"least_px must be at most {self.most_px}, got {self.least_px}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Large(Size):
    most_px: int = 99
    least_px: int = constant(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    word: str = setting("a", "text", "What it is called.")
    size: Size = table(Size(noise_px=0.25))
    inner: Size = Size()


def test_settings_come_in_order_with_what_is_declared_of_them() -> None:
    found = list(settings_of(Stage(), "stage"))
    assert [s.name for s in found] == ["stage.word", "stage.size.least_px", "stage.size.most_px"]
    assert (found[1].value, found[1].unit, found[1].meaning) == (1, "px", "Smaller is refused.")
    assert settings_tables(Stage()) == {"word": "a", "size": {"least_px": 1, "most_px": 9}}


def test_a_subclass_may_change_a_default_or_keep_a_field_to_itself() -> None:
    assert [(s.name, s.value) for s in settings_of(Large())] == [("most_px", 99)]


def test_what_is_named_changes_and_constants_stay_as_they_were() -> None:
    changed = with_settings(Stage(), {"word": "b", "size": {"least_px": 20, "most_px": 30}})
    assert changed == Stage(word="b", size=Size(least_px=20, most_px=30, noise_px=0.25))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"size": {"noise_px": 1.0}},
            "unknown key `stage.size.noise_px`; did you mean",
        ),
        ({"inner": {}}, "unknown key `stage.inner`"),
        ({"wordx": "b"}, "unknown key `stage.wordx`; did you mean `word`?"),
        ({"size": 3}, "`stage.size` must be a table, got 3"),
        ({"word": {"x": 1}}, "`stage.word` must be a text"),
        ({"size": {"most_px": 1.5}}, "`stage.size.most_px` must be a whole number, got 1.5"),
        ({"size": {"least_px": 20}}, "`stage.size`: least_px must be at most 9, got 20"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_settings(Stage(), values, "stage")
    assert message in str(caught.value)


def test_what_went_is_noted_where_somebody_asks() -> None:
    gone: list[str] = []
    values = {"word": "b", "old": 1, "inner": {"least_px": 3}, "size": {"noise_px": 1.0}}
    assert with_settings(Stage(), values, "stage", gone) == Stage(word="b")
    assert gone == ["stage.old", "stage.inner", "stage.size"]
