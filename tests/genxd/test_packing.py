"""Lean shards: of the same samples, less than a megabyte each, in two requests."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camvid.errors import ConfigError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.genxd.data.packing import PackOptions
from camvid.shards.folder import ShardFolder
from camvid.shards.manifest import write_manifest
from camvid.shards.row import checksums
from camvid.shards.writer import ShardOptions, ShardWriter, verify_shards
from camvid.store import ClipStore
from tests.genxd.counting import CountingFileSystem
from workflows.cli.main import app
from workflows.execution.parts import choose_writer
from workflows.pack import Pack, Packed, pack_shards

FRAMES, HEIGHT_PX, WIDTH_PX = 46, 360, 640
OPTIONS = DataOptions(
    share_3d=0.0, share_video=0.0, height_px=256, width_px=256, fit="centre_crop", dropout=0.0
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of 3 MB, in shards of two row groups and one."""
    store = ClipStore(str(tmp_path_factory.mktemp("run")))
    sizes = ShardOptions(max_row_group_clips=1, max_shard_bytes=11_000_000)
    writer = ShardWriter(store, "4d", sizes, ShardFolder(store, ()).put)
    for number in range(3):
        writer.add(_row(number))
    writer.close()
    write_manifest(store, writer.shards)
    return Path(store.root)


