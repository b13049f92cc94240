"""Points clustered into objects: every thing in a region has its say, however short its tracks."""

import numpy as np

from camvid.artifacts import F32, I32
from camvid.segmentation.instances import Tracklets, cluster_points
from camvid.segmentation.objects import UNPOSED

NUM_FRAMES = 24
STEP_PX = 5


def grid(left: int, top: int, columns: int, rows: int) -> F32:
    """[columns * rows, 2] points, one a step."""
    x, y = np.meshgrid(left + STEP_PX * np.arange(columns), top + STEP_PX * np.arange(rows))
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)


def three_things_in_one_region() -> tuple[Tracklets, F32, I32]:
    """A long bench, a crate beside it that is now and then half covered, and a ball that covers it.

    The bench alone has tracks that last; the ball is nearer to the crate than the bench is.
    """
    bench, crate, ball = grid(0, 0, 20, 4), grid(110, 0, 5, 5), grid(100, 0, 3, 3)
    thing = np.repeat([0, 1, 2], [len(bench), len(crate), len(ball)]).astype(np.int32)
    start = np.concatenate([bench, crate, ball])
    xy = np.repeat(start[None], NUM_FRAMES, axis=0)
    xy[:, thing == 2, 0] += 2 * np.arange(NUM_FRAMES, dtype=np.float32)[:, None]
    region = np.ones(xy.shape[:2], np.int32)
    hidden = np.flatnonzero(thing == 1)
    region[:6, hidden[::2]] = 0
    region[-6:, hidden[1::2]] = 0
    xy[region == 0] = np.nan
    points = Tracklets(xy=xy, region=region, step_px=STEP_PX)
    return points, (thing == 2).astype(np.float32), thing


def test_a_still_thing_without_lasting_tracks_does_not_fall_to_the_mover() -> None:
    points, moving, thing = three_things_in_one_region()
    label = cluster_points(points, moving, UNPOSED.points)
    assert not set(label[thing == 1]) & set(label[thing == 2])
    assert len(set(label[thing == 2])) == 1
