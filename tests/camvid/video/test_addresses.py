"""Addresses: which are read at all, and what of them is written down."""

import os
from pathlib import Path

import pytest

from camvid.errors import ConfigError, VideoError
from camvid.store import ClipStore
from camvid.video.addresses import without_secrets
from camvid.video.container import local_copy, open_video
from camvid.video.find import find_videos
from camvid.video.names import source_name
from tests.workflows.light_run import LightCurate
from tests.workflows.plain_videos import write_moving_square
from workflows.curate import curate
from workflows.execution import in_process


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://user:pass@host/a.mp4", "https://host/a.mp4"),
        ("https://host/a.mp4?X-Amz-Signature=1&X-Amz-Date=2", "https://host/a.mp4"),
        ("https://host/v?id=7&token=abc&part=2#t=1", "https://host/v?id=7&part=2#t=1"),
        ("https://a.blob/c/a.mp4?sv=2&se=3&sp=r&sig=xyz", "https://a.blob/c/a.mp4"),
        ("https://host?access_token=1", "https://host"),
        ("s3://bucket/a@b/c d.mp4", "s3://bucket/a@b/c d.mp4"),
        ("hf://datasets/me/set@main/a.mp4", "hf://datasets/me/set@main/a.mp4"),
        ("file:///x/me@home?key=1.mp4", "file:///x/me@home?key=1.mp4"),
    ],
)
def test_secrets_are_no_part_of_a_name(uri: str, name: str) -> None:
    assert source_name(uri) == name
    assert source_name(name) == name


def test_secrets_go_from_the_middle_of_a_message() -> None:
    said = "cannot open 'https://me:pass@host/a?sig=1' nor s3://bucket/b.mp4: 403"
    assert without_secrets(said) == "cannot open 'https://host/a' nor s3://bucket/b.mp4: 403"


@pytest.mark.parametrize("uri", ["ssh://host/a.mp4", "zip://a.mp4::/x.zip", "nosuch://a"])
def test_addresses_that_are_not_read(uri: str) -> None:
    with pytest.raises(VideoError, match=r"must be a local path or begin with one of s3://"):
        with local_copy(uri):
            pass


def test_no_file_of_a_run_holds_a_secret(tmp_path: Path) -> None:
    """The address cannot be read, and what fsspec says about it names it in full."""
    secrets = ("hunter2", "c0ffee")
    uri = f"http://me:{secrets[0]}@127.0.0.1:9/a.mp4?token={secrets[1]}"
    root = tmp_path / "run"
    (row,) = curate([uri], str(root), LightCurate(), in_process.run)
    assert row.status == "failed"
    assert row.source_uri == "http://127.0.0.1:9/a.mp4"
    for path in root.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret.encode() in data for secret in secrets), path
    assert ClipStore(str(root)).exists("index.parquet")


@pytest.mark.parametrize("name", ["list.ffconcat", "list.m3u8", "list.mp4"])
def test_a_file_that_names_other_files_is_no_video(name: str, tmp_path: Path) -> None:
    video = write_moving_square(tmp_path / "secret.mp4")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile {video.name}\n"
    (tmp_path / name).write_text(playlist if name.endswith("m3u8") else concat)
    with pytest.raises(VideoError, match="that are no video"):
        open_video(str(tmp_path / name), name)


def test_files_keep_to_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        ClipStore(str(tmp_path)).write_bytes("a.json", b"{}")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_list_may_hold_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("ssh://host/a.mp4\ns3://bucket/a.mp4\n")
    assert find_videos([str(tmp_path / "list.txt")]) == ["s3://bucket/a.mp4", "ssh://host/a.mp4"]
    with pytest.raises(ConfigError, match=r"2 are not, as s3://bucket/a.mp4"):
        find_videos([str(tmp_path / "list.txt")], local_only=True)
