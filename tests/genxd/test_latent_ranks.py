"""Ranks that encode latents together: equal lots, and waiting for the last one."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from camvid.genxd.data.latent_cache import lots
from camvid.genxd.data.shards import Shard


def test_lots_hold_about_as_many_clips() -> None:
    sizes = [90, 10, 80, 20, 70, 30]
    shards = [
        Shard(path=f"{n}", kind="4d", clip_ids=("c",) * size, row_group_sizes=(size,))
        for n, size in enumerate(sizes)
    ]
    shared = lots(shards, 3)
    assert sorted(shard.path for lot in shared for shard in lot) == sorted(s.path for s in shards)
    assert [sum(len(shard.clip_ids) for shard in lot) for lot in shared] == [100, 100, 100]


_LATE = """
import sys, time
from datetime import timedelta
import torch.distributed as dist
from camvid.genxd.data import latent_cache
rank = int(sys.argv[1])
group = {"world_size": 2, "rank": rank, "timeout": timedelta(seconds=1)}
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", **group)
with latent_cache._awaiting_all_ranks():
    time.sleep(3 * rank)
"""


def test_ranks_wait_longer_than_their_group_would(tmp_path: Path) -> None:
    meeting = str(tmp_path / "meeting")
    ranks = [
        subprocess.Popen([sys.executable, "-c", _LATE, str(rank), meeting]) for rank in range(2)
    ]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
