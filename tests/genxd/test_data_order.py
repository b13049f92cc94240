"""The endless order of samples: shuffled, mixed, shared out, and known from a number alone."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from camvid.errors import ConfigError
from camvid.genxd.data.order import BLOCK, SampleOrder
from camvid.outcome import Kind

SHARES: dict[Kind, float] = {"4d": 0.5, "3d": 0.4, "video": 0.1}
GROUPS: dict[Kind, list[np.ndarray]] = {
    "4d": [np.arange(i, min(i + 8, 100)) for i in range(0, 100, 8)],
    "3d": [np.arange(100 + i, 100 + i + 5) for i in range(0, 35, 5)],
    "video": [np.array([135, 136, 137])],
}


def order(seed: int = 0, window: int = 3, **shares: float) -> SampleOrder:
    mix: dict[Kind, float] = {**SHARES, **{k.removeprefix("_"): v for k, v in shares.items()}}  # type: ignore[dict-item]
    return SampleOrder(GROUPS, mix, window=window, seed=seed)


def rows(which: SampleOrder, start: int, count: int) -> list[int]:
    return [which.pick(number).row for number in range(start, start + count)]


def test_one_kind_alone_is_seen_once_an_epoch_each_time_in_another_order() -> None:
    alone = order(_3d=0, video=0)
    assert alone.num_clips == 100
    epochs = [rows(alone, 100 * epoch, 100) for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(100))
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != rows(order(seed=1, _3d=0, video=0), 0, 100)


def test_shares_hold_and_every_kind_passes_through_all_its_clips() -> None:
    seen = Counter(rows(order(), 0, BLOCK))
    count = [sum(seen[int(r)] for g in GROUPS[k] for r in g) for k in GROUPS]
    assert count == [500, 400, 100]
    assert {seen[row] for row in range(100)} == {5}
    assert {seen[row] for row in range(100, 135)} == {11, 12}
    assert {seen[row] for row in (135, 136, 137)} == {33, 34}


def test_passes_stay_whole_across_blocks() -> None:
    of_kind = [row for row in rows(order(), 0, 3 * BLOCK) if row < 100]
    assert len(of_kind) == 1500
    for start in range(0, 1500, 100):
        assert sorted(of_kind[start : start + 100]) == list(range(100))


def test_kinds_are_mixed_in_short_spans_too() -> None:
    drawn = [row < 100 for row in rows(order(), 0, 40)]
    assert 10 <= sum(drawn) <= 30


def test_a_number_alone_says_the_row() -> None:
    forward, other = order(), order()
    numbers = list(range(0, 3000, 7))
    expected = {n: forward.pick(n) for n in numbers}
    np.random.default_rng(0).shuffle(numbers)
    assert {n: other.pick(n) for n in numbers} == expected


def test_row_groups_are_read_by_windows() -> None:
    alone = order(_3d=0, video=0, window=3)
    groups = [row // 8 for row in rows(alone, 0, 100)]
    last = {group: 99 - groups[::-1].index(group) for group in groups}
    first = {group: groups.index(group) for group in groups}
    open_at_once = [sum(first[g] <= i <= last[g] for g in first) for i in range(100)]
    assert max(open_at_once) == 3
    assert len(set(groups[:10])) == 3  # shuffled over the window, not group by group


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_ranks_share_the_same_global_batch(world_size: int) -> None:
    start, per_rank = 17, 6 // world_size
    parts = [
        islice(order().batches(start, per_rank, rank=rank, world_size=world_size), 50)
        for rank in range(world_size)
    ]
    steps = [[pick for part in step for pick in part] for step in zip(*parts, strict=True)]
    flat = [pick for step in steps for pick in step]
    assert [pick.number for pick in flat] == list(range(start, start + 300))
    assert [pick.row for pick in flat] == rows(order(), start, 300)


def test_absent_kinds_give_their_share_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    few = SampleOrder({"3d": GROUPS["3d"]}, SHARES, window=2, seed=0)
    assert sorted(rows(few, 0, 35)) == list(range(100, 135))
    assert "no clips of kind 4d, video" in caplog.text
    with pytest.raises(ConfigError, match=r"share_\* must be above 0 for a kind in the shards"):
        SampleOrder({"3d": GROUPS["3d"]}, SHARES | {"3d": 0.0}, window=2, seed=0)


def test_a_share_too_small_to_be_met_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"share_video must be 0 or at least 0\.001"):
        order(video=0.0003)
