"""`camvid sample` and `camvid genxd`: from images and shards to videos and numbers."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("skimage")

from torch import Tensor, nn  # noqa: E402

from camvid.artifacts import (  # noqa: E402
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.errors import BackendUnavailable, ConfigError  # noqa: E402
from camvid.genxd.checkpoint import load_checkpoint  # noqa: E402
from camvid.genxd.data.dataset import ClipDataset  # noqa: E402
from camvid.genxd.data.options import DataOptions  # noqa: E402
from camvid.genxd.data.reader import RowReader  # noqa: E402
from camvid.genxd.device import choose_device  # noqa: E402
from camvid.genxd.diffusion import SamplerOptions  # noqa: E402
from camvid.genxd.metrics import NetworkWeights, Scorer  # noqa: E402
from camvid.genxd.protocols import TABLE_2, TABLE_4, given_places, protocols_of  # noqa: E402
from camvid.genxd.radiance import FieldOptions  # noqa: E402
from camvid.genxd.sampling import conditions_of  # noqa: E402
from camvid.geometry import camera_centers  # noqa: E402
from camvid.outcome import INDICATOR  # noqa: E402
from camvid.scenes.movie import read_video, write_video  # noqa: E402
from tests.genxd.checkpoints import small_codec, write_checkpoint  # noqa: E402
from tests.genxd.runs import clip_id, write_run  # noqa: E402
from tests.genxd.tiny import manifest, recipe_weights  # noqa: E402
from workflows.cli.genxd import protocol_table  # noqa: E402
from workflows.cli.main import app  # noqa: E402
from workflows.metrics import score_folders  # noqa: E402
from workflows.paper_tables import ProtocolRun, num_samples, run_protocol  # noqa: E402
from workflows.render_eval import (  # noqa: E402
    GENERATED,
    KNOWN,
    TRUE,
    evaluate_by_rendering,
    split_frames,
)
from workflows.sample import SampleRequest, make_scene, make_start, sample  # noqa: E402

SMALL = DataOptions(num_frames=4, height_px=64, width_px=128)
QUICK = SamplerOptions(num_steps=2, guidance=1.0)
TRAIN_TOML = "[data]\nnum_frames = 4\nheight_px = 64\nwidth_px = 64\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = recipe_weights(manifest("tiny"))
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), weights, TRAIN_TOML)


@pytest.fixture
def images(tmp_path: Path) -> tuple[str, ...]:
    """Two images of 160x120."""
    paths = tuple(str(tmp_path / f"{name}.png") for name in "ab")
    for seed, path in enumerate(paths):
        rough = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(path, cv2.resize(rough, (160, 120), interpolation=cv2.INTER_CUBIC))
    return paths


@pytest.fixture
def run(
    tmp_path: Path,
    masks: ObjectMasks,
    reconstruction: Reconstruction,
    depth: DepthMaps,
    tracks: PointTracks,
    motion: MotionReport,
) -> str:
    artifacts = (masks, reconstruction, depth, tracks, motion)
    return write_run(tmp_path / "run", "44334vv4", artifacts).root


def camvid(*arguments: str) -> str:
    """What the command prints, run in this process."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_request_becomes_a_scene_in_the_models_units(images: tuple[str, ...]) -> None:
    request = SampleRequest(images=images, camera="forward:0.6", motion=2.0)
    scene = make_scene(request, SMALL)
    assert scene.at == (0, 3)
    assert scene.images.shape == (2, 3, 64, 128)
    assert scene.motion_id == 2.0
    np.testing.assert_allclose(camera_centers(scene.cam_from_world)[:, 2], [0, 0.2, 0.4, 0.6])
    # 160x120 is cropped to 160x80 and resized by 0.8; the guess is 1.414 of the shorter side.
    assert scene.K[0, 0, 0] == pytest.approx(1.414 * 120 * 0.8)
    np.testing.assert_allclose(scene.K[0, :2, 2], [64, 32])
    sigmoid = make_scene(request, replace(SMALL, motion_rule="sigmoid"))
    assert sigmoid.motion_id == pytest.approx(100 * (1 / (1 + np.exp(-0.02)) - 0.5))
    alone = replace(request, images=images[:1], at=(2,))
    far = make_scene(alone, replace(SMALL, scale_rule="cameras"))
    np.testing.assert_allclose(camera_centers(far.cam_from_world)[:, 2], [-1, -0.5, 0, 0.5])


def test_a_clips_camera_comes_in_scene_units(
    run: str, images: tuple[str, ...], reconstruction: Reconstruction
) -> None:
    request = SampleRequest(images=images[:1], camera=f"{run}#{clip_id(0)}")
    ours = camera_centers(make_scene(request, SMALL).cam_from_world)
    request = replace(request, scene_scale=0.1)
    tenth = camera_centers(make_scene(request, SMALL).cam_from_world)
    true = camera_centers(reconstruction.cam_from_world[[0, 1, 3, 4]])
    np.testing.assert_allclose(tenth, (true - true[0]) * 10, atol=1e-9)
    assert np.abs(ours).max() < np.abs(true - true[0]).max()  # what it sees is further than 1


