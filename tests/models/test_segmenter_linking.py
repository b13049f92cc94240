"""Masks of single frames joined into objects: one id each, through crossings, gaps and errors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import U16, ObjectMasks
from camvid.models.segmenters.instances import Instance, cut_out
from camvid.models.segmenters.linking import link
from camvid.models.segmenters.options import LinkOptions
from tests.models.crossing_scene import BLUE, FPS, RED, crossing


def instances(ids: U16, labels: dict[int, str]) -> list[list[Instance]]:
    """What a perfect network finds in each frame."""
    found: list[list[Instance]] = []
    for frame in ids:
        cut = [cut_out(frame == k, labels[k], 0.9) for k in np.unique(frame) if k > 0]
        found.append([c for c in cut if c is not None])
    return found


def assert_same_objects(masks: ObjectMasks, truth: U16) -> None:
    pairs = {tuple(p) for p in np.stack([masks.object_id, truth], -1).reshape(-1, 2).tolist()}
    assert pairs == {(0, 0)} | {(p, q) for p, q in pairs if p and q}
    assert len({p for p, _ in pairs}) == len({q for _, q in pairs}) == len(pairs)


@pytest.mark.parametrize("labels", [{RED: "person", BLUE: "car"}, {RED: "person", BLUE: "person"}])
def test_ids_last_though_two_objects_cross_and_one_is_hidden(labels: dict[int, str]) -> None:
    rgb, truth = crossing()
    assert_same_objects(link(instances(truth, labels), rgb, FPS, LinkOptions()), truth)


def test_ids_last_backwards_in_time_too() -> None:
    rgb, truth = (np.ascontiguousarray(x[::-1]) for x in crossing())
    found = instances(truth, {RED: "person", BLUE: "person"})
    assert_same_objects(link(found, rgb, FPS, LinkOptions()), truth)


def test_ids_last_though_the_network_errs() -> None:
    """Masks are missed, have the wrong label, are too fat or too thin."""
    rgb, truth = crossing()
    found = []
    for t, frame in enumerate(truth):
        cut: list[Instance | None] = []
        for k in (RED, BLUE):
            side = 1 + 2 * ((t + k) % 2)
            change = cv2.dilate if t % 3 else cv2.erode
            mask = change((frame == k).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
            label = "dog" if (t + 2 * k) % 5 == 0 else "person"
            cut.append(None if (t + 3 * k) % 7 == 0 else cut_out(mask, label, 0.9))
        found.append([c for c in cut if c is not None])
    masks = link(found, rgb, FPS, LinkOptions())
    assert [o.label for o in masks.objects] == ["person", "person"]
    for k in (RED, BLUE):
        counts = np.bincount(masks.object_id[truth == k], minlength=3)
        assert counts[1:].max() >= 0.97 * counts[1:].sum()
        assert counts[0] <= 0.08 * counts.sum()  # the rims of those that were too thin


def test_a_rider_keeps_one_id_behind_trees(real_clip: Callable[[str], Path]) -> None:
    """Perfect masks of a real rider who is cut in two and nearly hidden, in a fast pan."""
    folder = real_clip("dyn_bmx_trees_masks")
    rgb = [cv2.imread(str(f))[..., ::-1] for f in sorted((folder / "frames").iterdir())]
    truth = [cv2.imread(str(f), 0) > 127 for f in sorted((folder / "masks").iterdir())]
    found = [[c] if (c := cut_out(mask, "person", 0.9)) else [] for mask in truth]
    masks = link(found, np.stack(rgb), 24.0, LinkOptions())
    np.testing.assert_array_equal(masks.object_id > 0, np.stack(truth))
    assert len(masks.objects) == 1


def test_a_frame_that_the_network_missed_is_filled() -> None:
    rgb, truth = crossing(8)
    found = instances(truth, {RED: "person", BLUE: "car"})
    found[4] = []
    masks = link(found, rgb, FPS, LinkOptions())
    both, either = (
        ((masks.object_id[4] > 0) & (truth[4] > 0)).sum(),
        ((masks.object_id[4] > 0) | (truth[4] > 0)).sum(),
    )
    assert both >= 0.85 * either


def test_a_label_is_the_one_given_most() -> None:
    rgb, truth = crossing(8)
    found = instances(truth, {RED: "bus", BLUE: "car"})
    found[3] = instances(truth[3:4], {RED: "truck", BLUE: "car"})[0]
    assert [o.label for o in link(found, rgb, FPS, LinkOptions()).objects] == ["bus", "car"]


def test_a_flash_is_no_object() -> None:
    rgb, truth = crossing(8)
    truth[1:][truth[1:] == BLUE] = 0
    masks = link(instances(truth, {RED: "person", BLUE: "car"}), rgb, FPS, LinkOptions())
    assert [o.label for o in masks.objects] == ["person"]


def test_what_may_not_begin_an_object_continues_one_both_ways() -> None:
    rgb, truth = crossing(8)
    found = [
        [replace(instance, begins=t == 4) for instance in frame]
        for t, frame in enumerate(instances(truth, {RED: "moving", BLUE: "moving"}))
    ]
    assert_same_objects(link(found, rgb, FPS, LinkOptions()), truth)