def _row(number: int) -> dict[str, Any]:
    """Images that compress like natural ones: one at all instants is enough here."""
    rng = np.random.default_rng(number)
    levels = ((4, 90), (12, 45), (36, 22), (108, 11), (324, 6))
    scene = sum(
        cv2.resize(rng.normal(0, std, (size, 2 * size, 3)), (WIDTH_PX, HEIGHT_PX))
        for size, std in levels
    )
    image = np.clip(np.asarray(scene) + 128, 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    cameras = np.tile(np.eye(3, 4), (FRAMES, 1, 1))
    cameras[:, 0, 3] = np.linspace(0, 1, FRAMES)
    return {
        "clip_id": f"{number:016x}",
        "kind": "4d",
        "num_frames": FRAMES,
        "height_px": HEIGHT_PX,
        "width_px": WIDTH_PX,
        "timestamps_s": (np.arange(FRAMES) / 24).tolist(),
        "frames": [{"bytes": jpeg}] * FRAMES,
        "frame_crc32": checksums([jpeg] * FRAMES),
        "K": {"fx": 600.0, "fy": 610.0, "cx": 321.0, "cy": 178.0},
        "cam_from_world": cameras.reshape(FRAMES, 12).tolist(),
        "registered": [True] * FRAMES,
        "zoom": [1.0] * FRAMES,
        "scene_scale": 4.0,
        "motion_strength": 0.02,
        "licence": "CC0",
    }


def pack(run: Path, out: Path, **options: Any) -> list[Packed]:
    started = Pack(uri=str(run), out=str(out), options=PackOptions(**options)).start()
    return pack_shards(started)


@pytest.fixture(scope="module")
def small(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "small"
    pack(run, out, side_px=256, square=True)
    return out


@pytest.fixture(scope="module")
def encoded(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    out = tmp_path_factory.mktemp("packs") / "latents"
    pack(run, out)
    return out


def cost(folder: Path) -> list[int]:
    """The requests of one sample."""
    far = ClipDataset(f"counting://{folder}", OPTIONS)
    CountingFileSystem.ranges.clear()
    far.load(Pick(0, 1))
    return list(CountingFileSystem.ranges)


def test_samples_of_small_images_are_those_of_the_run(run: Path, small: Path) -> None:
    whole, packed = ClipDataset(str(run), OPTIONS), ClipDataset(str(small), OPTIONS)
    for row in range(3):
        ours, theirs = packed.load(Pick(row, row))[0], whole.load(Pick(row, row))[0]
        assert (ours.clip_id, ours.frame_index) == (theirs.clip_id, theirs.frame_index)
        np.testing.assert_allclose(ours.K, theirs.K, rtol=1e-12)
        np.testing.assert_allclose(ours.rays, theirs.rays, atol=1e-6)
        assert ours.rgb is not None
        assert theirs.rgb is not None
        assert np.square(ours.rgb - theirs.rgb).mean() < 4 / 10**3.5  # 35 dB
    assert verify_shards(ClipStore(str(small))) == []
    assert sum(cost(run)) > 2_500_000
    assert len(cost(small)) <= 3
    assert sum(cost(small)) < 1_000_000


def test_the_command_packs_the_same_bytes(run: Path, small: Path, tmp_path: Path) -> None:
    asked = ["--side", "256", "--square", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["pack", str(run), *asked], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    for path in small.glob("shards/*"):
        assert (tmp_path / "out/shards" / path.name).read_bytes() == path.read_bytes()


def test_samples_of_latents_are_those_that_the_codec_gives(run: Path, encoded: Path) -> None:
    from camvid.genxd.codec import codec_of_pack
    from camvid.genxd.data.loader import ClipLoader

    packed = ClipDataset(str(encoded), OPTIONS)
    codec = codec_of_pack(packed.index)
    assert codec is not None
    ours = next(iter(ClipLoader(packed, batch_size=3)))
    theirs = next(iter(ClipLoader(ClipDataset(str(run), OPTIONS), batch_size=3)))
    assert ours.rgb is None
    assert ours.clip_ids == theirs.clip_ids
    error = (ours.encoded(codec) - theirs.encoded(codec)).abs()
    assert error.max() <= 2**-8 * theirs.encoded(codec).abs().max()
    assert ours.images(codec).shape == theirs.images(codec).shape
    assert verify_shards(ClipStore(str(encoded))) == []
    assert len(cost(encoded)) <= 3
    assert sum(cost(encoded)) < 500_000


def test_latents_of_another_size_or_codec_are_refused(run: Path, encoded: Path) -> None:
    from dataclasses import replace

    from camvid.genxd.data.latents import check_codec
    from camvid.genxd.data.shards import find_shards

    with pytest.raises(ConfigError, match=r"data.height_px must be 256, as the latents of .*, got"):
        ClipDataset(str(encoded), replace(OPTIONS, height_px=320))
    with pytest.raises(ConfigError, match=r"codec.path must be what the latents of"):
        check_codec(find_shards(str(encoded)), "another")
    with pytest.raises(ConfigError, match="must hold images to pack, but holds latents"):
        pack(encoded, encoded.parent / "again", side_px=256)


def test_a_pack_that_was_stopped_goes_on_and_names_what_it_could_not_read(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "run"
    (broken / "shards").mkdir(parents=True)
    for path in (run / "shards").iterdir():
        (broken / "shards" / path.name).write_bytes(path.read_bytes())
    shard = broken / "shards" / "4d-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 4] ^= 4  # within an image of the first clip
    shard.write_bytes(content)
    started = Pack(uri=str(broken), out=str(tmp_path / "o"), options=PackOptions(side_px=64))
    parts = started.start().shards()
    first = started.write_part(0, parts[0])
    assert first.shard is not None
    assert first.shard.clip_ids == (f"{1:016x}",)
    assert [clip.clip_id for clip in first.failed] == [f"{0:016x}"]
    assert "frame_crc32 must be the CRC-32 of each frame" in caplog.text
    started.write_part(1, parts[1])
    written = (tmp_path / "o/shards/4d-00001.parquet").stat().st_mtime_ns
    pack_shards(started.start())
    assert (tmp_path / "o/shards/4d-00001.parquet").stat().st_mtime_ns == written
    assert len(ClipDataset(str(tmp_path / "o"), OPTIONS)) == 2
    with pytest.raises(ConfigError, match="must be of the same pack, but was made with side_px"):
        pack(broken, tmp_path / "o", side_px=128)


def test_small_images_are_packed_without_torch(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from workflows.cli.main import app;"
        f"app(['pack', {str(run)!r}, '--side', '64', '--out', {str(tmp_path / 'o')!r}],"
        " standalone_mode=False); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "3 clips, 0." in ran.stdout
    assert ran.stdout.endswith("False\n")


def test_the_trainer_takes_a_pack_of_latents(encoded: Path, tmp_path: Path) -> None:
    from workflows.configs import load_training_config
    from workflows.train import train

    sizes = ["data.height_px=256", "data.width_px=256", "run.num_steps=1", "run.batch_size=1"]
    once = ["run.micro_batch_size=1", "validation.num_samples=1", "validation.every_steps=1"]
    few = ["validation.num_sampler_steps=2", "data.num_frames=4", "run.save_every_steps=1"]
    narrow = ["model.block_out_channels=[32,32]", "model.num_attention_heads=[1,1]"]
    config = load_training_config("tiny", [*sizes, *once, *few, *narrow])
    assert train(str(encoded), tmp_path / "out", config).step == 1
    assert list((tmp_path / "out/validation").rglob("*.mp4"))


@pytest.mark.usefixtures("local_ray")
def test_ray_packs_the_same_bytes(run: Path, small: Path, tmp_path: Path) -> None:
    options = PackOptions(side_px=256, square=True)
    started = Pack(uri=str(run), out=str(tmp_path / "o"), options=options).start()
    pack_shards(started, write=choose_writer("auto", 2))
    for path in small.glob("shards/*"):
        assert (tmp_path / "o/shards" / path.name).read_bytes() == path.read_bytes()
