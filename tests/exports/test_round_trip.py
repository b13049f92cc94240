"""What is exported comes back as it was: cameras to a millionth, frames, rate and number."""

from pathlib import Path

import numpy as np
import pytest

from camvid.codecs import decode_jpegs
from camvid.exports.view import View
from camvid.imports.cameras import GivenCameras
from camvid.imports.clips import posed_clips
from camvid.imports.formats import find_sources, read_source
from camvid.imports.posed import Footage
from camvid.store import ClipStore
from camvid.video.cut import CutClip, CutOptions
from tests.exports.exporting import assert_same_cameras, export, views

OPTIONS = {"fps": 12.0, "frames": 20, "width_px": 192, "height_px": 128}
# Mean difference in grey levels: frames are stored as JPEG at the import, MP4 halves the colour.
FORMATS = {"realestate10k": 6.0, "colmap": 3.0, "nerfstudio": 3.0, "camvid30k": 3.0}


def imported(folder: Path, name: str) -> list[CutClip]:
    _, sources = find_sources(str(folder), name)
    posed = (read_source(source, name, Footage()) for source in sources)
    return [clip for one in posed for clip in posed_clips(one, CutOptions())]


def by_source(cut: CutClip) -> str:
    return cut.clip.video.uri


@pytest.mark.parametrize("name", FORMATS)
def test_clips_come_back(name: str, run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", name, **OPTIONS)
    found = imported(tmp_path / "out", name)
    expected = views(run, **OPTIONS)
    assert [view.clip.kind for view in expected] == ["4d", "3d"]  # the lens of the second zooms
    for view in expected:
        (same,) = (cut for cut in found if view.clip.clip_id in by_source(cut))
        assert_is_view(same, view, FORMATS[name])
    assert len(found) == len(expected)


def assert_is_view(cut: CutClip, view: View, grey_levels: float) -> None:
    clip, (given,) = cut.clip, cut.extra
    assert isinstance(given, GivenCameras)
    assert cut.rejected is None
    assert (clip.width_px, clip.height_px) == (view.width_px, view.height_px)
    assert_same_cameras(given.cam_from_world, view)
    K = np.tile(given.K, (clip.num_frames, 1, 1))
    K[:, [0, 1], [0, 1]] *= given.zoom[:, None]
    np.testing.assert_allclose(K, view.K, rtol=0, atol=1e-6)
    rate = 1 / np.diff(clip.timestamps_s)
    np.testing.assert_allclose(rate, view.fps, rtol=1e-4)
    frames, expected = decode_jpegs(list(cut.jpegs)), np.stack(list(view.frames()))
    off = np.abs(frames.astype(int) - expected).mean(axis=(1, 2, 3))
    assert off.max() < grey_levels  # the next frame is 22 off


def test_without_our_list_images_follow_at_the_stated_rate(run: ClipStore, tmp_path: Path) -> None:
    export(run, tmp_path / "out", "colmap", kinds=("4d",), **OPTIONS)
    (tmp_path / "out/metadata.jsonl").write_text('{"clip_id": "another", "fps": 5}\n')
    (source,) = find_sources(str(tmp_path / "out"), "colmap")[1]
    times_s = read_source(source, "colmap", Footage(fps=30.0)).times_s
    np.testing.assert_allclose(times_s, np.arange(20) / 30)
