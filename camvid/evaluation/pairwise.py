"""Relative poses of all pairs of frames: the area under the accuracy curve, AUC@3 and AUC@30.

The measure of PoseDiffusion, VGGSfM, VGGT and MapAnything: a pair is right within k degrees where
both its rotation and the direction of its translation are. Stricter than theirs in two points:
the direction has a sign (they let it point backwards), and frames without a pose count.
"""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F64, NAN, Bool
from camvid.evaluation.trajectory import NO_TRAVEL
from camvid.geometry import rotation_angle_deg


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseScores:
    """0 to 1; NaN where there is no truth."""

    auc_3: float = NAN
    auc_30: float = NAN


def pairwise_scores(
    cam_from_world: F64, registered: Bool, true_cam_from_world: F64
) -> PairwiseScores:
    """AUC at 3 and at 30 degrees of poses [T, 3, 4] against the truth of the same frames."""
    errors = pair_errors_deg(cam_from_world, registered, true_cam_from_world)
    return PairwiseScores(
        auc_3=area_under_accuracy(errors, 3), auc_30=area_under_accuracy(errors, 30)
    )


def pair_errors_deg(cam_from_world: F64, registered: Bool, true_cam_from_world: F64) -> F64:
    """The greater of the two errors of each pair i < j, [T (T - 1) / 2], in degrees.

    Infinite where a frame of the pair has no pose. Of pairs whose true cameras stand in one place
    only the rotation counts: there is no direction.
    """
    first, second = np.triu_indices(len(registered), 1)
    errors = np.full(len(first), np.inf)
    known = registered[first] & registered[second]
    first, second = first[known], second[known]
    rotation, direction = _relative(cam_from_world, first, second)
    true_rotation, true_direction = _relative(true_cam_from_world, first, second)
    turned = rotation_angle_deg(np.swapaxes(true_rotation, 1, 2) @ rotation)
    errors[known] = np.maximum(turned, _directions_apart_deg(direction, true_direction))
    return errors


def area_under_accuracy(errors_deg: F64, max_deg: int) -> float:
    """Mean over k = 1 to `max_deg` of the share of errors below k degrees; NaN without errors."""
    if not len(errors_deg):
        return NAN
    limits = np.arange(1, max_deg + 1)
    return float((np.sort(errors_deg).searchsorted(limits) / len(errors_deg)).mean())


def _relative(cam_from_world: F64, first: np.ndarray, second: np.ndarray) -> tuple[F64, F64]:
    """Rotation [P, 3, 3] and place [P, 3] of the second camera in the axes of the first."""
    to_first, to_second = cam_from_world[first], cam_from_world[second]
    rotation = to_first[:, :, :3] @ np.swapaxes(to_second[:, :, :3], 1, 2)
    place = to_first[:, :, 3] - np.einsum("pij,pj->pi", rotation, to_second[:, :, 3])
    return rotation, place


def _directions_apart_deg(direction: F64, true_direction: F64) -> F64:
    length, true_length = np.linalg.norm(direction, axis=1), np.linalg.norm(true_direction, axis=1)
    travels = true_length > NO_TRAVEL
    cosine = (direction * true_direction).sum(axis=1) / np.maximum(length * true_length, 1e-300)
    apart = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    # One that stands still where the true one travels is as wrong as one that goes backwards.
    apart[length == 0] = 180.0
    return np.where(travels, apart, 0.0)
