"""What could not be measured is told: by its share of the images, and by the interval."""

from dataclasses import replace

import numpy as np
import pytest

from camvid.artifacts import NAN, MaskedObject, MotionReport, ObjectMasks, PointTracks, Rigidity
from camvid.motion import measure_motion
from camvid.objects import Origin
from camvid.verdict import Policy
from tests.camvid.motion.test_measure import STILL, Scene, measured, rated


def measured_of(scene: Scene, origin: Origin, points: int) -> MotionReport:
    """A moving thing of `points` keypoints, beside one that stands still and is measured."""
    tracks, own = scene.tracks(), scene.masks().object_id
    ids = np.where(own > 0, 1, 0).astype(np.uint16)
    ids[:, :, :100] = 2  # on the wall
    x = tracks.xy_px[0, :, 0]
    owner = np.where((tracks.object_id == 0) & (x < 90), 2, tracks.object_id)
    kept = np.cumsum(tracks.object_id == 1) <= points
    visible = tracks.visible & (kept | (tracks.object_id == 0))
    tracks = replace(tracks, object_id=owner.astype(np.uint16), visible=visible)
    objects = (MaskedObject(1, "it", 1.0, origin), MaskedObject(2, "that", 1.0, Origin.SALIENT))
    masks = ObjectMasks(object_id=ids, objects=objects)
    depth = scene.depth(ObjectMasks(object_id=own, objects=()))
    return measured(scene.clip(), masks, scene.cameras(), depth, tracks)


def test_what_could_not_be_measured_is_told_by_its_share_of_the_images() -> None:
    scene = Scene(object_speed=(0.0, 1.0, 0.0), camera_speed=0.1)
    area = measured_of(scene, Origin.MOVING, 60).per_object[0].area_fraction
    assert measured_of(scene, Origin.MOVING, 60).unmeasured_fraction == 0
    assert measured_of(scene, Origin.MOVING, 3).motion_strength < STILL
    assert measured_of(scene, Origin.MOVING, 3).unmeasured_fraction == pytest.approx(area)
    assert measured_of(scene, Origin.CLASS, 3).unmeasured_fraction == pytest.approx(area)


def test_a_thing_without_tracks_in_which_no_flow_moves_is_doubted_less_at_high_rates() -> None:
    def doubt(fps: int) -> float:
        seconds = np.arange(2 * fps) / fps
        report = measured_of(Scene(camera_speed=0.1, timestamps_s=seconds), Origin.SALIENT, 0)
        return report.unmeasured_fraction / report.per_object[0].area_fraction

    assert doubt(24) == pytest.approx(0.1)
    assert doubt(5) == pytest.approx(0.48)


def test_where_nothing_is_measured_calm_things_are_doubted_in_full() -> None:
    scene = Scene(object_points=5)
    masks = replace(scene.masks(), objects=(MaskedObject(1, "it", 1.0, Origin.SALIENT),))
    report = measured(scene.clip(), masks, scene.cameras(), scene.depth(masks), scene.tracks())
    assert report.unmeasured_fraction == pytest.approx(report.per_object[0].area_fraction)


def test_a_mover_in_one_mask_with_more_that_stands_still_is_told() -> None:
    """One track in seven moves: too few for the object, but not nothing."""
    scene = Scene(
        object_speed=(0.0, 1.0, 0.0),
        camera_speed=0.1,
        caught_background=0.85,
        object_confidence=15,
    )
    report = scene.measure()
    area = report.per_object[0].area_fraction
    assert report.motion_strength < STILL
    assert 0.05 * area < report.unmeasured_fraction < 0.4 * area
    assert report.unmeasured_fraction > Policy().max_unmeasured_fraction
    assert replace(scene, caught_background=1.0).measure().unmeasured_fraction == 0


def test_tracks_that_all_stray_and_may_be_misled_leave_it_open_whether_a_thing_moves() -> None:
    """The images say three to one that they are misled: no strength, but no stillness either."""
    scene = Scene(object_speed=(0.0, 1.0, 0.0), camera_speed=0.1)
    masks, tracks = scene.masks(), scene.tracks()
    rigidity = rated(scene.clip(), scene.cameras(), tracks)
    shown = np.where(rigidity.log_ratio > 0, -0.6, NAN)

    def report(rigidity: Rigidity) -> MotionReport:
        depth = scene.depth(masks)
        return measure_motion(scene.clip(), masks, scene.cameras(), depth, tracks, rigidity)

    open_, sure = report(replace(rigidity, image_ratio=shown)), report(rigidity)
    assert open_.motion_strength == 0
    assert 0.2 < open_.per_object[0].probability < 0.5
    assert open_.unmeasured_probability == pytest.approx(open_.per_object[0].probability)
    assert sure.motion_strength == pytest.approx(scene.expected(), rel=0.03)
    assert sure.unmeasured_probability == 0


def test_pairs_that_were_not_measured_widen_the_interval() -> None:
    """The object's tracks end after a third of the clip; its mask does not."""
    scene = Scene(object_speed=(0.0, 1.0, 0.0))
    tracks, masks = scene.tracks(), scene.masks()
    seen = tracks.visible & ((np.arange(36) < 13)[:, None] | (tracks.object_id == 0))
    depth = scene.depth(masks)

    def measure(tracks: PointTracks) -> MotionReport:
        return measured(scene.clip(), masks, scene.cameras(), depth, tracks)

    whole, part = measure(tracks), measure(replace(tracks, visible=seen))
    assert part.motion_strength == pytest.approx(scene.expected(), rel=0.03)
    assert part.interval_high > 1.5 * part.motion_strength > whole.interval_high
    share = part.unmeasured_fraction / part.per_object[0].area_fraction
    assert share == pytest.approx(23 / 35, abs=0.05)
    # no static point explains what was measured: it moved then, whatever came after
    assert part.interval_low > 0.5 * part.motion_strength
