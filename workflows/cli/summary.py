"""What `curate` and `demo` print at the end."""

from collections.abc import Sequence

from camvid.index import IndexRow
from camvid.report.funnel import funnel_from_index


def print_summary(out: str, index: Sequence[IndexRow]) -> int:
    """Prints the funnel, failures and where to look; returns how many failed."""
    print(funnel_from_index(index).render_text())
    failed = [row for row in index if row["status"] == "failed"]
    for row in failed:
        print(f"failed: {row['source_uri']}: {row['error']}")
    print(f"report: {out.rstrip('/')}/report/index.html")
    return len(failed)
