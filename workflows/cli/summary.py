"""How `curate` and `demo` end: the report, the funnel, what failed, where to look."""

from collections.abc import Sequence

from camvid.record import ClipRecord
from camvid.report.funnel import funnel_from_index
from camvid.store import ClipStore
from workflows.curate import CurateConfig
from workflows.reporting import write_report


def finish(out: str, config: CurateConfig, index: Sequence[ClipRecord]) -> int:
    """Builds the report and prints the end of a run; returns how many failed."""
    store = ClipStore(out)
    report = store.full_path(write_report(store, config.report, index))
    print(funnel_from_index(index).render_text())
    failed = [record for record in index if record.outcome == "failed"]
    for record in failed:
        named = "" if record.source_uri in record.error else f"{record.source_uri}: "
        print(f"failed: {named}{record.error}")
    print(f"report: {report}")
    return len(failed)
