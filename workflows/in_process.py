"""Runs the stages in this process: one clip after another, with threads inside the stages."""

from collections.abc import Iterator, Sequence

from camvid.stage import ClipRow, Stage, StageConfig, run_stage
from camvid.store import ClipStore
from stages.split import Split, SplitConfig, run_split


def run(
    videos: Sequence[str], split: SplitConfig, stages: Sequence[StageConfig], root: str
) -> Iterator[ClipRow]:
    """Takes each video through `split` and each of its clips through `stages`.

    The models load at once, before the first row is asked for: what cannot load ends the run
    before it writes anything.
    """
    return _rows(videos, split.build(), [config.build() for config in stages], root)


def _rows(
    videos: Sequence[str], split: Split, stages: Sequence[Stage], root: str
) -> Iterator[ClipRow]:
    store = ClipStore(root)
    for uri in videos:
        for row in run_split(split, store, uri):
            for stage in stages:
                row = run_stage(stage, store, row)
            yield row
