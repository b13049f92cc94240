"""The images of docs/METHOD.md: one generated scene, curated, and what each stage made of it.

python docs/pictures.py [--run DIR]    DIR keeps the run, so that it is not curated again
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from camvid.artifacts import (
    U8,
    DepthMaps,
    Frames,
    MovableMasks,
    PointTracks,
    Rigidity,
)
from camvid.report.encode import encode_jpeg
from camvid.report.overlay import Overlay, OverlayOptions
from camvid.rigidity.posterior import posterior, priors_of
from camvid.scenes.demo import demo_scenes
from camvid.scenes.movie import write_video
from camvid.scenes.render import render
from camvid.store import ClipStore
from camvid.tracking.tracks import owners
from workflows.curate import CurateConfig, curate
from workflows.execution import in_process
from workflows.reporting import load_evidence

IMAGES = Path(__file__).parent / "images"
WIDTH_PX, HEIGHT_PX, NUM_FRAMES = 480, 270, 48
STATIC_RGB, MOVING_RGB = (90, 200, 120), (240, 80, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="runs/pictures")
    store = curated(Path(parser.parse_args().run))
    (clip_id,) = store.clip_ids()
    IMAGES.mkdir(exist_ok=True)
    for name, image in drawn(store, clip_id).items():
        (IMAGES / f"{name}.jpg").write_bytes(encode_jpeg(image, quality=75))


def curated(folder: Path) -> ClipStore:
    """The run of one orbit past movers."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = next(spec for spec in demo_scenes() if spec.name == "orbit_movers")
    small = replace(spec, width_px=WIDTH_PX, height_px=HEIGHT_PX, num_frames=NUM_FRAMES)
    video = folder / "orbit.mp4"
    if not video.exists():
        write_video(video, render(small).rgb, small.fps)
    store = ClipStore(str(folder / "run"))
    curate([str(video)], store.root, CurateConfig(), in_process.run)
    return store


def drawn(store: ClipStore, clip_id: str) -> dict[str, U8]:
    """Each image by its name: two frames side by side, of one moment or of two."""
    frames = store.load(clip_id, Frames).rgb
    at = len(frames) // 2
    segmented = store.load(clip_id, MovableMasks).object_id
    depth = store.load(clip_id, DepthMaps)
    overlay = Overlay(load_evidence(store, clip_id), OverlayOptions(long_side_px=WIDTH_PX))
    return {
        "segment": beside(frames[at], tinted(frames[at], segmented[at])),
        "rigidity": beside(
            with_tracks(store, clip_id, at // 2), with_tracks(store, clip_id, at + at // 2)
        ),
        "depth": beside(inverse_depth(depth, at), confidence(depth, at)),
        "motion": beside(overlay.draw(at), overlay.draw(at + 6)),
    }


def beside(left: U8, right: U8) -> U8:
    gap = np.full((len(left), 6, 3), 255, np.uint8)
    return np.hstack([left, gap, right])


def tinted(rgb: U8, object_id: np.ndarray) -> U8:
    """What is masked in the colour of its object, the rest as it is."""
    colours = cv2.applyColorMap((37 * object_id % 256).astype(np.uint8), cv2.COLORMAP_HSV)
    mixed = (0.5 * rgb + 0.5 * colours[..., ::-1]).astype(np.uint8)
    return np.where((object_id > 0)[..., None], mixed, rgb)


def with_tracks(store: ClipStore, clip_id: str, at: int) -> U8:
    """A frame with its tracks, from green (one static point explains it) to red (none does)."""
    image = np.array(store.load(clip_id, Frames).rgb[at])
    tracks, masks = store.load(clip_id, PointTracks), store.load(clip_id, MovableMasks)
    rigidity = store.load(clip_id, Rigidity)
    owner = owners(tracks, masks.object_id)
    moves = posterior(rigidity, owner, priors_of(masks.objects)).track_moves
    for track in np.flatnonzero(tracks.visible[at] & np.isfinite(moves)):
        mix = moves[track] * np.array(MOVING_RGB) + (1 - moves[track]) * np.array(STATIC_RGB)
        x, y = np.rint(tracks.xy_px[at, track] - 0.5).astype(int).tolist()
        cv2.circle(image, (x, y), 2, mix.tolist(), -1, cv2.LINE_AA)
    return image


def inverse_depth(depth: DepthMaps, at: int) -> U8:
    """Near is bright."""
    near = np.where(depth.valid[at], 1 / np.maximum(depth.depth[at], 1e-6), 0)
    levels = np.clip(255 * near / np.percentile(near, 99), 0, 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]


def confidence(depth: DepthMaps, at: int) -> U8:
    return np.repeat(depth.confidence[at][..., None], 3, axis=-1)


if __name__ == "__main__":
    main()
