"""Runs the stages in this process, one clip after another: the plainest executor.

Nothing shields the run from a clip that kills its process or hangs; `isolated` does.
"""

from collections.abc import Iterable, Iterator, Sequence

from camvid.attempts import ANY_RUN, Attempts
from camvid.stage import ClipRow, Stage, StageConfig, pack_if_over, run_stage
from camvid.store import ClipStore
from camvid.video.source import Source
from stages.run_split import run_split
from stages.split import Split, SplitConfig


def run(
    videos: Iterable[Source],
    split: SplitConfig,
    stages: Sequence[StageConfig],
    root: str,
    attempts: Attempts = ANY_RUN,
) -> Iterator[ClipRow]:
    """Takes each video through `split` and each of its clips through `stages`.

    The models load at once, before the first row is asked for: what cannot load ends the run
    before it writes anything.
    """
    return _rows(videos, split.build(), [config.build() for config in stages], root, attempts)


def _rows(
    videos: Iterable[Source], split: Split, stages: Sequence[Stage], root: str, attempts: Attempts
) -> Iterator[ClipRow]:
    store = ClipStore(root)
    for source in videos:
        # All its clips first: one that kills the process must not count as the video's failure.
        for row in tuple(run_split(split, store, source, attempts)):
            if row.status == "ok":
                clip_store = store.of_clip(row.clip_id)
                for stage in stages:
                    row = run_stage(stage, clip_store, row, attempts=attempts)
                pack_if_over(clip_store, row)
            yield row
