"""A wipe leaves no track that reaches across it, though each frame of it can be tracked."""

import cv2
import numpy as np
import pytest

from camvid.artifacts import I32, U8, Frames, MovableMasks, PointTracks
from camvid.outcome import Rejected
from camvid.tracking.bridging import LIMITS, bridging_fraction
from stages.track import TrackConfig
from tests.factories import make_clip

NUM, FPS = 72, 24.0


def tracks(*shots: tuple[I32, I32]) -> PointTracks:
    """One track for each first and last frame in which it is seen."""
    first, last = (np.concatenate(ends) for ends in zip(*shots, strict=True))
    t = np.arange(NUM)[:, None]
    return PointTracks(
        xy_px=np.zeros((NUM, len(first), 2), np.float32),
        visible=(t >= first) & (t <= last),
        object_id=np.zeros(len(first), np.uint16),
        query_frame=first,
    )


def shot(start: int, stop: int, life: int = 40) -> tuple[I32, I32]:
    """Ten new tracks in every fourth frame, each seen for so many at most."""
    first = np.repeat(np.arange(start, stop, 4, dtype=np.int32), 10)
    return first, np.minimum(first + life, stop - 1).astype(np.int32)


@pytest.mark.parametrize("length", [6, 12, 22])
def test_no_track_bridges_a_wipe(length: int) -> None:
    half = length // 2
    two_shots = tracks(shot(0, 36 + half), shot(36 - half, NUM))
    assert bridging_fraction(two_shots, FPS) == 0 < LIMITS.min_bridging_fraction


def test_tracks_of_one_shot_bridge_any_second() -> None:
    assert bridging_fraction(tracks(shot(0, NUM)), FPS) > 0.2
    fast = bridging_fraction(tracks(shot(0, NUM, life=30)), FPS)
    assert LIMITS.min_bridging_fraction < fast < 0.2


def test_a_clip_of_less_than_a_second_is_one_shot() -> None:
    assert bridging_fraction(tracks(shot(0, NUM)), FPS * 4) == 1


def sliding(seed: int) -> U8:
    """Images [T, H, W, 3] of a wall before a camera that slides along it."""
    noise = np.random.default_rng(seed).integers(0, 255, (24, 60, 3)).astype(np.uint8)
    wall = cv2.resize(noise, (600, 240), interpolation=cv2.INTER_CUBIC)
    return np.stack([wall[40:200, 2 * t : 2 * t + 240] for t in range(NUM)])


def test_the_stage_refuses_a_wipe() -> None:
    one, other = sliding(0), sliding(1)
    wiped = one.copy()
    for t in range(NUM):
        edge = int(np.clip((t - 30) / 12, 0, 1) * 240)
        wiped[t, :, :edge] = other[t, :, :edge]
    clip, track = make_clip("wiped", NUM), TrackConfig().build()
    masks = MovableMasks.none(NUM, 160, 240)
    found = track(clip, Frames(rgb=wiped), masks)
    assert isinstance(found, Rejected)
    assert found.reason.name == "min_bridging_fraction"
    assert isinstance(track(clip, Frames(rgb=one), masks), PointTracks)
