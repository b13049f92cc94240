"""The drawn evidence: right places, true time, and the same bytes every time."""

import io
import time
from dataclasses import replace

import av
import numpy as np
import pytest

from camvid.artifacts import (
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    ObjectMasks,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Video,
)
from camvid.geometry import img_from_cam, transform_points
from camvid.report.arrows import camera_predicted, draw_arrows
from camvid.report.colours import object_rgb
from camvid.report.encode import encode_animation, encode_jpeg
from camvid.report.evidence import ClipEvidence
from camvid.report.overlay import Overlay, OverlayOptions, animate, label_text

T, H, W = 24, 120, 160
K = np.array([[140.0, 0, W / 2], [0, 140.0, H / 2], [0, 0, 1]])


def clip_at(timestamps_s: np.ndarray) -> Clip:
    video = Video(
        video_id="v",
        uri="a.mp4",
        sha256="0" * 64,
        width_px=W,
        height_px=H,
        fps=24.0,
        num_frames=T,
        duration_s=1.0,
    )
    return Clip(
        clip_id="a",
        video=video,
        start_s=float(timestamps_s[0]),
        end_s=float(timestamps_s[-1]),
        timestamps_s=timestamps_s.astype(np.float64),
        source_frame_index=np.arange(len(timestamps_s), dtype=np.int32),
        width_px=W,
        height_px=H,
        crop_px=(0, 0, W, H),
    )


def scene() -> ClipEvidence:
    """A camera sliding right past a wall at depth 4; keypoint 0 also moves by itself."""
    rng = np.random.default_rng(0)
    cam_from_world = np.tile(np.eye(3, 4), (T, 1, 1))
    cam_from_world[:, 0, 3] = -np.linspace(0, 0.6, T)
    world = np.concatenate([rng.uniform((-1, -1), (1.5, 1), (40, 2)), np.full((40, 1), 4.0)], 1)
    xy_px, _ = img_from_cam(K, transform_points(cam_from_world, world))
    xy_px[:, 0, 1] = 40 + np.arange(T)
    object_id = np.zeros((T, H, W), np.uint16)
    object_id[:, 30:70, 60:110] = 1
    owner = np.zeros(40, np.uint16)
    owner[0] = 1
    return ClipEvidence(
        clip=clip_at(np.arange(T) / 24),
        frames=Frames(rgb=np.full((T, H, W, 3), 90, np.uint8)),
        masks=ObjectMasks(object_id=object_id, objects=(MaskedObject(1, "dog", 1.0),)),
        reconstruction=Reconstruction(
            camera="moving",
            K=K,
            cam_from_world=cam_from_world,
            registered=np.ones(T, bool),
            points_world=world.astype(np.float32),
            point_rgb=np.zeros((40, 3), np.uint8),
            observation_frame=np.repeat(np.arange(T, dtype=np.int32), 40),
            observation_point=np.tile(np.arange(40, dtype=np.int32), T),
            observation_xy_px=xy_px.reshape(-1, 2).astype(np.float32),
            quality=ReconstructionQuality(),
        ),
        tracks=PointTracks(
            xy_px=xy_px.astype(np.float32),
            visible=np.ones((T, 40), bool),
            object_id=owner,
            query_frame=np.zeros(40, np.int32),
        ),
        depth=DepthMaps(
            depth=np.full((T, H, W), 4.0, np.float32),
            valid=np.ones((T, H, W), bool),
            confidence=np.full((T, H, W), 255, np.uint8),
            scale=np.ones(T),
            shift=np.zeros(T),
            residual=np.zeros(T),
            source="geometric",
        ),
    )


def test_prediction_explains_static_keypoints_and_not_the_moving_one() -> None:
    e = scene()
    assert e.reconstruction
    assert e.depth
    assert e.tracks
    predicted = camera_predicted(e.reconstruction, e.depth, e.tracks, 2, 8)
    error = np.linalg.norm(e.tracks.xy_px[8] - predicted, axis=1)
    inside = ((e.tracks.xy_px[2] > 0) & (e.tracks.xy_px[2] < [W, H])).all(axis=1)
    assert error[1:][inside[1:]].max() < 1e-3
    assert error[0] == pytest.approx(6.0, abs=1e-3)


def test_no_prediction_without_depth_or_cameras() -> None:
    e = scene()
    assert e.reconstruction
    assert e.depth
    assert e.tracks
    nowhere = replace(e.depth, valid=np.zeros((T, H, W), bool))
    assert np.isnan(camera_predicted(e.reconstruction, nowhere, e.tracks, 2, 8)).all()
    assert not replace(e, depth=None).can_predict
    assert not replace(e, depth=DepthMaps.none(T, H, W)).can_predict


def test_arrows_point_from_predicted_to_observed() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    observed, predicted = np.array([[50.5, 20.5]]), np.array([[10.5, 20.5]])
    draw_arrows(image, observed, predicted, [(255, 0, 0)])
    red, green, _ = image[20, 30].tolist()
    assert red > 200
    assert green == 0
    assert not image[:, :5].any()
    thick = (image[..., 0] > 0).sum(axis=0)
    assert thick[43:49].max() > thick[12:30].max(), "the head is at the observed end"


