"""Writes clips from anywhere as shards, without a run: what importers and other tools build on.

    with DatasetWriter("kitchen") as writer:
        writer.add(
            ClipData(
                clip_id="kitchen-0001",
                kind="3d",
                frames=jpegs,  # or rgb [T, H, W, 3]
                timestamps_s=np.arange(81) / 16,
                K=K,
                cam_from_world=cam_from_world,
            )
        )

gives kitchen/shards/3d-00000.parquet and kitchen/shards/_manifest.json, in the schema that runs
have. What is left out is null in the shards, or empty.
"""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from camvid.errors import ClipError
from camvid.outcome import INDICATOR
from camvid.shards.clip_data import ClipData, checked_parts
from camvid.shards.columns import shard_row
from camvid.shards.folder import ShardFolder, our_shards
from camvid.shards.manifest import ShardInfo, write_manifest
from camvid.shards.writer import ShardOptions, ShardWriter
from camvid.store import ClipStore

__all__ = ["ClipData", "DatasetWriter"]

_DEFAULT_SIZES = ShardOptions()


class DatasetWriter(AbstractContextManager["DatasetWriter"]):
    """Writes clips into shards by kind, in the order in which they come.

    At the end the manifest is written; a body that raises leaves none, and the next writer over the
    same folder replaces what is there.

    Args:
        root: folder of the dataset, a path or any fsspec URI.
        options: sizes of shards and row groups.

    Raises:
        StoreError: the folder cannot be written, or holds files of others under the same names.
    """

    def __init__(self, root: str, options: ShardOptions = _DEFAULT_SIZES) -> None:
        store = ClipStore(root)
        self._store, self._folder = store, ShardFolder(store, our_shards(store))
        self._writers = {
            kind: ShardWriter(store, kind, options, self._folder.put) for kind in INDICATOR
        }
        self._clip_ids: set[str] = set()
        self.shards: list[ShardInfo] = []

    def __enter__(self) -> Self:
        self._folder.begin()
        return self

    def add(self, clip: ClipData) -> None:
        """Takes a clip; ClipError names what is wrong with it, and nothing of it is written."""
        if clip.clip_id in self._clip_ids:
            raise ClipError(
                f"clip {clip.clip_id}: clip_id must be of one clip alone, another has it"
            )
        row = shard_row(checked_parts(clip))
        self._clip_ids.add(clip.clip_id)
        self._writers[clip.kind].add(row)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        for writer in self._writers.values():
            writer.close()
            self.shards += writer.shards
        write_manifest(self._store, self.shards)
        self._folder.finish(shard.name for shard in self.shards)
