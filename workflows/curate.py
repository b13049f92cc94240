"""The CamVid-30K curation (GenXD, arXiv 2411.02319, section 3): raw videos to a 4D dataset.

The stages and their order are those of `camvid.pipeline`.
"""

from collections.abc import Callable, Sequence

from camvid.books.clip_table import ClipTable
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.sources import Sources
from workflows.curate_config import CurateConfig
from workflows.runs.curation import Curation, Executor

__all__ = ["CurateConfig", "Executor", "curate"]


def curate(
    videos: Sources | Sequence[str],
    out: str,
    config: CurateConfig,
    execute: Executor,
    on_row: Callable[[ClipRow], None] = lambda row: None,
    *,
    retry_failed: bool = False,
) -> ClipTable:
    """Runs the whole graph on `videos` and leaves the dataset in `out`; returns the index.

    Args:
        execute: takes videos through the stages: in this process, isolated, or on Ray.
        on_row: given a row for each clip and each video that gave none, also for finished ones.
        retry_failed: try clips anew that crashed, hung or took too much memory in earlier runs.

    Raises:
        ConfigError: `out` holds files that are no run's, or another command works on it; nothing
            was written.
    """
    store, sources = ClipStore(out), Sources.of(videos)
    with Curation(store, sources, config, execute, on_row, retry_failed=retry_failed) as run:
        run.take(run.todo())
        index, damaged = run.gather()
        if damaged:
            run.take(damaged)
            index, _ = run.gather()
        return index
