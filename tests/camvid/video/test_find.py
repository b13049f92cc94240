import os
import time
from pathlib import Path

import pytest

from camvid.errors import ConfigError
from camvid.video.find import find_videos
from camvid.video.names import local_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MOV", "deep/c.webm", "notes.txt", "odd.rush", ".hidden.mp4"):
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


def test_a_folder_gives_known_videos_and_folders_of_numbered_images(folder: Path) -> None:
    assert names(find_videos([str(folder)]), folder) == [
        "a.MOV",
        "b.mp4",
        "davis/bear",
        "deep/c.webm",
    ]


def test_a_folder_of_numbered_images_named_itself_is_one_video(folder: Path) -> None:
    assert names(find_videos([str(folder / "davis/bear")]), folder) == ["davis/bear"]


def test_order_and_repetition_of_the_inputs_do_not_matter(folder: Path) -> None:
    inputs = [str(folder / "b.mp4"), str(folder), str(folder / "a.MOV")]
    assert find_videos(inputs) == find_videos(inputs[::-1]) == find_videos([str(folder)])


def test_a_file_named_on_purpose_is_kept_whatever_its_suffix(folder: Path) -> None:
    assert names(find_videos([str(folder / "odd.rush")]), folder) == ["odd.rush"]
    assert names(find_videos([str(folder / "*.rush")]), folder) == ["odd.rush"]


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


def test_the_folder_one_stands_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "deep")
    Path("two\nlines.mp4").touch()
    assert find_videos(["."]) == ["c.webm", f"file://{folder}/deep/two%0Alines.mp4"]


def test_an_empty_name_is_not_the_folder_one_stands_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="an empty name must be an existing file"):
        find_videos([""])


def test_links_that_loop_give_each_video_once(folder: Path) -> None:
    for name, target in (("deep/up", ".."), ("deep/here", "."), ("a_link", "deep")):
        (folder / name).symlink_to(target)
    whole = ["a.MOV", "b.mp4", "davis/bear", "deep/c.webm"]
    assert names(find_videos([str(folder)]), folder) == whole
    through = [str(folder / "deep/up"), str(folder / "a_link/up/deep"), str(folder)]
    assert names(find_videos(through), folder) == whole
    assert names(find_videos([str(folder / "**/*.webm")]), folder) == ["deep/c.webm"]


def test_one_file_by_two_names_counts_once_under_the_name_that_is_no_link(folder: Path) -> None:
    (folder / "0.mp4").symlink_to("b.mp4")
    os.link(folder / "b.mp4", folder / "deep/z.mp4")
    assert names(find_videos([str(folder / "0.mp4"), str(folder)]), folder) == [
        "a.MOV",
        "b.mp4",
        "davis/bear",
        "deep/c.webm",
    ]


def test_a_link_to_nothing_stays_in_sight(folder: Path) -> None:
    (folder / "deep/lost.mp4").symlink_to("gone.mp4")
    (folder / "deep/self.mp4").symlink_to("self.mp4")
    found = names(find_videos([str(folder / "deep")]), folder)
    assert found == ["deep/c.webm", "deep/lost.mp4", "deep/self.mp4"]


@pytest.mark.parametrize(
    "name",
    [
        "10:30 clip.mp4",
        "concat:y.mp4",
        "file:x.mp4",
        "-v.mp4",
        "@home.mp4",
        "a::b.mp4",
        "50%20off.mp4",
        "what?.mp4",
        "take #1 [b].mp4",
        "~me.mp4",
        "été.mp4",
    ],
)
def test_odd_names_are_plain_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert find_videos([name]) == [name]
    assert local_path(name) == str(tmp_path / name)
    assert names(find_videos([str(tmp_path)]), tmp_path) == [name]


@pytest.mark.parametrize("name", [b"latin1-\xe9%41.mp4", b"two\nlines.mp4", b"tab\t.mp4"])
def test_names_that_no_text_file_holds_become_uris_that_open(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).touch()
    (found,) = find_videos([str(tmp_path)])
    assert found.startswith("file:///")
    assert found.isprintable()
    assert found.encode("utf-8")
    assert os.fsencode(local_path(found)) == path
    assert find_videos([found]) == find_videos([os.fsdecode(path)]) == [found]


def test_brackets_in_the_name_of_a_folder_are_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "[2024] trip").mkdir()
    (tmp_path / "[2024] trip/a.mp4").touch()
    found = find_videos([str(tmp_path / "[2024] trip/*.mp4")])
    assert names(found, tmp_path) == ["[2024] trip/a.mp4"]


def test_a_glob_of_images_is_one_video_in_each_folder(folder: Path) -> None:
    for i in range(3):
        (folder / f"davis/bear/left_{i}.jpg").touch()
        (folder / f"davis/left_{i}.JPG").touch()
    assert names(find_videos([str(folder / "davis/**/left_*.jpg")]), folder) == [
        "davis/bear/left_*.jpg",
    ]
    (folder / "davis/left_3.png").touch()
    assert names(find_videos([str(folder / "davis/left_*.*")]), folder) == ["davis/left_*.*"]


def test_images_named_one_by_one_are_reported(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(find_videos([str(folder / f"davis/bear/{i}.jpg") for i in (1, 2)])) == 2
    assert "inputs that are images, each a video of one frame, 2 in all" in caplog.text


def test_twenty_thousand_files_are_found_quickly(tmp_path: Path) -> None:
    for i in range(10_000):
        (tmp_path / f"{i:05d}.jpg").touch()
        (tmp_path / f"clip{i}.mp4").touch()
    start = time.perf_counter()
    assert len(find_videos([str(tmp_path)])) == 10_001
    assert time.perf_counter() - start < 10  # takes under 1 s on an idle core
