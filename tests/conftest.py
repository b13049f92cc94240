"""Fixtures that many tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    ObjectMotion,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
)
from camvid.objects import Origin
from camvid.outcome import Reason
from tests.factories import CLIPS, SIZE, make_clip

# Where the longest files lie: begun first, so that no core waits for one at the end.
LONGEST = ("e2e", "workflows", "genxd", "models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`--no-loadscope-reorder` keeps this order."""

    def rank(item: pytest.Item) -> int:
        folders = item.nodeid.split("/")
        return next((i for i, name in enumerate(LONGEST) if name in folders), len(LONGEST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A local Ray, started once in each process of the tests: whoever asks for one joins it."""
    pytest.importorskip("ray")
    from workflows.execution.ray_cluster import ray_cluster

    with ray_cluster("local", workers=2, num_pools=10):
        yield


@pytest.fixture
def real_clip() -> Callable[[str], Path]:
    """Path of a file of the shared clips; skips by name where they are absent."""

    def find(name: str) -> Path:
        path = CLIPS / name
        if not path.exists():
            pytest.skip(f"needs ../shared/clips/{name}")
        return path

    return find


@pytest.fixture
def clip() -> Clip:
    return make_clip("c" * 16)


@pytest.fixture
def masks(clip: Clip) -> ObjectMasks:
    object_id = np.zeros((clip.num_frames, *SIZE), np.uint16)
    object_id[:, 4:12, 6:14] = 1
    object_id[:, 14:20, 20:30] = 2
    objects = (MaskedObject(1, "moving", 0.9, Origin.MOVING), MaskedObject(2, "bear", 0.4))
    return ObjectMasks(object_id=object_id, objects=objects)


@pytest.fixture
def reconstruction(clip: Clip) -> Reconstruction:
    rng = np.random.default_rng(7)
    cam_from_world = np.tile(np.eye(3, 4), (clip.num_frames, 1, 1))
    cam_from_world[:, 0, 3] = np.linspace(0, 0.5, clip.num_frames)
    registered = np.ones(clip.num_frames, bool)
    registered[-1] = False
    cam_from_world[-1] = np.nan
    return Reconstruction(
        camera="moving",
        K=np.array([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]]),
        cam_from_world=cam_from_world,
        registered=registered,
        points_world=(rng.normal(size=(20, 3)) + [0, 0, 4]).astype(np.float32),
        point_rgb=rng.integers(0, 255, (20, 3), dtype=np.uint8),
        observation_frame=np.zeros(20, np.int32),
        observation_point=np.arange(20, dtype=np.int32),
        observation_xy_px=rng.uniform(1, 20, (20, 2)).astype(np.float32),
        quality=ReconstructionQuality(
            registered_fraction=5 / 6,
            num_points=20,
            mean_reprojection_error_px=0.4,
            median_triangulation_angle_deg=6.0,
            focal_px=30.0,
        ),
    )


@pytest.fixture
def depth(clip: Clip) -> DepthMaps:
    rng = np.random.default_rng(3)
    z = rng.uniform(1, 40, (clip.num_frames, *SIZE)).astype(np.float32)
    valid = rng.random(z.shape) > 0.1
    z[~valid] = 0
    return DepthMaps(
        depth=z,
        valid=valid,
        confidence=np.where(valid, 200, 0).astype(np.uint8),
        scale=np.ones(clip.num_frames),
        shift=np.zeros(clip.num_frames),
        residual=np.full(clip.num_frames, 0.02),
        source="geometric",
    )


@pytest.fixture
def tracks(clip: Clip) -> PointTracks:
    rng = np.random.default_rng(5)
    return PointTracks(
        xy_px=rng.uniform(0, 20, (clip.num_frames, 9, 2)).astype(np.float32),
        visible=rng.random((clip.num_frames, 9)) > 0.2,
        object_id=np.array([0, 0, 0, 1, 1, 1, 2, 2, 2], np.uint16),
        query_frame=np.zeros(9, np.int32),
    )


@pytest.fixture
def motion() -> MotionReport:
    first = ObjectMotion(
        object_id=1,
        label="moving",
        motion_strength=0.02,
        lower_bound=0.01,
        low=0.015,
        high=0.03,
        num_tracks=3,
        num_pairs=4,
        area_fraction=0.08,
    )
    return MotionReport(
        motion_strength=0.02,
        lower_bound=0.01,
        background=0.0004,
        confidence=0.95,
        pair_gap_s=1 / 12,
        method="depth",
        per_object=(first,),
        pair_frames=np.array([[0, 2], [1, 3], [2, 4], [3, 5]], np.int32),
        pair_strength=np.array([[0.0004, 0.02], [np.nan, 0.02], [0.0003, np.nan], [0.0005, 0.02]]),
        num_tracks=9,
        interval_low=0.015,
        interval_high=0.03,
        depth_residual=0.02,
        unmeasured_fraction=0.0,
    )


@pytest.fixture
def verdict() -> Verdict:
    return Verdict(
        kind="4d",
        reasons=(),
        camera="moving",
        camera_reasons=(Reason("min_points", 20.0, 30.0),),
        measured={"motion_strength": 0.02, "focal_px": float("nan")},
        limits={"min_motion_strength": 0.003},
    )
