"""What a dry run says, and that it touches nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from camvid.errors import ConfigError, StoreError
from camvid.video.sources import Sources
from tests.workflows.light_run import LightCurate, write_videos
from workflows.curate import curate
from workflows.dry_run import Prices, dry_run
from workflows.execution import in_process
from workflows.execution.ray_plan import make_plan

CONFIG = LightCurate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos, of which a run has done two."""
    folder = tmp_path_factory.mktemp("folder")
    videos = write_videos(folder)
    curate(videos[:2], str(folder / "run"), CONFIG, in_process.run)
    return folder


def look_at(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_it_says_what_is_done_and_what_the_rest_takes(folder: Path) -> None:
    before = look_at(folder)
    sources = Sources([str(folder / f"{n}.mp4") for n in (40, 44, 48)])
    found = dry_run(sources, str(folder / "run"), CONFIG, None)
    assert look_at(folder) == before
    assert (found.num_done, found.num_todo) == (2, 1)
    assert found.measured
    assert found.measured.num_videos == 2
    assert found.measured.disk_bytes > 10_000
    assert 0 < found.measured.stage_s["split"] < 60
    text = found.render_text()
    assert "videos: 3, 2 done already, 1 to do" in text
    assert "pool: 1 to 1 workers of 1 CPU: split, segment, track" in text


def test_by_the_times_of_another_run_on_a_cluster(folder: Path, tmp_path: Path) -> None:
    sources = Sources([str(folder / "40.mp4")] * 3)
    plan = make_plan(CONFIG.split, CONFIG.clip_stages(), workers=0, cpus=64, gpus=0)
    out = str(tmp_path / "new")
    assert "estimate: none" in dry_run(sources, out, CONFIG, plan).render_text()
    found = dry_run(sources, out, CONFIG, plan, like=str(folder / "run"))
    assert (found.num_done, found.num_todo) == (0, 1), "a video that is named again comes once"
    text = found.render_text()
    assert "pool: 1 to 8 workers of 1 CPU: split\n" in text
    assert "pool: 1 to 63 workers of 1 CPU: segment, track" in text
    assert f"estimate, by 2 videos of {folder}/run:" in text
    assert "where 63 work without a pause" in text
    assert "0.0 of them with a GPU, without a price" in text
    assert found.measured
    dear = replace(found, prices=Prices(worker=3600e3, gpu=7.0))  # a thousand a second
    assert f" with a GPU, {1000 * found.measured.seconds:.2f} in all" in dear.render_text()
    assert not Path(out).exists()


def test_what_would_end_the_run_ends_the_dry_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--out must be a new or empty folder"):
        dry_run(Sources([]), str(folder), CONFIG, None)
    with pytest.raises(StoreError, match="--like must be a run"):
        dry_run(Sources([]), str(tmp_path / "run"), CONFIG, None, like=str(tmp_path))
