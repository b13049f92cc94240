"""Geometric depth, tracks and motion strength on rendered clips with exact truth."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from camvid.artifacts import (
    F32,
    F64,
    U8,
    U16,
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Video,
)
from camvid.geometry import cam_from_img, img_from_cam, invert_rigid, transform_points
from camvid.models.depth.geometric import GeometricDepth
from camvid.models.trackers.lucas_kanade import LucasKanadeTracker
from camvid.rigidity.posterior import moving_objects
from camvid.scenes.demo import demo_scenes
from camvid.scenes.render import render
from camvid.scenes.truth import true_motion_strength
from camvid.tracking.tracks import with_owners
from tests.camvid.motion.test_measure import measured, rated
from tests.factories import CLIPS

NUM_FRAMES, FPS = 24, 24
GAP = 2  # frames: the default pair gap at 24 Hz


class Truth(NamedTuple):
    frames: Frames
    object_id: U16  # [T, H, W]
    depth: F32  # [T, H, W]
    cameras: Reconstruction
    strength: float  # of the object that moves most


@cache
def load(name: str, first: int) -> Truth:
    folder = CLIPS / name
    if not folder.exists():
        pytest.skip(f"needs ../shared/clips/{name}")
    truth = json.loads((folder / "cameras.json").read_text())
    records = truth["frames"][first : first + NUM_FRAMES]
    rgb = np.stack([_read(folder / f"rgb/{r['i']:04d}.jpg")[..., ::-1] for r in records])
    depth = np.stack([_read(folder / f"depth/{r['i']:04d}.png") for r in records])
    mask = np.stack([_read(folder / f"mask/{r['i']:04d}.png") for r in records])
    K = np.array(truth["K"])
    world_from_cam = np.array([r["cam_c2w_opencv"] for r in records])[:, :3]
    depth_m, object_id = (depth / 1000).astype(np.float32), (mask // 100).astype(np.uint16)
    cameras = _cameras(K, invert_rigid(world_from_cam), depth_m, object_id)
    strength = _strongest(truth, records, cameras, depth_m)
    frames = Frames(rgb=np.ascontiguousarray(rgb, np.uint8))
    return Truth(frames, object_id, depth_m, cameras, strength)


def _read(path: Path) -> U8 | U16:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # pyright: ignore[reportReturnType]


def _cameras(K: F64, cam_from_world: F64, depth: F32, object_id: U16) -> Reconstruction:
    """True cameras, with sparse points on a grid of every fourth frame's static pixels."""
    world: list[F64] = []
    places: list[F64] = []
    index = range(len(depth))
    for t in index:
        x, y = np.meshgrid(np.arange(8, 640, 32) + 0.5, np.arange(8, 360, 32) + 0.5)
        xy_px = np.stack([x.ravel(), y.ravel()], -1)
        column, row = xy_px.astype(int).T
        xy_px = xy_px[object_id[t, row, column] == 0]
        column, row = xy_px.astype(int).T
        points = cam_from_img(K, xy_px, depth[t, row, column].astype(np.float64))
        world.append(transform_points(invert_rigid(cam_from_world[t]), points))
        places.append(np.asarray(xy_px, np.float64))
    points_world = np.concatenate(world).astype(np.float32)
    return Reconstruction(
        camera="moving",
        K=K,
        cam_from_world=cam_from_world,
        registered=np.ones(len(depth), bool),
        points_world=points_world,
        point_rgb=np.zeros((len(points_world), 3), np.uint8),
        observation_frame=np.repeat(index, [len(p) for p in places]).astype(np.int32),
        observation_point=np.arange(len(points_world), dtype=np.int32),
        observation_xy_px=np.concatenate(places).astype(np.float32),
        quality=ReconstructionQuality(),
    )


