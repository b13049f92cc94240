"""How `curate` and `demo` end: the report, the funnel, what failed, where to look."""

from collections.abc import Sequence

from camvid.index import IndexRow
from camvid.report.funnel import funnel_from_index
from camvid.store import ClipStore
from workflows.curate import CurateConfig
from workflows.reporting import write_report


def finish(out: str, config: CurateConfig, index: Sequence[IndexRow]) -> int:
    """Builds the report and prints the end of a run; returns how many failed."""
    store = ClipStore(out)
    report = store.full_path(write_report(store, config.report, index))
    print(funnel_from_index(index).render_text())
    failed = [row for row in index if row["status"] == "failed"]
    for row in failed:
        named = "" if row["source_uri"] in row["error"] else f"{row['source_uri']}: "
        print(f"failed: {named}{row['error']}")
    print(f"report: {report}")
    return len(failed)
