"""Batches through torch's DataLoader: workers, ranks, and going on where a state says."""

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from camvid.artifacts import (  # noqa: E402
    DepthMaps,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
)
from camvid.errors import ConfigError  # noqa: E402
from camvid.genxd.codec import PatchCodec, fit_on_shards  # noqa: E402
from camvid.genxd.conditioning import Conditions  # noqa: E402
from camvid.genxd.data.dataset import ClipDataset  # noqa: E402
from camvid.genxd.data.loader import Batch, ClipLoader  # noqa: E402
from camvid.genxd.data.options import DataOptions  # noqa: E402
from tests.genxd.runs import clip_id, write_run  # noqa: E402


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


def loader(run: str, batch_size: int = 2, **kwargs: Any) -> ClipLoader:
    options = DataOptions(num_frames=4, height_px=64, width_px=64)
    return ClipLoader(ClipDataset(run, options), batch_size=batch_size, **kwargs)


def take(batches: ClipLoader, count: int) -> list[Batch]:
    return list(islice(batches, count))


def same(ours: list[Batch], theirs: list[Batch]) -> bool:
    """Bit-equal samples in the same order, however they are cut into batches."""
    names = [name for name in Batch._fields if name not in ("clip_ids", "skipped", "latents")]
    for name in names:
        a, b = (torch.cat([getattr(batch, name) for batch in bs]) for bs in (ours, theirs))
        if not torch.equal(a, b):
            return False
    return [c for b in ours for c in b.clip_ids] == [c for b in theirs for c in b.clip_ids]


def test_a_batch_is_what_conditions_are_made_of(run: str) -> None:
    batch = take(loader(run, batch_size=5), 1)[0]
    assert batch.rgb.shape == (5, 4, 3, 64, 64)
    assert batch.rays.shape == (5, 4, 6, 8, 8)
    assert (batch.rgb.dtype, batch.is_given.dtype) == (torch.float32, torch.bool)
    assert batch.numbers.tolist() == [0, 1, 2, 3, 4]
    conditions = Conditions.from_samples(
        latents=torch.randn(5, 4, 4, 8, 8),
        is_given=batch.is_given,
        rays=batch.rays,
        indicator=batch.indicator,
        motion_ids=batch.motion_ids,
    ).dropped(batch.is_dropped)
    assert conditions.unet_sample(torch.randn(5, 4, 4, 8, 8)).shape == (5, 4, 15, 8, 8)


@pytest.mark.parametrize(("context", "num_workers"), [("fork", 2), ("spawn", 1)])
def test_workers_change_nothing(run: str, context: str, num_workers: int) -> None:
    alone = take(loader(run), 8)
    shared = loader(run, num_workers=num_workers, multiprocessing_context=context)
    shared.dataset[0]  # a reader in use must not be shared with forked workers
    assert same(take(shared, 8), alone)


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (2, 1)])
def test_goes_on_at_the_exact_next_sample(run: str, before: int, after: int) -> None:
    whole = take(loader(run), 12)
    first = loader(run, num_workers=before)
    head = take(first, 5)
    state = first.state_dict()
    assert state["num_samples"] == 10  # handed out; workers had read further
    second = loader(run, num_workers=after)
    second.load_state_dict(state)
    assert second.epoch == 10 // 8
    assert same(head + take(second, 7), whole)
    assert second.state_dict()["num_samples"] == 24


def test_a_loader_left_in_the_middle_goes_on_there(run: str) -> None:
    batches = loader(run)
    assert same(take(batches, 3) + take(batches, 3), take(loader(run), 6))


def test_the_global_generator_is_left_alone(run: str) -> None:
    before = torch.get_rng_state()
    take(loader(run), 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_serves_other_ranks_and_batches(run: str) -> None:
    whole = take(loader(run, batch_size=4), 6)
    first = loader(run, batch_size=4)
    head = take(first, 3)
    ranks = [loader(run, batch_size=1, rank=rank, world_size=4) for rank in range(4)]
    for rank in ranks:
        rank.load_state_dict(first.state_dict())
    tails = zip(*(take(rank, 12 // 4) for rank in ranks), strict=True)
    assert same(head + [batch for step in tails for batch in step], whole)
    assert {rank.state_dict()["num_samples"] for rank in ranks} == {24}


def test_a_state_of_another_order_is_refused(run: str) -> None:
    state = loader(run).state_dict()
    for name, value in (("seed", 1), ("shards", "0" * 16), ("window_row_groups", 3)):
        with pytest.raises(ConfigError, match=f"data `{name}` must be as when the state was saved"):
            loader(run).load_state_dict(state | {name: value})
    with pytest.raises(ConfigError, match="batch_size must be 1 or more and rank below world_size"):
        loader(run, rank=2, world_size=2)


@pytest.mark.timeout(60)
def test_workers_do_not_wait_for_threads_that_opencv_has_in_this_process(run: str) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (3000, 3000))  # which starts them
        assert len(take(loader(run, num_workers=1, multiprocessing_context="fork"), 1)) == 1
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_skipped_clips_reach_the_loader(run: str, num_workers: int) -> None:
    path = Path(run) / "shards/4d-00000.parquet"
    content = bytearray(path.read_bytes())
    start = 0
    for _ in range(6):  # the images of the first clip
        start = content.find(b"\xff\xd8\xff", start + 1)
        content[start + 200] ^= 1
    path.write_bytes(content)
    batches = loader(run, num_workers=num_workers)
    numbers = [n for batch in take(batches, 20) for n in batch.numbers.tolist()]
    assert numbers == list(range(40))
    assert set(batches.skipped) == {clip_id(0)}
    assert all("CRC" in clip.cause for clip in batches.skipped.values())


def test_a_codec_is_fitted_on_the_first_samples(run: str) -> None:
    batches = loader(run, batch_size=6)
    codec = fit_on_shards(batches.dataset, num_samples=6)
    rgb = take(batches, 1)[0].rgb
    torch.testing.assert_close(codec.basis, PatchCodec.fit([rgb]).basis, rtol=1e-4, atol=1e-4)
    assert codec.fitted_on == f"6 samples of shards {batches.dataset.index.digest()}"
    error = (codec.decode(codec.encode(rgb)) - rgb).square().mean()
    assert 10 * torch.log10(4 / error) > 20