@pytest.mark.parametrize("predicted", [None, np.full((1, 2), np.nan), np.array([[49.0, 20.0]])])
def test_nothing_is_drawn_without_motion(predicted: np.ndarray | None) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    draw_arrows(image, np.array([[50.0, 20.0]]), predicted, [(255, 0, 0)])
    assert not image.any()


def test_masks_are_tinted_in_the_objects_colour_and_outlined() -> None:
    e = scene()
    image = Overlay(replace(e, tracks=None, reconstruction=None), OverlayOptions()).draw(0)
    colour = np.array(object_rgb(1))
    assert np.abs(image[50, 85].astype(int) - (0.72 * 90 + 0.28 * colour)).max() <= 1
    assert (image[50, 60] == colour).all()
    assert (image[100, 20] == 90).all()


def test_sparse_points_are_drawn_where_the_camera_sees_them() -> None:
    e = replace(scene(), masks=None, tracks=None)
    image = Overlay(e, OverlayOptions()).draw(5)
    assert e.reconstruction
    xy_px = e.reconstruction.observation_xy_px[5 * 40 + 1 : 6 * 40]  # without the mover
    inside = ((xy_px > 2) & (xy_px < [W - 2, H - 2])).all(axis=1)
    column, row = np.floor(xy_px[inside]).astype(int).T
    assert (image[row, column] == 255).all()


def test_scaling_keeps_positions() -> None:
    """A clip twice as large, drawn at half size, shows its keypoints in the same places."""
    e = scene()
    assert e.tracks
    small = replace(e, masks=None, reconstruction=None)
    large = replace(
        small,
        frames=Frames(rgb=np.full((T, 2 * H, 2 * W, 3), 90, np.uint8)),
        tracks=replace(e.tracks, xy_px=e.tracks.xy_px * np.float32(2)),
    )
    options = OverlayOptions(long_side_px=W)
    first, second = Overlay(small, options).draw(9), Overlay(large, options).draw(9)
    assert first.shape == second.shape
    assert np.abs(first.astype(int) - second).max() <= 2


def test_animation_keeps_true_time_of_uneven_frames() -> None:
    times = np.concatenate([np.arange(12) / 24, 1.0 + np.arange(12) / 24])
    overlay = Overlay(replace(scene(), clip=clip_at(times)), OverlayOptions())
    indices, fps = overlay.frame_indices()
    assert fps == 12.0
    assert len(indices) == 18
    assert np.abs(times[indices] - np.arange(18) / 12).max() <= 0.3
    assert (np.diff(indices) >= 0).all()


def test_a_clip_of_one_frame_is_drawn() -> None:
    e = scene()
    clip, frames = clip_at(np.zeros(1)), Frames(rgb=e.frames.rgb[:1])
    bare = ClipEvidence(clip=clip, frames=frames)
    assert len(list(animate(Overlay(bare, OverlayOptions())))) == 1


def test_odd_sizes_become_even_and_the_long_side_is_kept_within() -> None:
    frames = Frames(rgb=np.zeros((2, 359, 801, 3), np.uint8))
    evidence = ClipEvidence(clip=clip_at(np.arange(2) / 24), frames=frames)
    overlay = Overlay(evidence, OverlayOptions())
    assert overlay.draw(0).shape == (286, 640, 3)


def test_labels_are_plain_and_short() -> None:
    assert label_text("hé\N{DOG FACE}\nx") == "h???x"
    assert len(label_text("a" * 99)) == 28


def test_the_animation_decodes_to_what_was_drawn() -> None:
    images = list(animate(Overlay(scene(), OverlayOptions())))
    with av.open(io.BytesIO(encode_animation(images, 12.0)), "r") as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    assert rate == 12
    assert len(decoded) == len(images)
    error = np.abs(decoded[6].astype(int) - images[6]).mean()
    assert error < 6


def test_same_images_same_bytes() -> None:
    images = list(animate(Overlay(scene(), OverlayOptions())))
    first = encode_animation(images, 12.0)
    for _ in range(6):
        assert encode_animation([p.copy() for p in images], 12.0) == first
    assert encode_jpeg(images[0]) == encode_jpeg(images[0].copy())


def test_drawing_is_fast() -> None:
    """Far above what it takes (about 3 ms at this density), far below a second a clip."""
    e = scene()
    large = replace(
        e,
        frames=Frames(rgb=np.full((T, 360, 640, 3), 90, np.uint8)),
        masks=ObjectMasks(object_id=np.ones((T, 360, 640), np.uint16), objects=()),
        depth=None,
    )
    overlay = Overlay(large, OverlayOptions())
    start = time.process_time()
    for frame in range(T):
        overlay.draw(frame)
    assert (time.process_time() - start) / T < 0.05