def _strongest(
    truth: dict[str, Any], records: list[dict[str, Any]], cameras: Reconstruction, depth: F32
) -> float:
    """Exact strength from the surface points seen at both ends of each pair."""
    strengths: list[float] = []
    for name, local in truth["mover_points_local"].items():
        matrices = np.array([r["movers"][name] for r in records])[:, :3]
        world = transform_points(matrices, np.array(local))
        seen = img_from_cam(cameras.K, transform_points(cameras.cam_from_world, world))
        still = img_from_cam(
            cameras.K, transform_points(cameras.cam_from_world[GAP:], world[:-GAP])
        )[0]
        shown = np.stack([_shown(depth[t], seen[0][t], seen[1][t]) for t in range(len(depth))])
        length = np.linalg.norm((seen[0][GAP:] - still) / (640, 360), axis=-1)
        length[~(shown[GAP:] & shown[:-GAP])] = np.nan
        told = np.isfinite(length).sum(axis=1) >= 3
        strengths.append(float(np.nanmean(length[told], axis=1).mean()))
    return max(strengths)


def _shown(depth: F32, xy_px: F64, z: F64) -> np.ndarray:
    inside = ((xy_px >= 0) & (xy_px < (640, 360))).all(axis=1)
    column, row = np.clip(xy_px.astype(int), 0, (639, 359)).T
    return inside & (np.abs(depth[row, column] / z - 1) < 0.02)


def masks_of(object_id: U16, grown_px: int) -> ObjectMasks:
    grown = np.zeros_like(object_id)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grown_px + 1, 2 * grown_px + 1))
    for ids, wider in zip(object_id, grown, strict=True):
        for label in (1, 2):
            wider[cv2.dilate((ids == label).astype(np.uint8), kernel) > 0] = label
    objects = (MaskedObject(1, "monkey", 1.0), MaskedObject(2, "ball", 1.0))
    return ObjectMasks(object_id=grown, objects=objects)


def clip_of(truth: Truth, fps: float = FPS) -> Clip:
    num_frames = len(truth.object_id)
    video = Video(
        video_id="v", uri="", sha256="", width_px=640, height_px=360, fps=fps,
        num_frames=num_frames, duration_s=num_frames / fps,
    )  # fmt: skip
    return Clip(
        clip_id="c",
        video=video,
        start_s=0.0,
        end_s=num_frames / fps,
        timestamps_s=np.arange(num_frames) / fps,
        source_frame_index=np.arange(num_frames, dtype=np.int32),
        width_px=640,
        height_px=360,
        crop_px=(0, 0, 640, 360),
    )


def tracked(truth: Truth, masks: ObjectMasks) -> PointTracks:
    return with_owners(LucasKanadeTracker().track(truth.frames, masks), masks)


def estimated_depth(truth: Truth, masks: ObjectMasks) -> DepthMaps:
    """As the stages do it."""
    tracks = tracked(truth, masks)
    rigidity = rated(clip_of(truth), truth.cameras, tracks)
    moving = moving_objects(masks, tracks, rigidity)
    return GeometricDepth().estimate(truth.frames, masks, truth.cameras, moving)


def strength_of(
    truth: Truth, masks: ObjectMasks, depth: DepthMaps, fps: float = FPS
) -> MotionReport:
    """As the stages do it."""
    return measured(clip_of(truth, fps), masks, truth.cameras, depth, tracked(truth, masks))


@cache
def measured_depth(name: str, grown_px: int) -> tuple[Truth, ObjectMasks, DepthMaps]:
    """Of a clip of ../shared, with masks that reach so far beyond its objects."""
    truth = load(name, 10)
    masks = masks_of(truth.object_id, grown_px)
    return truth, masks, estimated_depth(truth, masks)


def rendered(name: str) -> Truth:
    """A scene of the demo, with the object that moves most known from its matrices."""
    spec = next(s for s in demo_scenes() if s.name == name)
    spec = replace(spec, num_frames=NUM_FRAMES, width_px=640, height_px=360)
    scene = render(spec)
    cameras = _cameras(scene.K, scene.cam_from_world, scene.depth, scene.object_id)
    strength = max(true_motion_strength(scene, GAP / FPS).values())
    return Truth(Frames(rgb=scene.rgb), scene.object_id, scene.depth, cameras, strength)


