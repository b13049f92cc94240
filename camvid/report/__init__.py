"""The run's HTML report, with one page per clip, and the dataset card."""

from camvid.report.build import ReportOptions, build_report
from camvid.report.card import dataset_card
from camvid.report.evidence import ClipEvidence
from camvid.report.funnel import Funnel, FunnelStage, funnel_from_index

__all__ = [
    "ClipEvidence",
    "Funnel",
    "FunnelStage",
    "ReportOptions",
    "build_report",
    "dataset_card",
    "funnel_from_index",
]