def test_a_clip_is_sampled_as_it_is_trained_on(run: str, tmp_path: Path) -> None:
    """Its own frame and camera give the images, rays and ids that the loader makes of it."""
    options = replace(SMALL, num_frames=5, fit="centre_crop", single_view_probability=1.0)
    dataset = ClipDataset(run, options)
    trained = dataset[0]
    assert trained.rgb is not None
    at = int(np.argmax(trained.is_given))
    row = RowReader(run, 0).read(dataset.index.place(0))
    image = np.frombuffer(row["frames"][trained.frame_index[at]].as_buffer(), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.imdecode(image, cv2.IMREAD_COLOR))
    request = SampleRequest(
        images=(str(tmp_path / "a.png"),), at=(at,), camera=f"{run}#{clip_id(0)}", motion=2.0
    )
    scene = make_scene(request, options)
    np.testing.assert_allclose(scene.images[0], trained.rgb[at], atol=1e-6)
    rays = conditions_of([scene], small_codec()).rays[0].numpy()
    np.testing.assert_allclose(rays, trained.rays, atol=1e-6)
    assert scene.motion_id == trained.motion_id
    assert INDICATOR[scene.kind] == trained.indicator


def test_the_same_seed_gives_the_same_video(checkpoint: Path, images: tuple[str, ...]) -> None:
    loaded = load_checkpoint(checkpoint)
    request = SampleRequest(images=images[:1], seeds=(5, 6))
    first, second = (sample(loaded, request, QUICK) for _ in range(2))
    assert first[0].shape == (4, 64, 64, 3)
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(first[0][0], first[1][0])  # the known frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": ("no.png",)}, "must be an image that can be decoded, got no.png"),
        ({"at": (4, 0)}, r"--at must be frames from 0 to 3, got \[4, 0\]"),
        ({"at": (1,)}, "must name one frame for each image"),
        ({"camera": "orbit:far"}, "orbit:AMOUNT must have a number, got 'orbit:far'"),
        ({"camera": "orbits"}, "--camera must be one of orbit, .* or a file .* 'orbits'"),
        ({"size_hw": (60, 64)}, "height_px must be a multiple of 64"),
    ],
)
def test_mistakes_are_named(images: tuple[str, ...], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_scene(replace(SampleRequest(images=images), **change), SMALL)


def test_a_device_that_is_not_there() -> None:
    assert choose_device("cpu") == "cpu"
    with pytest.raises(BackendUnavailable, match="--device nosuch must be usable"):
        choose_device("nosuch")


def test_the_command_writes_a_video_and_a_sheet(
    checkpoint: Path, images: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "o" / "a.mp4"
    known = ["--image", images[0], "--at", "1", "--image", images[1], "--at", "3"]
    asked = ["--camera", "pan", "--steps", "2", "--frames", "5", "--size", "128x64"]
    printed = camvid("sample", str(checkpoint), *known, *asked, "--out", str(out))
    assert read_video(out).shape == (5, 64, 128, 3)
    assert cv2.imread(str(tmp_path / "o" / "a.png")).shape == (70, 5 * 134, 3)
    assert printed == f"written to {out}\nwritten to {out.with_suffix('.png')}\n"


def test_more_poses_than_the_model_takes_are_made_in_groups(
    checkpoint: Path, images: tuple[str, ...]
) -> None:
    loaded = load_checkpoint(checkpoint)
    request = SampleRequest(images=images[:2], num_frames=10, size_hw=(64, 64), kind="3d", group=4)
    counted: list[int] = []
    (video,) = sample(loaded, request, QUICK, counted.append)
    assert video.shape == (10, 64, 64, 3)
    assert counted == [1, 2] * 4  # 8 targets, two in each group of 4
    assert (video.reshape(10, -1).std(axis=1) > 0).all()


def test_a_video_is_started_from(checkpoint: Path, images: tuple[str, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    video = tmp_path / "start.mp4"
    write_video(video, rng.integers(0, 255, (9, 64, 64, 3), np.uint8), 8.0)
    known = ["--image", images[0], "--frames", "5", "--size", "64x64", "--steps", "4"]

    def made(*options: str) -> np.ndarray:
        out = tmp_path / "out.mp4"
        camvid("sample", str(checkpoint), *known, *options, "--out", str(out))
        return read_video(out)

    first, second = (made("--video", str(video), "--strength", s) for s in ("0.25", "1"))
    assert first.shape == second.shape == (5, 64, 64, 3)
    assert not np.array_equal(first, second)
    request = SampleRequest(images=images[:1], video=str(video), num_frames=12)
    with pytest.raises(ConfigError, match="--video must have 12 frames or more, has 9"):
        make_start(request, DataOptions(num_frames=12), 12)
    from_noise = replace(request, video="")
    with pytest.raises(ConfigError, match="name it by --video"):
        sample(load_checkpoint(checkpoint), from_noise, SamplerOptions(strength=0.5))


def test_a_table_of_the_paper_on_shards(run: str, checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    asked = ProtocolRun(
        protocol=TABLE_2,
        checkpoint="tiny",
        shards=run,
        out=tmp_path / "out",
        sampler=QUICK,
        max_clips=2,
    )
    done: list[int] = []
    result = run_protocol(asked, loaded, done.append)
    assert done == [1, 2, 3, 4]
    assert num_samples(asked, loaded.trained_on) == 4
    one, three = result.lines
    assert (one.num_given, one.num_clips, three.num_given) == (1, 2, 3)
    found = {m.name: m for m in three.measures}
    assert found["PSNR"].count == 2  # of 4 frames, 3 are known
    assert found["FID"].note == "not measured: needs --fid-weights PATH"
    video = read_video(tmp_path / "out" / "table2-views-3" / f"{clip_id(0)}.mp4")
    assert video.shape == (4, 64, 128, 3)
    saved = json.loads((tmp_path / "out" / "table2.json").read_text())
    assert saved["lines"][0]["measures"][0]["value"] == pytest.approx(one.measures[0].value)
    lines = protocol_table(result).splitlines()
    assert [line.split()[:4] for line in lines if "FVD" in line] == [
        ["1", "FVD", "-", "1208.93"],
        ["3", "FVD", "-", "490.50"],
    ]


def test_renderings_are_judged_with_generated_views_and_without(
    run: str, checkpoint: Path, tmp_path: Path
) -> None:
    asked = ProtocolRun(
        protocol=replace(TABLE_4, num_given=(2,)),
        checkpoint="tiny",
        shards=run,
        out=tmp_path,
        sampler=QUICK,
        max_clips=1,
    )
    rough = FieldOptions(num_cells=8, num_depths=8, num_steps=10, rays_per_step=256)
    result = evaluate_by_rendering(asked, load_checkpoint(checkpoint), rough)
    psnr_db = [line.measures[0].value for line in result.lines]
    assert len({*psnr_db}) == 3  # three fits to different views
    assert {m.count for line in result.lines for m in line.measures[:2]} == {1}
    saved = json.loads((tmp_path / "render-eval.json").read_text())
    assert [line["measures"][0]["value"] for line in saved["lines"]] == psnr_db
    assert [*tmp_path.glob("render-eval/*.mp4")]


def test_the_command_compares_what_views_are_good_for(
    run: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_known = replace(TABLE_4, num_given=(2,))  # the model takes four views
    monkeypatch.setattr("camvid.genxd.protocols.TABLE_4", two_known)
    rough = partial(FieldOptions, num_cells=8, num_depths=8, num_steps=10, rays_per_step=256)
    monkeypatch.setattr("camvid.genxd.radiance.FieldOptions", rough)
    asked = ["--out", str(tmp_path), "--clips", "1", "--steps", "2", "--guidance", "1", "--json"]
    result = json.loads(camvid("genxd", "render-eval", str(checkpoint), run, *asked))
    assert result["num_clips"] == 1
    assert [line["views"] for line in result["lines"]] == [KNOWN, GENERATED, TRUE]


def test_no_fit_sees_the_frames_that_are_judged() -> None:
    split = split_frames(12, 3)
    frames = (*split.given, *split.generated, *split.judged)
    assert sorted(frames) == [*range(12)]
    assert (len(split.given), len(split.generated), len(split.judged)) == (3, 5, 4)
    with pytest.raises(ConfigError, match="num_frames must be 5 or more, one to generate and one"):
        split_frames(4, 3)


def test_black_bars_are_not_scored(
    run: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_checkpoint(checkpoint)
    padded = replace(loaded, trained_on=replace(loaded.trained_on, fit="pad"))
    asked = ProtocolRun(
        protocol=TABLE_4, checkpoint="", shards=run, out=tmp_path, sampler=QUICK, max_clips=1
    )
    scored: list[tuple[int, ...]] = []
    monkeypatch.setattr(Scorer, "add", lambda _, made, true, judged: scored.append(made.shape))
    run_protocol(asked, padded)
    assert [shape[1:3] for shape in scored] == [(48, 64)]  # of 64 x 64, as frames are 32 x 24


def test_table_4_is_of_static_scenes(run: str, checkpoint: Path, tmp_path: Path) -> None:
    asked = ["--out", str(tmp_path / "out"), "--steps", "2", "--guidance", "1", "--json"]
    (result,) = json.loads(camvid("genxd", "table", "4", str(checkpoint), run, *asked))
    assert [line["num_given"] for line in result["lines"]] == [3]
    assert result["lines"][0]["num_clips"] == 2
    names = {path.stem for path in (tmp_path / "out" / "table4-views-3").iterdir()}
    assert names == {clip_id(2), clip_id(3)}
    assert result["protocol"]["kind"] == TABLE_4.kind == "3d"


@pytest.fixture
def networks(tmp_path: Path) -> tuple[str, ...]:
    """Small random networks, called as those of the measures are."""

    class Features(nn.Module):
        def __init__(self, size: int, axes: int) -> None:
            super().__init__()
            self.linear, self.axes = nn.Linear(3, size), axes

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.float().flatten(2).mean(dim=2))

    class Lpips(Features):
        def forward(self, x: Tensor, resize_images: bool, return_lpips: bool) -> Tensor:
            return self.linear(x.float().flatten(2).mean(dim=2))

    class Fid(Features):
        def forward(self, x: Tensor, return_features: bool) -> Tensor:
            return self.linear(x.float().flatten(2).mean(dim=2))

    class Fvd(Features):
        def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
            return self.linear(x.float().flatten(2).mean(dim=2))

    made = {"lpips": Lpips(8, 4), "clip": Features(8, 4), "fid": Fid(2048, 4), "fvd": Fvd(400, 5)}
    options: list[str] = []
    for name, network in made.items():
        torch.jit.script(network).save(str(tmp_path / name))
        options += [f"--{name}-weights", str(tmp_path / name)]
    return tuple(options)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_all_tables_that_scenes_can_be_measured_by(
    run: str, checkpoint: Path, networks: tuple[str, ...], tmp_path: Path
) -> None:
    asked = ["--out", str(tmp_path / "out"), "--steps", "2", "--guidance", "1", "--json"]
    printed = camvid("genxd", "table", "2,4,5,7", str(checkpoint), run, *networks, *asked)
    results = json.loads(printed)
    assert [result["protocol"]["name"] for result in results] == [
        *("table2", "table4", "table5-3d", "table5-4d", "table7-3d", "table7-4d")
    ]
    for result in results:
        for line in result["lines"]:
            found = {measure["name"]: measure["value"] for measure in line["measures"]}
            assert set(found) == {"PSNR", "SSIM", "LPIPS", "CLIP-I", "FID", "FVD"}
            assert all(value is not None for value in found.values())
            assert -1 <= found["CLIP-I"] <= 1


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ("2,3", BackendUnavailable, r"table 3 needs images of single objects and 4D Gaussians"),
        ("6", BackendUnavailable, r"table 6 needs images of single objects and 3D Gaussians"),
        ("1", ConfigError, r"TABLE must be of 2, 4, 5, 7, with commas, got '1'"),
    ],
)
def test_other_tables_say_what_they_lack(tables: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        protocols_of(tables)


def test_known_views_lie_as_in_the_released_evaluation() -> None:
    assert given_places(3, 12) == (0, 5, 11)
    assert given_places(1, 12) == (0,)


def test_folders_are_scored(tmp_path: Path) -> None:
    made, true = tmp_path / "made", tmp_path / "true"
    for folder, value in ((made, 108), (true, 100)):
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
            for index in range(2):
                image = np.full((32, 32, 3), value, np.uint8)
                cv2.imwrite(str(folder / name / f"{index:04d}.png"), image)
    printed = camvid("genxd", "metrics", str(made), "--truth", str(true), "--json")
    measures = {m["name"]: m for m in json.loads(printed)}
    assert measures["PSNR"]["value"] == pytest.approx(20 * np.log10(255 / 8))
    assert measures["PSNR"]["count"] == 4
    assert measures["LPIPS"]["note"] == "not measured: needs --lpips-weights PATH"
    printed = camvid("genxd", "metrics", str(made), "--truth", str(true))
    assert [line.split()[:2] for line in printed.splitlines()[2:4]] == [
        ["PSNR", "30.069"],
        ["SSIM", f"{measures['SSIM']['value']:.3f}"],
    ]
    write_video(made / "c.mp4", np.zeros((3, 32, 32, 3), np.uint8), 8)
    with pytest.raises(ConfigError, match="must hold the same clips, c is in one alone"):
        score_folders(str(made), str(true), NetworkWeights(), "cpu")
    write_video(true / "c.mp4", np.zeros((2, 32, 32, 3), np.uint8), 8)
    with pytest.raises(ConfigError, match=r"clip c must be of one length .* is \(3, 32, 32, 3\)"):
        score_folders(str(made), str(true), NetworkWeights(), "cpu")
