"""Merges the scores of all clips of one source, as benchmarks score whole sequences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from camvid.artifacts import NAN
from camvid.evaluation.joints import JointScores
from camvid.evaluation.pairwise import PairwiseScores
from camvid.evaluation.regions import RegionScores
from camvid.evaluation.scores import ClipScores
from camvid.evaluation.trajectory import TrajectoryError

Judgement = Literal["right", "refused", "wrong", ""]
_WORST_FIRST: tuple[Judgement, ...] = ("wrong", "refused", "right", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceScores:
    """One source against its truth."""

    name: str
    num_clips: int
    kind: str  # those of its clips, joined where they differ
    true_kind: str
    judgement: Judgement  # "" where the true kind is not known
    camera: str
    true_camera: str
    motion_strength: float  # of the clip that moves most
    invented_path: bool
    regions: RegionScores  # frames that no clip holds count as empty masks do: 0
    joints: JointScores
    trajectory: TrajectoryError  # with `pairs` and focal lengths: of the longest clip
    pairs: PairwiseScores
    focal_px: float
    true_focal_px: float


def sequence_scores(clips: Sequence[ClipScores], num_annotated: int) -> SequenceScores:
    """Scores of one source.

    Args:
        clips: all of that source in the run's index; at least one.
        num_annotated: frames of the source with a true mask; the first and last do not count.
    """
    longest = max(clips, key=lambda clip: clip.num_frames)
    strengths = [clip.motion_strength for clip in clips if clip.motion_strength >= 0]
    judgements = {judge(clip.kind, clip.true_kind) for clip in clips}
    return SequenceScores(
        name=longest.name,
        num_clips=len(clips),
        kind=_joined([clip.kind for clip in clips]),
        true_kind=longest.true_kind,
        judgement=next(j for j in _WORST_FIRST if j in judgements),
        camera=_joined([clip.camera for clip in clips]),
        true_camera=longest.true_camera,
        motion_strength=max(strengths, default=NAN),
        invented_path=any(clip.invented_path for clip in clips),
        regions=_regions([clip.regions for clip in clips], max(0, num_annotated - 2)),
        joints=_joints([clip.joints for clip in clips]),
        trajectory=longest.trajectory,
        pairs=longest.pairs,
        focal_px=longest.focal_px,
        true_focal_px=longest.true_focal_px,
    )


def judge(kind: str, true_kind: str) -> Judgement:
    """Whether a kind is right, claims what is not so, or claims less than could be had.

    `4d` and `3d` claim cameras; `4d` and `video` that something moves, `3d` that nothing does.
    """
    if not true_kind:
        return ""
    if kind == true_kind:
        return "right"
    moves = true_kind in ("4d", "video")
    return "wrong" if kind in ("4d", "3d") or (kind == "video" and not moves) else "refused"


def _joined(words: Sequence[str]) -> str:
    return "+".join(dict.fromkeys(words))


def _regions(clips: Sequence[RegionScores], num_frames: int) -> RegionScores:
    scored = [clip for clip in clips if clip.num_frames]
    if not num_frames:
        return RegionScores()

    def mean(measure: Callable[[RegionScores], float]) -> float:
        return sum(measure(clip) * clip.num_frames for clip in scored) / num_frames

    return RegionScores(
        num_frames=num_frames,
        j_moving=mean(lambda clip: clip.j_moving),
        f_moving=mean(lambda clip: clip.f_moving),
        j_all=mean(lambda clip: clip.j_all),
        f_all=mean(lambda clip: clip.f_all),
    )


def _joints(clips: Sequence[JointScores]) -> JointScores:
    scored = [clip for clip in clips if clip.num_joints]
    total = sum(clip.num_joints for clip in scored)
    if not total:
        return JointScores()
    return JointScores(
        num_joints=total,
        pck=sum(clip.pck * clip.num_joints for clip in scored) / total,
        pck_at_rest=sum(clip.pck_at_rest * clip.num_joints for clip in scored) / total,
    )
