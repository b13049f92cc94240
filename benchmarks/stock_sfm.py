"""Stock pycolmap (SIFT, sequential matching, incremental mapping) beside camvid's pose stage.

Both get the same frames and the same masks, one after the other, with the same number of threads.
Stock COLMAP runs with its own defaults, but for one camera for all frames, a fixed seed, and a
first pair that may be 4 degrees apart where 16 are usual: clips of two seconds have no more.
Writing its images to disk is not counted.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from camvid.artifacts import F64, NAN, Clip, Frames, MovableMasks, ObjectMasks
from camvid.evaluation.maps import true_maps
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.trajectory import TrajectoryError, trajectory_error
from camvid.evaluation.truth import ClipTruth, read_truth
from camvid.models.poses.track_sfm import TrackSfm
from camvid.models.trackers.lucas_kanade import LucasKanadeTracker
from camvid.parallel import num_threads
from camvid.sfm.colmap import pycolmap
from camvid.store import ClipStore
from workflows.cli.console import number, table

MIN_REGISTERED = 0.8
_MARGIN_PX = 4  # a mover's outline reaches beyond its mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StockSolution:
    """What stock pycolmap makes of a clip."""

    seconds: float
    cam_from_world: F64  # [T, 3, 4]; NaN where not registered
    focal_px: float  # NaN where nothing was


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One clip, solved twice."""

    name: str
    seconds: float
    stock_seconds: float
    error: TrajectoryError
    stock_error: TrajectoryError


def race(store: ClipStore, clip: ClipScores, truth_folder: Path, *, true_masks: bool) -> Race:
    """Solves a clip of a run with camvid and with stock pycolmap."""
    truth = read_truth(truth_folder)
    span, frames = store.load(clip.clip_id, Clip), store.load(clip.clip_id, Frames)
    masks = store.load(clip.clip_id, MovableMasks)
    if true_masks:
        masks = replace(masks, object_id=_moving_pixels(truth, span), objects=())
    start = time.perf_counter()
    tracks = LucasKanadeTracker().track(frames, masks)
    solved = TrackSfm().solve(span, frames, masks, tracks)
    seconds = time.perf_counter() - start
    stock = solve_stock(frames, masks)
    true_cameras = truth.cameras_at(span.source_frame_index)
    assert true_cameras is not None
    found = np.asarray(np.isfinite(stock.cam_from_world).all(axis=(1, 2)))
    return Race(
        name=clip.name,
        seconds=seconds,
        stock_seconds=stock.seconds,
        error=trajectory_error(solved.cam_from_world, solved.registered, true_cameras),
        stock_error=trajectory_error(stock.cam_from_world, found, true_cameras),
    )


def speedup(races: Sequence[Race]) -> float:
    """Stock's time over ours, all clips together."""
    return sum(r.stock_seconds for r in races) / sum(r.seconds for r in races)


def median_percents(races: Sequence[Race]) -> tuple[float, float]:
    """Median ATE in percent of the path, ours and stock's; no path counts as infinitely wrong."""
    ours, stock = _percents([r.error for r in races]), _percents([r.stock_error for r in races])
    return float(np.median(ours)), float(np.median(stock))


def race_lines(races: Sequence[Race]) -> str:
    """What the races come to."""
    ours, stock = median_percents(races)
    lost, stock_lost = (
        int(np.isinf(_percents(errors)).sum())
        for errors in ([r.error for r in races], [r.stock_error for r in races])
    )
    median = float(np.median([r.stock_seconds / r.seconds for r in races]))
    return "\n".join(
        [
            f"clips         {len(races)}",
            f"faster by     {speedup(races):.2f} in all, {median:.2f} in the median",
            f"median ATE    {ours:.4f} % of the path; stock {stock:.4f} %",
            f"no path       {lost}; stock {stock_lost}",
        ]
    )


def race_table(races: Sequence[Race]) -> str:
    """A line per clip."""
    lines = [
        [
            race.name,
            number(race.seconds, 1),
            number(race.stock_seconds, 1),
            number(race.error.registered_fraction, 0, 100),
            number(race.stock_error.registered_fraction, 0, 100),
            number(race.error.ate_percent, 4),
            number(race.stock_error.ate_percent, 4),
        ]
        for race in races
    ]
    return table(["clip", "s", "stock s", "reg %", "stock", "ATE %", "stock"], lines)


def _percents(errors: Sequence[TrajectoryError]) -> F64:
    """ATE in percent; a clip with less than 80 % of its frames has no path."""
    found = [e.ate_percent if e.registered_fraction >= MIN_REGISTERED else NAN for e in errors]
    return np.where(np.isnan(found), np.inf, found)


def _moving_pixels(truth: ClipTruth, clip: Clip) -> np.ndarray:
    assert truth.scene is not None
    _, object_id = true_maps(clip, truth.scene)
    return np.isin(object_id, truth.scene.moving_ids).astype(np.uint16)


def solve_stock(frames: Frames, masks: ObjectMasks) -> StockSolution:
    """The largest model that stock pycolmap makes of the frames where no mask lies."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = _write_images(frames, masks, folder)
        start = time.perf_counter()
        models = _map(folder)
        seconds = time.perf_counter() - start
    cam_from_world, focal_px = np.full((len(names), 3, 4), NAN), NAN
    if models:
        largest = max(models.values(), key=lambda model: model.num_reg_images())
        for image in largest.images.values():
            if image.has_pose:
                cam_from_world[names.index(image.name)] = image.cam_from_world().matrix()
                focal_px = float(image.camera.mean_focal_length())
    return StockSolution(seconds=seconds, cam_from_world=cam_from_world, focal_px=focal_px)


def _write_images(frames: Frames, masks: ObjectMasks, folder: Path) -> list[str]:
    reach = np.ones((2 * _MARGIN_PX + 1, 2 * _MARGIN_PX + 1), np.uint8)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    names = [f"{i:04d}.png" for i in range(len(frames.rgb))]
    for name, rgb, ids in zip(names, frames.rgb, masks.object_id, strict=True):
        hidden = cv2.dilate((ids > 0).astype(np.uint8), reach)
        cv2.imwrite(str(folder / "images" / name), rgb[..., ::-1])
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), 255 * (1 - hidden))
    return names


def _map(folder: Path) -> dict[int, Any]:
    database, images = folder / "database.db", folder / "images"
    extraction = pycolmap.FeatureExtractionOptions(num_threads=num_threads(), use_gpu=False)
    matching = pycolmap.FeatureMatchingOptions(num_threads=num_threads(), use_gpu=False)
    mapping = pycolmap.IncrementalPipelineOptions(num_threads=num_threads(), random_seed=0)
    mapping.mapper.init_min_tri_angle = 4.0
    pycolmap.set_random_seed(0)
    pycolmap.extract_features(
        database,
        images,
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=pycolmap.ImageReaderOptions(mask_path=str(folder / "masks")),
        extraction_options=extraction,
    )
    pycolmap.match_sequential(database, matching_options=matching)
    return pycolmap.incremental_mapping(database, images, folder / "models", options=mapping)
