"""The graph in this process: one clip after another, threads inside the stages."""

from collections.abc import Iterator, Sequence

from camvid.stage import ClipRow, StageConfig, run_stage
from camvid.store import ClipStore
from stages.split import SplitConfig, run_split


def run(
    videos: Sequence[str], split: SplitConfig, stages: Sequence[StageConfig], root: str
) -> Iterator[ClipRow]:
    """Takes each video through `split` and each of its clips through `stages`."""
    store = ClipStore(root)
    splitter = split.build()
    built = [config.build() for config in stages]
    for uri in videos:
        for row in run_split(splitter, store, uri):
            for stage in built:
                row = run_stage(stage, store, row)
            yield row
