"""Audits: a certificate for poses that someone else made, clip by clip; nothing is solved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from camvid.artifacts import Frames, ReconstructionQuality
from camvid.codecs import decode_jpegs
from camvid.errors import ClipError
from camvid.imports.cameras import GivenCameras
from camvid.imports.clips import posed_clips
from camvid.imports.formats import read_source
from camvid.imports.posed import Footage
from camvid.models.poses.given import judge_cameras
from camvid.outcome import Reason, Rejected
from camvid.overlay.masks import overlay_of
from camvid.overlay.paint import painted_over
from camvid.sfm.given import Certificate
from camvid.video.cut import CutClip, CutOptions
from stages.segment import Segment, SegmentConfig
from stages.track import Track, TrackConfig

Status = Literal["ok", "rejected", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found of one clip: `ok` poses can be relied on, `rejected` cannot, for reasons."""

    source: str
    start_s: float
    end_s: float
    status: Status
    reasons: tuple[Reason, ...] = ()
    error: str = ""  # of a source that could not be read
    quality: ReconstructionQuality | None = None
    certificate: Certificate | None = None


class Auditor:
    """Audits sources one after another with the pipeline's own segmenter and tracker."""

    def __init__(self, name: str, footage: Footage, segment: SegmentConfig, track: TrackConfig):
        self._format, self._footage = name, footage
        self._segment: Segment = segment.build()
        self._track: Track = track.build()

    def __call__(self, source: str) -> Iterator[Audit]:
        """The source's clips; one that cannot be read is a failed one."""
        try:
            posed = read_source(source, self._format, self._footage)
            for piece in posed_clips(posed, CutOptions()):
                yield self._audited(source, piece)
        except ClipError as error:
            yield Audit(source=source, start_s=0, end_s=0, status="failed", error=str(error))

    def _audited(self, source: str, piece: CutClip) -> Audit:
        clip = piece.clip
        blank = Audit(source=source, start_s=clip.start_s, end_s=clip.end_s, status="rejected")
        if piece.rejected:
            return replace(blank, reasons=(piece.rejected.reason,))
        frames = Frames(rgb=decode_jpegs(piece.jpegs))
        masks = self._segment(clip, frames)
        if isinstance(masks, Rejected):
            return replace(blank, reasons=(masks.reason,))
        tracks = self._track(clip, frames, masks)
        if isinstance(tracks, Rejected):
            return replace(blank, reasons=(tracks.reason,))
        (cameras,) = (a for a in piece.extra if isinstance(a, GivenCameras))
        scene = painted_over(frames, overlay_of(masks))
        found = judge_cameras(scene, masks, tracks, cameras)
        refused = found.reconstruction.camera == "unknown"
        return replace(
            blank,
            status="rejected" if refused else "ok",
            reasons=found.reconstruction.reasons,
            quality=found.quality,
            certificate=found.certificate,
        )


def exit_code(audits: Sequence[Audit]) -> int:
    """0: all can be relied on; 1: something could not be read; 5: some cannot be relied on."""
    found = {audit.status for audit in audits}
    return 1 if "failed" in found else 5 if "rejected" in found else 0
