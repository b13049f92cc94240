"""Writes the report: one page per clip with its images, then the run's page that lists them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.errors import CamvidError, StoreError
from camvid.record import ClipRecord
from camvid.report.clip_view import ClipView, Media, clip_view
from camvid.report.encode import animation_suffix, encode_animation, encode_jpeg
from camvid.report.evidence import ClipEvidence
from camvid.report.funnel import Funnel
from camvid.report.overlay import Overlay, OverlayOptions, animate
from camvid.report.pages import clip_page, index_page
from camvid.report.selection import choose

logger = logging.getLogger(__name__)

INDEX_PATH = "report/index.html"
CLIPS_FOLDER = "report/clips/"

Write = Callable[[str, bytes], None]
LoadEvidence = Callable[[str], ClipEvidence | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """How the images are drawn."""

    overlay: OverlayOptions = field(default_factory=OverlayOptions)
    thumbnail_px: int = 240
    max_listed_clips: int = 1000  # on the first page, which has about 1 kB for each


def build_report(
    run_name: str,
    rows: Iterable[ClipRecord],
    funnel: Funnel,
    load_evidence: LoadEvidence,
    write: Write,
    options: ReportOptions | None = None,
    *,
    weights: Sequence[str] = (),
    csv: str = "",
) -> str:
    """Writes all pages, one clip's evidence in memory at a time; gives the first page's path.

    The first page counts every row, and lists so many that a browser can show it.

    Args:
        run_name: heads the pages.
        rows: of index.parquet; clips are shown in their order.
        funnel: `funnel_from_index(rows)`.
        load_evidence: the artifacts of a clip id. None: the clip is listed, but has no page. A
            CamvidError: its page has no images.
        write: atomic writer of a file in the run's folder.
        options: how images are drawn.
        weights: of the models that made the run, a line each.
        csv: name of a file beside the first page that has every row, if there is one.
    """
    options = options or ReportOptions()
    table = ClipTable.of(rows)
    clips = table.where(pc.not_equal(table.table["clip_id"], ""))
    if pc.count_distinct(clips.table["clip_id"]).as_py() != len(clips):
        raise StoreError("index: clip_id must be unique, but some clips are listed twice")
    media: dict[str, Media] = {}
    listed = clips.take(choose(clips, options.max_listed_clips))
    views = _views(listed, load_evidence, write, options)
    for before, view, after in with_neighbours(views):
        clip_id = view.row.clip_id
        media[clip_id] = view.media
        write(f"{CLIPS_FOLDER}{clip_id}.html", clip_page(run_name, view, before, after))
    page = index_page(run_name, table, list(listed), funnel, media, weights, csv)
    write(INDEX_PATH, page)
    return INDEX_PATH


def write_media(
    clip_id: str, evidence: ClipEvidence, write: Write, options: ReportOptions
) -> Media:
    """Writes the overlay animation, its poster and the thumbnail."""
    overlay = Overlay(evidence, options.overlay)
    indices, fps = overlay.frame_indices()
    if not len(indices):
        return Media()
    middle = int(indices[len(indices) // 2])
    media = Media(
        animation=f"{clip_id}.{animation_suffix()}",
        poster=f"{clip_id}.poster.jpg",
        thumbnail=f"{clip_id}.jpg",
        width_px=overlay.width_px,
        height_px=overlay.height_px,
        tail_s=options.overlay.tail_s,
    )
    write(CLIPS_FOLDER + media.animation, encode_animation(animate(overlay), fps))
    write(CLIPS_FOLDER + media.poster, encode_jpeg(overlay.draw(middle)))
    thumbnail = overlay.thumbnail(middle, options.thumbnail_px)
    write(CLIPS_FOLDER + media.thumbnail, encode_jpeg(thumbnail))
    return media


def with_neighbours(views: Iterable[ClipView]) -> Iterator[tuple[str, ClipView, str]]:
    """(clip id before, view, clip id after), empty at the ends; looks ahead by one only."""
    before, current = "", None
    for view in views:
        if current is not None:
            yield before, current, view.row.clip_id
            before = current.row.clip_id
        current = view
    if current is not None:
        yield before, current, ""


def _views(
    rows: Iterable[ClipRecord], load_evidence: LoadEvidence, write: Write, options: ReportOptions
) -> Iterator[ClipView]:
    """Draws clip after clip; what is kept of each is small."""
    for row in rows:
        if not row.clip_id:
            continue
        try:
            evidence = load_evidence(row.clip_id)
        except CamvidError as error:
            logger.warning("clip %s: its page has no images: %s", row.clip_id, error)
            yield clip_view(row, None, Media())
            continue
        if evidence is not None:
            yield clip_view(row, evidence, write_media(row.clip_id, evidence, write, options))
