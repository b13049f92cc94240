"""Many poses, made a few at a time: groups of poses that stand near each other.

As the released evaluation groups them: anchors by farthest-point sampling from the first known
view, the targets nearest to each anchor, and the known views nearest to the middle of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F64
from camvid.errors import ConfigError
from camvid.genxd.sampling import Scene
from camvid.geometry import camera_centers

MAX_GIVEN = 3  # known views of a group, as the released model is evaluated


@dataclass(frozen=True, slots=True)
class PoseGroup:
    """Frames that are made together, in the order in which the model is given them."""

    frames: tuple[int, ...]  # of the whole scene
    images: tuple[int, ...]  # of its known images, those of the group
    at: tuple[int, ...]  # where in `frames` each of them stands

    def scene(self, whole: Scene) -> Scene:
        """The group as a scene of its own, in the unit of the whole one."""
        frames, images = list(self.frames), list(self.images)
        K = np.broadcast_to(whole.K, (whole.num_frames, 3, 3))[frames]
        return replace(
            whole,
            images=whole.images[images],
            at=self.at,
            cam_from_world=whole.cam_from_world[frames],
            K=K,
        )


def group_poses(scene: Scene, size: int) -> list[PoseGroup]:
    """Groups of `size` frames, known ones included, that make every frame of the scene.

    A target is in one group; the last group is filled with targets of others. The order within a
    group is the released one: targets in order, known views at the ends and between.
    """
    if scene.kind != "3d":
        raise ConfigError(
            f"--group is for views of one instant (--kind 3d), got {scene.kind}: frames of a video"
            " are made together"
        )
    num_given = min(MAX_GIVEN, len(scene.at))
    if size <= num_given:
        raise ConfigError(f"a group must have a frame to be made, got {size} of {num_given} known")
    centers = camera_centers(scene.cam_from_world)
    given = list(scene.at)
    targets = np.setdiff1d(np.arange(scene.num_frames), given)
    num_targets = min(size - num_given, len(targets))
    groups: list[PoseGroup] = []
    left = np.ones(len(targets), bool)
    for anchor in farthest_points(
        centers[targets], centers[given[0]], -(-len(targets) // num_targets)
    ):
        away = np.linalg.norm(centers[targets] - centers[targets][anchor], axis=1)
        nearest = np.lexsort((away, ~left))[:num_targets]  # those in no group yet come first
        left[nearest] = False
        chosen = np.sort(targets[nearest])
        middle = centers[chosen].mean(axis=0)
        known = np.argsort(np.linalg.norm(centers[given] - middle, axis=1), kind="stable")
        groups.append(_group(chosen.tolist(), sorted(known[:num_given].tolist()), given))
    return groups


def farthest_points(points: F64, start: F64, count: int) -> NDArray[np.int64]:
    """`count` of points [N, 3], each the farthest from `start` [3] and those chosen before it."""
    away = np.linalg.norm(points - start, axis=1)
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(np.argmax(away)))
        away = np.minimum(away, np.linalg.norm(points - points[chosen[-1]], axis=1))
        away[chosen] = -1.0
    return np.array(chosen, np.int64)


def _group(targets: Sequence[int], images: Sequence[int], given: Sequence[int]) -> PoseGroup:
    """Targets around the known views, which stand at the first, the last and the middle frame."""
    total = len(targets) + len(images)
    at = [int(place) for place in np.linspace(0, total - 1, len(images))]
    frames: list[int] = [-1] * total
    for place, image in zip(at, images, strict=True):
        frames[place] = given[image]
    rest = iter(targets)
    return PoseGroup(
        frames=tuple(next(rest) if frame < 0 else frame for frame in frames),
        images=tuple(images),
        at=tuple(at),
    )
