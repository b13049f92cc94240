"""How `curate` and `demo` end: the report, what stages took, the funnel, what failed."""

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.report.funnel import funnel_from_index
from camvid.store import ClipStore
from workflows.curate_config import CurateConfig
from workflows.reporting import write_report
from workflows.runs.run_status import run_status

_MAX_FAILURES = 20  # that are spelled out


def finish(out: str, config: CurateConfig, index: ClipTable) -> int:
    """Builds the report and prints the end of a run; returns how many failed."""
    store = ClipStore(out)
    report = store.full_path(write_report(store, config.report, index))
    status = run_status(store)
    print("\n".join(status.stage_lines()))
    print(funnel_from_index(index).render_text())
    failed = index.where(pc.equal(index.outcome, "failed"))
    for record in failed[:_MAX_FAILURES]:
        named = "" if record.source_uri in record.error else f"{record.source_uri}: "
        print(f"failed: {named}{record.error}")
    if len(failed) > _MAX_FAILURES:
        print(f"{status.causes_line()}; index.parquet and report/clips.csv have every one")
    print(f"report: {report}")
    return len(failed)
