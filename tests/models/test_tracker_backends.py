"""Point trackers against one contract; those from checkouts with a small stand-in checkout.

The stand-ins have the public interface of the repositories. They read the motion from the weight
file and which motion is a point's from the image, so that loading, conversion of pixels and
stitching of windows are proven; not that the real networks track well.
"""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camvid.errors import BackendUnavailable, ConfigError
from camvid.models.trackers.lucas_kanade import LucasKanadeTracker
from camvid.models.trackers.options import CoTrackerOptions, FollowOptions, TapirOptions
from camvid.tracking.lucas_kanade import LucasKanadeOptions
from tests.models import tracker_contract as contract

torch = pytest.importorskip("torch", reason="needs torch")

MOTION = '''
import math
import torch

def move(start, num_frames, params):
    """Points [N, 2] after num_frames [N], turned and grown about the centre."""
    angle = params["turn_deg"] * math.pi / 180 * num_frames
    scale = params["growth"] ** num_frames
    x, y = (start - params["centre"]).unbind(-1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1) + params["centre"]

def is_red(frames, t, xy):
    """Whether pixels nearest to xy [N, 2] (centres at 0) of frames [T, 3, H, W] are red."""
    height, width = frames.shape[-2:]
    x, y = xy.round().long().unbind(-1)
    return frames[t, 0, y.clamp(0, height - 1), x.clamp(0, width - 1)] >= 127.5

class Model(torch.nn.Module):
    def __init__(self, window_len):
        super().__init__()
        self.window_len = window_len
        for name, shape in (("turn_deg", ()), ("growth", ()), ("centre", (2,)), ("size", (2,))):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("time_emb", torch.zeros(window_len))

    def follow(self, frames, queries):
        """(xy [T, N, 2], visible [T, N]) of (frame, x, y) [N, 3]; nonsense before the query."""
        query_frame, start = queries[:, 0].long(), queries[:, 1:]
        red = is_red(frames, query_frame.clamp(max=len(frames) - 1), start)
        xy = torch.full((len(frames), len(queries), 2), -1e6)
        visible = torch.ones(xy.shape[:2], dtype=torch.bool)
        for t in range(len(frames)):
            late = query_frame <= t
            moved = move(start, t - query_frame, dict(self.named_buffers()))
            place = torch.where(red[:, None], moved, start)
            xy[t, late] = place[late]
            now_red = is_red(frames, torch.full_like(query_frame, t), place)
            visible[t, late] = (now_red == red)[late]
        return xy, visible
'''
COTRACKER = """
import torch
from cotracker.motion import Model

class CoTrackerPredictor(torch.nn.Module):
    def __init__(self, checkpoint, offline=True, v2=False, window_len=60):
        super().__init__()
        assert checkpoint is None
        self.model = Model(window_len)

    def forward(self, video, queries=None):
        assert video.dtype == torch.float32 and video.max() > 2 and video.shape[2] == 3
        assert video.shape[1] <= 12, "the whole clip in one window"
        xy, visible = self.model.follow(video[0], queries[0])
        return xy[None], visible[None]

class CoTrackerOnlinePredictor(torch.nn.Module):
    def __init__(self, checkpoint, offline=False, v2=False, window_len=16):
        super().__init__()
        assert checkpoint is None
        self.model, self.step = Model(window_len), window_len // 2

    def forward(self, video_chunk, is_first_step=False, queries=None):
        if is_first_step:
            self.queries, self.frames, self.begin = queries[0], None, 0
            return None, None
        assert video_chunk.shape[1] <= 2 * self.step
        old = [] if self.frames is None else [self.frames[: self.begin]]
        if old:
            known = self.frames[self.begin : self.begin + self.step]
            assert torch.equal(video_chunk[0, : len(known)], known), "chunks overlap by a step"
        self.frames = torch.cat([*old, video_chunk[0]])
        self.begin += self.step
        xy, visible = self.model.follow(self.frames, self.queries)
        return xy[None], visible[None]
"""
TAPIR = '''
import torch
from tapnet.torch.motion import Model

class TAPIR(Model):
    def __init__(self, pyramid_level=1):
        super().__init__(60)

    def forward(self, video, query_points):
        """Raster coordinates: the first pixel's centre is at 0.5."""
        assert video.shape[2:] == (256, 256, 3) and -1 <= video.min() < -0.5
        frames = (video[0].permute(0, 3, 1, 2) + 1) / 2 * 255
        small = 256 / self.size
        t, y, x = query_points[0].unbind(-1)
        raster = torch.stack([x, y], -1)
        red = self.red(frames, t.long(), raster)
        params = dict(self.named_buffers())
        tracks, hidden = [], []
        for now in range(len(frames)):
            moved = self.moved(raster / small, now - t, params) * small
            place = torch.where(red[:, None], moved, raster)
            tracks.append(place)
            hidden.append(self.red(frames, torch.full_like(t, now).long(), place) != red)
        hidden = torch.stack(hidden, 1).float() * 20 - 10
        return {"tracks": torch.stack(tracks, 1)[None], "occlusion": hidden[None],
                "expected_dist": torch.full_like(hidden, -10)[None]}

    def red(self, frames, t, raster):
        from tapnet.torch.motion import is_red
        return is_red(frames, t, raster - 0.5)

    def moved(self, xy, num_frames, params):
        from tapnet.torch.motion import move
        return move(xy, num_frames, params)
'''
FOLLOW = FollowOptions(
    max_background_tracks=80,
    max_object_tracks=40,
    seed_every_frames=5,
    window_frames=12,
    overlap_frames=4,
)


