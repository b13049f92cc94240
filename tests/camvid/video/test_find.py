from pathlib import Path

import pytest

from camvid.errors import ConfigError
from camvid.video.find import find_videos, numbered_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "deep/c.webm", "notes.txt", "odd.dav", ".hidden.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for i in (1, 2, 10):
        path = tmp_path / f"davis/bear/{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "davis/cover.png").touch()
    return tmp_path


def names(found: list[str], folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in found]


def test_a_folder_gives_known_videos_and_folders_of_numbered_pictures(folder: Path) -> None:
    assert names(find_videos([str(folder)]), folder) == [
        "a.MOV",
        "b.mp4",
        "davis/bear",
        "deep/c.webm",
    ]


def test_a_folder_of_numbered_pictures_named_itself_is_one_video(folder: Path) -> None:
    assert names(find_videos([str(folder / "davis/bear")]), folder) == ["davis/bear"]


def test_order_and_repetition_of_the_inputs_do_not_matter(folder: Path) -> None:
    inputs = [str(folder / "b.mp4"), str(folder), str(folder / "a.MOV")]
    assert find_videos(inputs) == find_videos(inputs[::-1]) == find_videos([str(folder)])


def test_a_file_named_on_purpose_is_kept_whatever_its_suffix(folder: Path) -> None:
    assert names(find_videos([str(folder / "odd.dav")]), folder) == ["odd.dav"]
    assert names(find_videos([str(folder / "*.dav")]), folder) == ["odd.dav"]


def test_globs(folder: Path) -> None:
    assert names(find_videos([str(folder / "**/*.webm")]), folder) == ["deep/c.webm"]
    assert names(find_videos([str(folder / "b*")]), folder) == ["b.mp4"]


@pytest.mark.parametrize("spelled", ["{}", "@{}"])
def test_a_list_gives_its_lines(folder: Path, spelled: str) -> None:
    listed = folder / "list.txt"
    listed.write_text("# chosen by hand\n\nb.mp4\n" + f"{folder}/deep\ns3://bucket/x.mp4\n")
    found = find_videos([spelled.format(listed)])
    assert found == sorted(
        [str(folder / "b.mp4"), str(folder / "deep/c.webm"), "s3://bucket/x.mp4"]
    )


def test_addresses_pass_through() -> None:
    address = "https://example.org/a.mp4?key=1"
    assert find_videos([address]) == [address]


def test_nothing_found_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must name at least one video, found none in") as caught:
        find_videos([str(tmp_path)])
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="nothing there"):
        find_videos([str(tmp_path / "missing.mp4")])


def test_pictures_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for i in (10, 9, 100):
        (tmp_path / f"cam2_{i}.png").touch()
    assert [path.name for path in numbered_pictures(tmp_path)] == [
        "cam2_9.png",
        "cam2_10.png",
        "cam2_100.png",
    ]


def test_the_longest_series_of_a_mixed_folder_is_taken(tmp_path: Path) -> None:
    for name in ("0.depth.png", "0.color.jpg", "1.depth.png", "1.color.jpg", "2.color.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in numbered_pictures(tmp_path)] == [
        "0.color.jpg",
        "1.color.jpg",
        "2.color.jpg",
    ]
