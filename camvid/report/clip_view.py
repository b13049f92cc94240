"""The data of one clip's page, without the arrays that its images were drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from markupsafe import Markup

from camvid.artifacts import Clip, MotionReport, ObjectMotion, Reconstruction
from camvid.outcome import Reason
from camvid.reasons import Why
from camvid.record import ClipRecord, Measures, measure
from camvid.report.evidence import ClipEvidence
from camvid.report.plot_cameras import camera_plots
from camvid.report.plot_gaze import gaze_plot
from camvid.report.plot_motion import motion_plot
from camvid.report.words import (
    Check,
    checks_of,
    motion_limit,
    reasons_in_words,
    verdict_sentence,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """File names beside a clip's page; empty where there is no such file."""

    animation: str = ""
    poster: str = ""
    thumbnail: str = ""
    width_px: int = 0
    height_px: int = 0
    tail_s: float = 0.0

    @property
    def is_video(self) -> bool:
        return PurePosixPath(self.animation).suffix == ".mp4"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipView:
    """Everything the template needs; None and empty where the clip ended before that stage."""

    row: ClipRecord
    media: Media
    sentence: str
    checks: tuple[Check, ...]
    measures: Measures
    clip: Clip | None = None
    motion: MotionReport | None = None
    objects: tuple[ObjectMotion, ...] = ()  # strongest first
    motion_plot: Markup = Markup("")
    camera_plots: tuple[tuple[str, Markup], ...] = ()
    no_path: str = ""  # why there is no camera path, in words
    motion_reasons: tuple[Reason, ...] = ()
    solver: str = ""
    has_masks: bool = False
    has_tracks: bool = False
    has_arrows: bool = False
    has_points: bool = False


def clip_view(row: ClipRecord, evidence: ClipEvidence | None, media: Media) -> ClipView:
    """The view of a clip; without evidence, of its row of the index alone."""
    if evidence is None:
        sentence, checks = verdict_sentence(row, None), checks_of(None, row.reasons)
        return ClipView(
            row=row, media=media, sentence=sentence, checks=checks, measures=row.measures
        )
    motion, solved = evidence.motion, evidence.reconstruction
    limit = motion_limit(evidence.verdict, row.reasons)
    plot = motion_plot(motion, evidence.clip.timestamps_s, limit) if motion else Markup("")
    return ClipView(
        row=row,
        media=media,
        sentence=verdict_sentence(row, evidence.verdict),
        checks=checks_of(evidence.verdict, row.reasons),
        measures=measure(*(artifact for artifact in (solved, motion) if artifact)),
        clip=evidence.clip,
        motion=motion,
        objects=_strongest_first(motion.per_object) if motion else (),
        motion_plot=plot,
        camera_plots=camera_plots(solved) + gaze_plot(solved),
        no_path=_no_path(solved) if solved else "",
        motion_reasons=_motion_reasons(evidence),
        solver=solved.quality.solver if solved else "",
        has_masks=evidence.masks is not None,
        has_tracks=evidence.tracks is not None,
        has_arrows=evidence.can_predict,
        has_points=solved is not None and len(solved.points_world) > 0,
    )


def _motion_reasons(evidence: ClipEvidence) -> tuple[Reason, ...]:
    """Why the strength is not to be relied on; the verdict has those of the threshold too."""
    if evidence.verdict is not None:
        return evidence.verdict.motion_reasons
    return evidence.motion.reasons if evidence.motion else ()


def _no_path(solved: Reconstruction) -> str:
    if solved.reasons or solved.camera == "moving":
        return reasons_in_words(solved.reasons)
    return Why.of_camera(solved.camera).rule.label


def _strongest_first(objects: Sequence[ObjectMotion]) -> tuple[ObjectMotion, ...]:
    """Objects without a measure (NaN) last."""
    ordered = sorted(
        objects,
        key=lambda o: (o.motion_strength != o.motion_strength, -o.motion_strength, o.object_id),
    )
    return tuple(ordered)
