"""The videos of the kill run: made again they are the same files, so that its runs can go on."""

from dataclasses import replace
from pathlib import Path

from benchmarks.kill_run_videos import write_videos
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_video
from camvid.scenes.render import render

_NUM_VIDEOS = 12  # so that every encoding is among them


def test_videos_made_again_are_the_same(tmp_path: Path) -> None:
    truth = render(replace(demo_scenes()[0], width_px=160, height_px=90, num_frames=48))
    write_video(tmp_path / "source.mp4", truth.rgb, truth.fps)
    first, second = (
        write_videos(str(tmp_path / "source.mp4"), tmp_path / name, _NUM_VIDEOS, width_px=64)
        for name in ("first", "second")
    )
    assert len({Path(path).suffix for path in first}) == 6
    for one, other in zip(first, second, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes(), one
