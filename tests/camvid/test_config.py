"""Configuration is strict, and what was resolved can be given back."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from camvid.config import dump_toml, load_config
from camvid.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    limit: float = 0.5
    count: int = 3
    names: tuple[str, ...] = ("a",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    stage: Inner = field(default_factory=Inner)
    flag: bool = False
    word: str = 'quo"te\\ and\nline'


def test_file_then_overrides(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[stage]\nlimit = 2\ncount = 9\n")
    config = load_config(Outer, str(path), ["stage.count=4", "stage.names=['x', 'y']"])
    assert config.stage == Inner(limit=2.0, count=4, names=("x", "y"))


def test_resolved_config_round_trips(tmp_path: Path) -> None:
    config = Outer(stage=Inner(limit=1e-9, names=()), flag=True)
    path = tmp_path / "run.toml"
    path.write_text(dump_toml(config))
    assert load_config(Outer, str(path)) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stage.limt=1", "unknown key `stage.limt`; did you mean `limit`?"),
        ("stage.count=1.5", "`stage.count` must be a whole number, got 1.5"),
        ("stage.count=true", "`stage.count` must be a whole number, got True"),
        ("stage.limit=high", "`stage.limit` must be a number, got 'high'"),
        ("stage.names=3", "`stage.names` must be a list, got 3"),
        ("stage=3", "--set must look like section.key=value, got 'stage=3'"),
        ("stage.limit.x=3", "`stage.limit` must be a number"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, None, [override])
    assert message in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be readable"):
        load_config(Outer, str(tmp_path / "none.toml"))
    bad = tmp_path / "bad.toml"
    bad.write_text("[stage\n")
    with pytest.raises(ConfigError, match="must be TOML"):
        load_config(Outer, str(bad))