@cache
def every_second_frame(name: str) -> tuple[Truth, ObjectMasks, DepthMaps]:
    """A scene of the demo at half its frame rate, with its own masks."""
    spec = next(s for s in demo_scenes() if s.name == name)
    scene = render(replace(spec, num_frames=NUM_FRAMES, width_px=640, height_px=360))
    strength = max(true_motion_strength(scene, GAP / FPS).values(), default=0.0)
    ids, depth = scene.object_id[::2], scene.depth[::2]
    cameras = _cameras(scene.K, scene.cam_from_world[::2], depth, ids)
    truth = Truth(Frames(rgb=scene.rgb[::2].copy()), ids, depth, cameras, strength)
    masks = masks_of(ids, 0)
    return truth, masks, estimated_depth(truth, masks)


def rims_of(object_id: U16, half_px: int) -> ObjectMasks:
    """Bands along the outlines: what is tracked there are mostly crossings of two outlines."""
    wide, kernel = masks_of(object_id, half_px), np.ones((2 * half_px + 1,) * 2, np.uint8)
    bands = np.array(wide.object_id)
    for ids, band in zip(object_id, bands, strict=True):
        band[cv2.erode((ids > 0).astype(np.uint8), kernel) > 0] = 0
    return ObjectMasks(object_id=bands, objects=wide.objects)


def test_outlines_of_still_things_are_still() -> None:
    truth = rendered("orbit_still")
    masks = rims_of(truth.object_id, 10)
    report = strength_of(truth, masks, estimated_depth(truth, masks))
    assert truth.strength == 0
    assert report.num_tracks > 400
    assert report.motion_strength < 0.001


def test_outlines_of_movers_move() -> None:
    truth = rendered("orbit_movers")
    masks = rims_of(truth.object_id, 10)
    report = strength_of(truth, masks, estimated_depth(truth, masks))
    assert report.motion_strength == pytest.approx(truth.strength, rel=0.3)
    assert report.confidence > 0.7


@pytest.mark.parametrize("fps", [3.3, 5, 6])
def test_movers_are_measured_at_low_frame_rates(fps: float) -> None:
    """Images 1/12 s apart, shown more slowly: the same steps, over a longer time."""
    truth, masks, depth = every_second_frame("orbit_movers")
    report = strength_of(truth, masks, depth, fps)
    slowed = truth.strength * fps / 12
    assert report.motion_strength == pytest.approx(slowed, rel=0.2)
    assert report.interval_low <= slowed <= report.interval_high


def test_depth_reaches_its_goals_beside_and_on_movers() -> None:
    truth, _, found = measured_depth("syn_orbit_movers", 0)
    error = np.abs(found.depth / truth.depth - 1)
    assert found.valid.all()
    assert error[truth.object_id == 0].mean() < 0.02
    assert error[truth.object_id > 0].mean() < 0.3  # a ball in the air throughout
    assert found.confidence[truth.object_id > 0].max() < 64


@pytest.mark.parametrize("grown_px", [0, 6])
def test_strength_of_movers(grown_px: int) -> None:
    truth, masks, depth = measured_depth("syn_orbit_movers", grown_px)
    report = strength_of(truth, masks, depth)
    assert report.motion_strength == pytest.approx(truth.strength, rel=0.15)
    assert report.confidence > 0.5


@pytest.mark.parametrize("grown_px", [0, 6])
def test_still_objects_are_still(grown_px: int) -> None:
    truth, masks, depth = measured_depth("syn_orbit_static_scene", grown_px)
    report = strength_of(truth, masks, depth)
    assert truth.strength == pytest.approx(0, abs=1e-6)
    assert report.motion_strength < 0.0005
    error = np.abs(depth.depth / truth.depth - 1)
    assert error.mean() < 0.02  # masked objects that stand still are measured, too
