"""What every format gets: which frames, at which size, with which cameras."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import Clip
from camvid.dataset.run import open_run
from camvid.errors import ConfigError, VideoError
from camvid.exports.framing import Framing
from camvid.exports.options import ExportOptions, parse_kinds, parse_size
from camvid.exports.scale import SCALE_RULES
from camvid.exports.source import SourceClip
from camvid.exports.view import make_view
from camvid.geometry import camera_centers, img_from_cam, transform_points
from camvid.imports.cameras import GivenCameras
from camvid.outcome import Reason, Rejected
from camvid.reasons import Why
from camvid.scenes.movie import read_video
from camvid.store import ClipStore
from camvid.video.timing import AtTimes
from tests.exports.conftest import FPS, SOURCE_PX, STORED_PX
from tests.exports.exporting import views
from workflows.export import find_source


def test_as_stored_cameras_are_the_shards_own(run: ClipStore) -> None:
    clip = next(open_run(run.root).clips("4d"))
    view = views(run, scale="none", stored_frames=True)[0]
    known = clip.registered[view.frame_index]
    np.testing.assert_array_equal(view.cam_from_world[known], clip.cam_from_world[clip.registered])
    assert (view.num_frames, view.fps) == (47, pytest.approx(FPS))  # the last has no camera


def test_a_missing_camera_lies_between_its_neighbours(run: ClipStore) -> None:
    for view in views(run, scale="none"):
        before, missing, after = view.cam_from_world[11:14]
        middle = (camera_centers(before) + camera_centers(after)) / 2
        np.testing.assert_allclose(camera_centers(missing), middle, atol=1e-12)
        half = Rotation.from_matrix(after[:, :3] @ missing[:, :3].T).magnitude()
        whole = Rotation.from_matrix(after[:, :3] @ before[:, :3].T).magnitude()
        assert half == pytest.approx(whole / 2)
        focal = view.K[11:14, 0, 0]
        assert focal[1] == pytest.approx(np.sqrt(focal[0] * focal[2]))


def test_frames_come_from_the_source_at_its_size(run: ClipStore) -> None:
    video = read_video(Path(next(iter(open_run(run.root))).source_uri))
    for number, view in enumerate(views(run, fps=16, frames=21)):
        assert (view.width_px, view.height_px, view.fps) == (*SOURCE_PX, 16)
        in_source = 48 * number + view.frame_index
        np.testing.assert_allclose(in_source / FPS, 2 * number + np.arange(21) / 16, atol=0.021)
        frames = np.stack(list(view.frames()))
        off = np.abs(frames.astype(int) - video[in_source]).mean(axis=(1, 2, 3))
        assert off.max() < 2  # grey levels; the next frame is 15 off


def test_a_point_stays_on_its_pixel(run: ClipStore) -> None:
    """Cropped and resized, K and labels go with the image."""
    whole, framed = views(run)[0], views(run, width_px=160, height_px=128)[0]
    assert framed.framing.kept_px == (225, 180)
    points = transform_points(whole.cam_from_world[5], whole.points_world.astype(float))
    xy, _ = img_from_cam(whole.K[5], points)
    xy_framed, _ = img_from_cam(framed.K[5], points)
    scale = np.array([160 / 225, 128 / 180])
    np.testing.assert_allclose(xy_framed, (xy - [47, 0]) * scale, atol=1e-9)
    frame, expected = next(framed.frames()), next(whole.frames())[:, 47:272]
    expected = cv2.resize(expected, (160, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(frame, expected)
    rows, columns = np.nonzero(framed.masks()[0])
    left, top = (np.array([60, 40]) - [47, 0]) * scale  # twice as large as stored
    assert abs(rows.min() - top) < 1
    assert abs(columns.min() - left) < 1
    assert framed.depth().shape == framed.masks().shape == (47, 128, 160)


@pytest.mark.parametrize("rule", SCALE_RULES)
def test_scale_rules_set_what_they_say(run: ClipStore, rule: str) -> None:
    raw, view = views(run, scale="none")[0], views(run, scale=rule)[0]
    depth = transform_points(view.cam_from_world, view.points_world.astype(float))[..., 2]
    path = np.linalg.norm(np.diff(camera_centers(view.cam_from_world)[[0, -1]], axis=0))
    says = {
        "scene": (np.median(depth), 1, 0.05),  # of all frames, this of one fewer
        "realestate10k": (np.percentile(depth[depth > 0], 5), 1.25, 1e-6),
        "first-depth-median": (np.median(view.depth()[0]), 1, 1e-2),
        "unit-translation": (path, 1, 1e-2),
        "none": (view.unit, 1, 0),
    }
    measured, wanted, tolerance = says[rule]
    assert measured == pytest.approx(wanted, rel=tolerance)
    ratio = raw.depth()[3, 50, 50] / view.depth()[3, 50, 50]
    assert ratio == pytest.approx(view.unit, rel=1e-5)


def test_what_cannot_be_exported_says_why(run: ClipStore) -> None:
    shards = open_run(run.root)
    clip, lost = next(shards.clips("4d")), next(shards.clips("video"))

    def reason(options: ExportOptions) -> Reason:
        made = make_view(clip, None, options, needs_cameras=True)
        assert isinstance(made, Rejected)
        return made.reason

    assert reason(ExportOptions(frames=60)) == Reason(Why.MIN_FRAMES, 47, 60)
    assert str(reason(ExportOptions(fps=30))) == "min_fps (measured 24, limit 30)"
    made = make_view(lost, None, ExportOptions(), needs_cameras=True)
    assert isinstance(made, Rejected)
    assert made.reason.name == "no_cameras"
    assert not isinstance(make_view(lost, None, ExportOptions(), needs_cameras=False), Rejected)
    vars(clip)["K"] = np.full((clip.num_frames, 3, 3), np.nan)  # as of a camera that stands still
    assert reason(ExportOptions()) == Reason(Why.NO_INTRINSICS)


def test_another_film_at_the_source_is_noticed(run: ClipStore, tmp_path: Path) -> None:
    clip = next(open_run(run.root).clips("4d"))
    source = find_source(run, clip)
    assert source is not None
    shifted = replace(source.clip, timestamps_s=source.clip.timestamps_s + 2.0)
    view = make_view(clip, SourceClip(shifted, source.path), ExportOptions(), needs_cameras=True)
    assert not isinstance(view, Rejected)
    with pytest.raises(VideoError, match="shows something else"):
        next(view.frames())
    between = replace(source.clip, timestamps_s=source.clip.timestamps_s + 0.01)
    view = replace(view, source=SourceClip(between, source.path))
    with pytest.raises(VideoError):
        next(view.frames())


def test_no_frame_is_read_after_the_last_wanted(
    run: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def takes(pacer: AtTimes, time_s: float, stretch: int) -> bool:
        asked.append(time_s)
        return took(pacer, time_s, stretch)

    took = AtTimes.takes
    monkeypatch.setattr(AtTimes, "takes", takes)
    view = views(run, fps=12, frames=5)[0]
    assert len(list(view.frames())) == 5
    assert max(asked) == view.timestamps_s[-1] < 0.5  # of six seconds


def test_shards_alone_have_no_source(run: ClipStore, tmp_path: Path) -> None:
    shutil.copytree(f"{run.root}/shards", tmp_path / "shards")
    clip = next(iter(open_run(str(tmp_path))))
    assert find_source(ClipStore(str(tmp_path)), clip) is None
    assert find_source(run, clip) is not None
    assert isinstance(run.load(clip.clip_id, Clip), Clip)


def test_an_imported_clip_is_cut_from_no_file_of_cameras(run: ClipStore, tmp_path: Path) -> None:
    copy = ClipStore(str(shutil.copytree(run.root, tmp_path / "run")))
    clip = next(open_run(copy.root).clips("3d"))
    assert find_source(copy, clip) is not None
    given = GivenCameras(K=clip.K[0], zoom=np.ones(48), cam_from_world=clip.cam_from_world)
    copy.save(clip.clip_id, given)
    assert find_source(copy, clip) is None


def test_framing_without_a_size_loses_at_most_a_row_and_a_column() -> None:
    framing = Framing.choose((161, 91), None)
    assert (framing.size_px, framing.corner_px, framing.enlarges) == ((160, 90), (0, 0), False)
    assert Framing.choose(STORED_PX, SOURCE_PX).enlarges


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("5d",)}, "--kind must be of 4d, 3d, video, got '5d'"),
        ({"scale": "scenes"}, "--scale must be one of .* did you mean `scene`"),
        ({"width_px": 833, "height_px": 480}, "--size must be even"),
        ({"fps": -1.0}, "--fps and --frames must be above 0"),
        ({"crf": 60}, "--crf must be from 0 to 51"),
    ],
)
def test_wrong_options_are_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportOptions(**options)  # pyright: ignore[reportArgumentType]


def test_sizes_and_kinds_as_they_are_typed() -> None:
    assert parse_size("832x480") == (832, 480)
    assert parse_kinds("4d, 3d") == ("4d", "3d")
    with pytest.raises(ConfigError, match="--size must look like 832x480"):
        parse_size("832")
    with pytest.raises(ConfigError, match="--kind must name kinds"):
        parse_kinds(",")
