"""Lists of videos, as editors of several systems save them."""

import os
from pathlib import Path

import pytest

from camvid.errors import ConfigError
from camvid.video.find import find_videos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "with space é.mp4", "sub/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def found(folder: Path, text: str, encoding: str = "utf-8", name: str = "list.txt") -> list[str]:
    (folder / name).write_bytes(text.encode(encoding))
    return [str(Path(path).relative_to(folder)) for path in find_videos([str(folder / name)])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_any_encoding_with_a_byte_order_mark(folder: Path, encoding: str, newline: str) -> None:
    lines = ["a.mp4", "# with space é.mp4", "", "with space é.mp4", ""]
    assert found(folder, newline.join(lines), encoding) == ["a.mp4", "with space é.mp4"]


def test_utf16_without_a_mark_is_one_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"list.txt must be a readable list.*save it as UTF-8"):
        found(folder, "a.mp4", "utf-16-le")


def test_file_uris_with_escapes(folder: Path) -> None:
    spelled = f"file://{folder}/with%20space%20%C3%A9.mp4\nfile://localhost{folder}/a.mp4"
    assert found(folder, spelled) == ["a.mp4", "with space é.mp4"]


def test_a_percent_sign_that_is_no_escape_is_kept(folder: Path) -> None:
    (folder / "50%20off.mp4").touch()
    assert found(folder, f"file://{folder}/50%20off.mp4") == ["50%20off.mp4"]


def test_bytes_that_are_not_utf8_are_those_of_the_name(folder: Path) -> None:
    name = os.fsdecode(b"latin1-\xe9.mp4")
    (folder / name).touch()
    (folder / "list.txt").write_bytes(b"latin1-\xe9.mp4\n")
    assert find_videos([str(folder / "list.txt")]) == [f"file://{folder}/latin1-%E9.mp4"]


def test_lists_may_name_themselves_and_each_other(folder: Path) -> None:
    (folder / "sub/other.txt").write_text("../list.txt\nb.mp4\n../sub\n")
    text = "list.txt\n@list.txt\nsub/other.txt\na.mp4\na.mp4\n./sub/../a.mp4"
    assert found(folder, text) == ["a.mp4", "sub/b.mp4"]


def test_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert found(folder, "~/sub/b.mp4", name="sub/list.txt") == ["sub/b.mp4"]


def test_a_line_that_names_nothing_is_left_to_fail_alone(folder: Path) -> None:
    assert found(folder, "a.mp4\ngone.mp4") == ["a.mp4", "gone.mp4"]


def test_a_list_of_which_nothing_exists_is_one_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"none of its 2 lines does, as gone.mp4; relative lines"):
        found(folder, "gone.mp4\nlost.mp4")