def write_package(folder: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return folder


def write_weights(path: Path, centre: np.ndarray, window_len: int) -> str:
    state = {
        "turn_deg": torch.tensor(contract.TURN_DEG),
        "growth": torch.tensor(contract.GROWTH),
        "centre": torch.tensor(centre, dtype=torch.float32),
        "size": torch.tensor([contract.WIDTH, contract.HEIGHT], dtype=torch.float32),
        "time_emb": torch.zeros(window_len),
    }
    torch.save({k: v.float() for k, v in state.items()}, path)
    return str(path)


@pytest.fixture
def only_here() -> Iterator[None]:
    """Stand-in packages are forgotten after the test."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("cotracker", "tapnet"):
            del sys.modules[name]


@pytest.fixture
def cotracker(tmp_path: Path, only_here: None) -> CoTrackerOptions:
    files = {
        "cotracker/__init__.py": "",
        "cotracker/predictor.py": COTRACKER,
        "cotracker/motion.py": MOTION,
    }
    checkout = write_package(tmp_path / "co-tracker", files)
    # It counts pixel centres from 0.
    weights = write_weights(tmp_path / "scaled_offline.pth", contract.CENTRE_PX - 0.5, 60)
    return CoTrackerOptions(
        checkpoint=weights, checkout=str(checkout), device="cpu", batch_size=64, follow=FOLLOW
    )


@pytest.fixture
def tapir(tmp_path: Path, only_here: None) -> TapirOptions:
    files = {
        "tapnet/__init__.py": "",
        "tapnet/torch/__init__.py": "",
        "tapnet/torch/tapir_model.py": TAPIR,
        "tapnet/torch/motion.py": MOTION,
    }
    checkout = write_package(tmp_path / "tapnet", files)
    weights = write_weights(tmp_path / "bootstapir.pt", contract.CENTRE_PX, 60)
    return TapirOptions(
        checkpoint=weights, checkout=str(checkout), device="cpu", batch_size=64, follow=FOLLOW
    )


def test_lucas_kanade() -> None:
    options = LucasKanadeOptions(max_background_tracks=80, max_object_tracks=40, window_px=11)
    contract.check_tracker(LucasKanadeTracker(options))


def test_cotracker_offline(cotracker: CoTrackerOptions) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    contract.check_tracker(CoTracker(cotracker))


def test_cotracker_online(cotracker: CoTrackerOptions, tmp_path: Path) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    weights = write_weights(tmp_path / "scaled_online.pth", contract.CENTRE_PX - 0.5, 16)
    options = replace(cotracker, mode="online", checkpoint=weights)
    contract.check_tracker(CoTracker(options))


def test_tapir(tapir: TapirOptions) -> None:
    from camvid.models.trackers.tapir import Tapir

    contract.check_tracker(Tapir(tapir))


def test_tracks_run_through_the_seams_between_windows(cotracker: CoTrackerOptions) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    tracks = CoTracker(cotracker).track(*contract.scene())
    first = (tracks.query_frame == 0) & (tracks.object_id == contract.TURNING)
    lasting = [contract.longest_run(seen) for seen in tracks.visible[:, first].T]
    assert np.median(lasting) == contract.NUM_FRAMES


def test_weights_are_told_as_non_commercial(cotracker: CoTrackerOptions) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    (weight,) = CoTracker(cotracker).weights
    assert weight.licence == "CC-BY-NC-4.0"
    assert not weight.commercial
    assert len(weight.sha256) == 64


def test_a_checkout_that_is_not_there(cotracker: CoTrackerOptions, tmp_path: Path) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    with pytest.raises(BackendUnavailable, match=r"package cotracker must be .* git clone https"):
        CoTracker(replace(cotracker, checkout=str(tmp_path / "nowhere")))


def test_weights_of_another_network(cotracker: CoTrackerOptions, tmp_path: Path) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    weights = write_weights(tmp_path / "scaled_online.pth", contract.CENTRE_PX, 16)
    with pytest.raises(BackendUnavailable, match=r"scaled_online.pth must hold the weights of Co"):
        CoTracker(replace(cotracker, checkpoint=weights))


def test_points_that_do_not_fit_the_memory_are_followed_in_halves(
    cotracker: CoTrackerOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from camvid.models.trackers.cotracker import CoTracker

    tracker = CoTracker(cotracker)
    whole = tracker.track(*contract.scene())
    forward, sizes = type(tracker._predictor).forward, []

    def scarce(self: object, video: object, queries: object = None) -> object:
        sizes.append(queries.shape[1])
        if queries.shape[1] > 20:
            raise torch.OutOfMemoryError("no room")
        return forward(self, video, queries=queries)

    monkeypatch.setattr(type(tracker._predictor), "forward", scarce)
    halved = tracker.track(*contract.scene())
    assert max(sizes) == 64
    assert sum(size > 20 for size in sizes) == 2  # 64 and 32 fail; 16 is kept from there on
    np.testing.assert_array_equal(halved.xy_px, whole.xy_px)


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="overlap_frames must be from 1 to window_frames - 1 = 9"):
        FollowOptions(window_frames=10, overlap_frames=10)
    with pytest.raises(ConfigError, match="seed_every_frames must be at least 1, got 0"):
        FollowOptions(seed_every_frames=0)
