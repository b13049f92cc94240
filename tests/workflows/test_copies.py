"""Of videos that show the same, one is kept, whatever the order; so it is across runs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.books.fingerprints import FINGERPRINTS
from camvid.books.finished import GATHERED, finished_parts
from camvid.books.index import read_index
from camvid.errors import ConfigError
from camvid.report.words import verdict_sentence
from camvid.scenes.movie import read_video, write_video
from camvid.store import ClipStore
from stages.filter import FilterConfig
from tests.workflows.light_run import LightCurate
from tests.workflows.plain_videos import FPS, write_moving_square
from workflows.curate import curate
from workflows.execution import in_process
from workflows.refilter import preview
from workflows.runs.copies import CopiesConfig, without_copies

DEFAULT = CopiesConfig()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One of its kind, a boxed and scaled copy of it that is trimmed, and another."""
    folder = tmp_path_factory.mktemp("videos")
    original = write_moving_square(folder / "original.mp4", 60)
    frames = read_video(original)[10:]
    small = np.stack([cv2.resize(frame, (240, 136)) for frame in frames])
    boxed = np.pad(small, ((0, 0), (22, 22), (0, 0), (0, 0)))
    write_video(folder / "a_copy.mp4", boxed, FPS)
    write_moving_square(folder / "other.mp4", 48, seed=3)
    return [str(folder / f"{name}.mp4") for name in ("a_copy", "original", "other")]


def run(videos: list[str], root: Path, copies: CopiesConfig = DEFAULT) -> ClipTable:
    return curate(videos, str(root), LightCurate(copies=copies), in_process.run)


def test_a_copy_is_listed_and_not_in_the_shards(
    videos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order in (videos, videos[::-1]):
        copy, original, other = run(order, tmp_path / str(order[0] == videos[0]))
        assert (original.kind, other.kind) == ("video", "video")
        assert (copy.status, copy.kind, copy.shard) == ("rejected", "none", None)
        assert (copy.stopped_at, copy.duplicate_of) == ("write_shards", original.clip_id)
        (reason,) = copy.reasons
        assert (reason.name, reason.limit) == ("duplicate", 0.5)
        assert reason.measured > 0.8
        assert f"(clip {original.clip_id} is kept)" in verdict_sentence(copy, None)
    index = read_index(ClipStore(str(tmp_path / "True")))
    changes = preview(index, FilterConfig()).examples
    assert copy.clip_id not in {change.clip_id for change in changes}, "no threshold brings it back"
    monkeypatch.setattr("workflows.runs.copies.find_duplicates", None)  # not asked once finished
    again = run(videos, tmp_path / "True")
    assert (again[0].kind, again[0].duplicate_of) == ("none", original.clip_id)
    both = run(videos, tmp_path / "True", CopiesConfig(reject=False))
    assert [row.kind for row in both] == ["video"] * 3, "no stage ran again for it"


def test_clips_of_other_runs_are_known(videos: list[str], tmp_path: Path) -> None:
    (original,) = run(videos[1:2], tmp_path / "first")
    copies = CopiesConfig(known_clips=str(tmp_path / "first"))
    copy, other = run([videos[0], videos[2]], tmp_path / "second", copies)
    assert (copy.kind, copy.duplicate_of) == ("none", original.clip_id)
    assert copy.stopped_at == "split", "no other stage spent anything on it"
    store = ClipStore(str(tmp_path / "second"))
    assert store.load_record(copy.clip_id, "segment") is None
    assert other.kind == "video"
    third = run(videos, tmp_path / "third", CopiesConfig(known_clips=str(tmp_path / "second")))
    assert [row.kind for row in third] == ["none"] * 3, "the second run passes on what it knew"
    assert [row.duplicate_of for row in third] == [original.clip_id] * 2 + [other.clip_id]
    again, other = run([videos[0], videos[2]], tmp_path / "second")
    assert (again.kind, other.kind) == ("video", "video"), "what is not known goes all the way"
    again, other = run([videos[0], videos[2]], tmp_path / "second", copies)
    assert (again.stopped_at, other.kind) == ("write_shards", "video"), "it is done, but known"
    (tmp_path / "second" / FINGERPRINTS).write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"copies\.known_clips must be the fingerprints"):
        run(videos, tmp_path / "fourth", copies=CopiesConfig(known_clips=str(tmp_path / "second")))
    assert not (tmp_path / "fourth").exists()


def test_clips_of_two_kinds_are_no_copies(videos: list[str], tmp_path: Path) -> None:
    """A room with and without what moves in it changes alike as the camera passes."""
    copy, *_ = run(videos, tmp_path)
    store = ClipStore(str(tmp_path))
    clips = finished_parts(store).read(GATHERED)
    alike = without_copies(store, DEFAULT, clips)
    assert sorted(alike["kind"].to_pylist()) == ["none", "video", "video"]
    is_copy = pc.equal(clips["clip_id"], copy.clip_id)
    kinds = pc.if_else(is_copy, "3d", clips["kind"])
    clips = clips.set_column(clips.schema.get_field_index("kind"), "kind", kinds)
    differing = without_copies(store, DEFAULT, clips)
    assert sorted(differing["kind"].to_pylist()) == ["3d", "video", "video"]
