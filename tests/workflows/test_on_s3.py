"""A run on an S3 server that is really asked, dies in the middle and comes back."""

import json
import threading
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from camvid.clip_files import ARCHIVE
from camvid.errors import StoreError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.genxd.data.packing import PackOptions
from camvid.stage import ClipRow
from camvid.store import ClipStore
from tests.workflows.light_run import LightCurate, shard_hashes, write_videos
from tests.workflows.s3_server import ACCOUNT, S3Server
from workflows.curate import curate
from workflows.execution import in_process
from workflows.pack import Pack, pack_shards

pytest.importorskip("moto", reason="needs moto")
pytest.importorskip("s3fs", reason="needs s3fs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server, None, None]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ACCOUNT.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setenv("AWS_MAX_ATTEMPTS", "2")  # more wait for seconds each
        server.start()
        yield server
    server.kill()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def undisturbed(videos: list[str], tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    store = ClipStore(str(tmp_path_factory.mktemp("local")))
    curate(videos, store.root, LightCurate(), in_process.run)
    return store


def test_a_run_and_its_resumption(
    server: S3Server, videos: list[str], undisturbed: ClipStore
) -> None:
    """A finished run is asked for its lists, not for its clips."""
    asked: list[int] = []
    for some in (videos[:1], videos):
        store = ClipStore(f"{server.make_bucket(f'whole-{len(some)}')}/run")
        index = curate(some, store.root, LightCurate(), in_process.run)
        assert [row.status for row in index] == ["ok"] * len(some)
        before = server.requests()
        curate(some, store.root, LightCurate(), in_process.run)
        asked.append((server.requests() - before).total())
    assert shard_hashes(store) == shard_hashes(undisturbed)
    for clip_id in store.clip_ids():
        assert store.list_names(store.clip_folder(clip_id)) == [ARCHIVE], "one object a clip"
    more = len(store.list_names("clips")) - 1
    assert asked[1] - asked[0] <= 5 * more, "fsspec's listing of each of at most 256 folders"


def test_a_server_that_dies_ends_the_run_and_loses_nothing(
    server: S3Server, videos: list[str], undisturbed: ClipStore
) -> None:
    root = f"{server.make_bucket('killed')}/run"
    with pytest.raises(StoreError, match=r"must be .*able: s3://killed/run/.*Could not connect"):
        curate(videos, root, LightCurate(), in_process.run, lambda row: server.kill())
    server.start()
    rows: list[ClipRow] = []
    index = curate(videos, root, LightCurate(), in_process.run, rows.append)
    assert Counter(row.status for row in index) == {"ok": len(videos)}
    assert len(rows) == len(videos)
    assert shard_hashes(ClipStore(root)) == shard_hashes(undisturbed)


def test_a_server_that_is_away_for_a_moment_is_waited_for(
    server: S3Server, videos: list[str], undisturbed: ClipStore
) -> None:
    root = f"{server.make_bucket('paused')}/run"

    def pause(row: ClipRow) -> None:
        server.pause()
        threading.Timer(1.0, server.go_on).start()

    curate(videos[:1], root, LightCurate(), in_process.run, pause)
    again = curate(videos, root, LightCurate(), in_process.run)
    assert len(again) == len(videos)
    assert shard_hashes(ClipStore(root)) == shard_hashes(undisturbed)


def test_a_pack_is_written_to_and_trained_on_from_a_bucket(
    server: S3Server, undisturbed: ClipStore, tmp_path: Path
) -> None:
    here, there = str(tmp_path / "pack"), f"{server.make_bucket('packed')}/pack"
    for out in (here, there):
        pack_shards(Pack(uri=undisturbed.root, out=out, options=PackOptions(side_px=64)).start())
    assert shard_hashes(ClipStore(there)) == shard_hashes(ClipStore(here))
    options = DataOptions(num_frames=4, height_px=64, width_px=64)
    near, far = ClipDataset(here, options), ClipDataset(there, options)
    before = server.requests()
    picks = [Pick(row, row) for row in range(len(near))]
    for (ours, _), (theirs, _) in zip(far.load_all(picks), near.load_all(picks), strict=True):
        assert ours.rgb is not None
        assert theirs.rgb is not None
        assert np.array_equal(ours.rgb, theirs.rgb)
    assert (server.requests() - before)["GET"] <= 3 * len(picks)


def test_a_bucket_that_may_only_be_read_is_trained_on_with_latents_elsewhere(
    server: S3Server, undisturbed: ClipStore, tmp_path: Path
) -> None:
    pytest.importorskip("diffusers")
    from camvid.genxd.data.latent_cache import ready_latents
    from camvid.genxd.data.shards import find_shards
    from tests.genxd.checkpoints import small_codec

    root = server.make_bucket("locked")
    bucket = fsspec.filesystem("s3")
    bucket.put(undisturbed.full_path("shards"), "locked/shards", recursive=True)
    denied = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:DeleteObject"]}
    policy = {
        "Version": "2012-10-17",
        "Statement": [denied | {"Resource": "arn:aws:s3:::locked/*"}],
    }
    bucket.call_s3("put_bucket_policy", Bucket="locked", Policy=json.dumps(policy))
    with pytest.raises(PermissionError):
        bucket.pipe("locked/new", b"written")

    options = DataOptions(num_frames=4, height_px=64, width_px=64, fit="centre_crop")
    index, codec = find_shards(root), small_codec()
    with pytest.raises(StoreError, match=r"writable: .*; codec.cache_dir names another place"):
        ready_latents(index, options, codec)
    latents = ready_latents(index, options, codec, folder=str(tmp_path / "latents"))
    sample = ClipDataset(index, options, latents=latents)[0]
    assert sample.latents is not None
    assert sample.latents.shape[2:] == (8, 8)
    assert not bucket.exists("locked/shards/latents")
