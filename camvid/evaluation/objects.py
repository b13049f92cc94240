"""Matches found objects to true ones, and compares how much each moves."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import U16, MotionReport, ObjectMasks
from camvid.scenes.truth import SceneTruth

BACKGROUND = "background"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScores:
    """One found object, held against the true object that most of its pixels lie on."""

    object_id: int
    true_name: str  # "background" where most of its pixels lie on none
    share: float  # of its pixels that do
    motion_strength: float
    true_motion_strength: float  # 0 for the background

    @property
    def is_sure(self) -> bool:
        """Whether it can be said what it lies on, and how much that and this move."""
        known = np.isfinite([self.motion_strength, self.true_motion_strength]).all()
        return self.share > 0.5 and bool(known)


def object_scores(
    masks: ObjectMasks,
    motion: MotionReport,
    scene: SceneTruth,
    true_ids: U16,
    strengths: dict[int, float],
) -> tuple[ObjectScores, ...]:
    """Every object with a measured strength.

    Args:
        masks: found, [T, H, W].
        motion: measured on them.
        scene: for the names.
        true_ids: object ids [T, H, W] of the same frames.
        strengths: true motion strength of each true id.
    """
    scores: list[ObjectScores] = []
    for found in motion.per_object:
        on = np.bincount(true_ids[masks.object_id == found.object_id], minlength=1)
        if not on.any():
            continue
        true_id = int(on.argmax())
        scores.append(
            ObjectScores(
                object_id=found.object_id,
                true_name=scene.object_names[true_id - 1] if true_id else BACKGROUND,
                share=float(on[true_id] / on.sum()),
                motion_strength=found.motion_strength,
                true_motion_strength=strengths.get(true_id, 0.0),
            )
        )
    return tuple(scores)
