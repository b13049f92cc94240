"""Which clips share shards: videos are dealt out into buckets, so that shards can be written early.

The shards of a finished run must not depend on the order in which its clips came, nor on how many
workers there were; and a run that is killed should have shards of what was finished. So the videos
of a run are dealt out by a hash of their names, some 64 to a bucket, and are taken bucket by
bucket. Once all videos of a bucket are through, its clips, sorted by id, are written: a sequence of
shards for each kind. Nothing but the bucket's own clips decides those bytes. (Buckets of clip ids
would not do: an id follows from the video's bytes, so none would be full before the last video was
read.)

Each bucket leaves a description, shards/_bucket-NUMBER.json: its shards, and the identity of what
they were made from. At the end of a run every bucket whose description is not that of the run's
clips is written once more, and the manifest takes the place of the descriptions. So writing early
is never wrong, be it that a clip turns out to be held by two videos of different buckets, or that a
failed one is tried again: it only saves the work.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from camvid.errors import StoreError
from camvid.outcome import INDICATOR, Kind
from camvid.shards.folder import ShardFolder, our_shards
from camvid.shards.manifest import (
    ShardInfo,
    described_buckets,
    described_in,
    description_name,
    has_manifest,
    read_description,
    read_manifest,
    shards_of,
    write_description,
    write_manifest,
)
from camvid.store import ClipStore

_THREADS = 16  # an object store answers many requests at a time
CLIPS = ("clip_id", "source_uri", "kind", "content")  # what is known of the clips to be written


def count_buckets(num_videos: int, videos_per_bucket: int) -> int:
    """A power of two: some videos more, and most stay where they were."""
    return 1 << max(0, (max(1, num_videos) - 1) // videos_per_bucket).bit_length()


def bucket_of(video: str, num_buckets: int) -> int:
    """The bucket of a video, by its name: the leading bits of a hash."""
    leading = int.from_bytes(hashlib.sha256(video.encode()).digest()[:4])
    return leading * num_buckets >> 32


def buckets_of(videos: pa.ChunkedArray, num_buckets: int) -> NDArray[np.int64]:
    """The bucket of each entry of a column of names."""
    coded = videos.combine_chunks().dictionary_encode()
    buckets = [bucket_of(name, num_buckets) for name in coded.dictionary.to_pylist()]
    return np.array(buckets, np.int64)[coded.indices.to_numpy()]


def shard_name(kind: Kind, bucket: int, number: int) -> str:
    """Of a bucket's first (0), second, ... shard of a kind."""
    return f"{kind}-{bucket:05d}{f'-{number}' if number else ''}.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket's clips, on their way into shards."""

    number: int
    clips: pa.Table  # CLIPS, sorted by clip id
    content: str  # identity of what the shards are made from


class RunShards:
    """The shards of a run, bucket by bucket, as the one process that leads it knows them.

    Args:
        store: the run.
        num_buckets: see `count_buckets`.
        settings: identity of all that decides a shard's bytes besides its clips.
    """

    def __init__(self, store: ClipStore, num_buckets: int, settings: str) -> None:
        self.store, self.num_buckets, self._settings = store, num_buckets, settings
        self._ours = our_shards(store)
        self._folder = ShardFolder(store, self._ours)
        self._stands = has_manifest(store)  # a manifest, and no shard was touched
        manifest = _manifest(store)
        self._known = described_in(manifest)
        self._listed = {shard.name for shard in shards_of(manifest)}

    def outdated(self, clips: pa.Table) -> Iterator[Bucket]:
        """The buckets that are not, or not any more, written from just these clips of the run."""
        at = buckets_of(clips["source_uri"], self.num_buckets)
        clips = clips.select(CLIPS).take(pa.array(np.argsort(at, kind="stable"))).combine_chunks()
        spans = zip(*np.unique(np.sort(at), return_index=True, return_counts=True), strict=True)
        own = {int(number): clips.slice(start, count) for number, start, count in spans}
        whole = self._whole(self._known)
        for number in sorted(own.keys() | self._known.keys()):
            some = own.get(number, clips.slice(0, 0))
            if bucket := self._unless_written(number, some, number in whole):
                yield bucket

    def unless_written(self, number: int, clips: pa.Table) -> Bucket | None:
        """The bucket, to be written for just these clips (CLIPS); None where it is so already."""
        return self._unless_written(number, clips, bool(self._whole({number} & self._known.keys())))

    def _unless_written(self, number: int, clips: pa.Table, is_whole: bool) -> Bucket | None:
        clips = clips.sort_by("clip_id")
        content = self._content(clips)
        if is_whole and self._known[number].content == content:
            return None
        if self._stands:
            self._begin()
        before = (name for name in self._ours if _number_in(name) == f"{number:05d}")
        ShardFolder(self.store, before, description_name(number)).book()  # not described any more
        return Bucket(number=number, clips=clips, content=content)

    def written(self, number: int) -> bool:
        """Takes note of a bucket's new description; whether it has one."""
        described = read_description(self.store, number)
        if described is None:
            self._known.pop(number, None)
            return False
        self._known[number] = described
        return True

    def finish(self) -> list[ShardInfo]:
        """Writes the manifest, removes what is in none of the run's buckets; gives the shards."""
        known = sorted((n, described) for n, described in self._known.items() if described.shards)
        found = [shard for _, described in known for shard in described.shards]
        shards = sorted(found, key=lambda s: list(INDICATOR).index(s.kind))
        names = {shard.name for shard in shards}
        if not self._stands or names != self._listed:
            write_manifest(self.store, shards, {n: described.content for n, described in known})
        self._each(lambda n: self.store.remove(description_name(n)), described_buckets(self.store))
        self._folder.finish(names)
        self._stands, self._listed, self._ours = True, names, names
        return shards

    def _begin(self) -> None:
        """In place of the manifest come descriptions."""
        self._each(lambda n: write_description(self.store, n, self._known[n]), self._known)
        self._folder = ShardFolder(self.store, self._ours)
        self._folder.begin()
        self._stands = False

    @staticmethod
    def _each(do: Callable[[int], None], numbers: Iterable[int]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(do, numbers))

    def _whole(self, numbers: Iterable[int]) -> set[int]:
        """Those of the written buckets `numbers` whose shards are there in their sizes."""
        pairs = [(number, shard) for number in numbers for shard in self._known[number].shards]
        with ThreadPoolExecutor(_THREADS) as pool:
            sizes = pool.map(lambda pair: self.store.size_bytes(f"shards/{pair[1].name}"), pairs)
            lost = {n for (n, s), size in zip(pairs, sizes, strict=True) if size != s.size_bytes}
        return set(numbers) - lost

    def _content(self, clips: pa.Table) -> str:
        columns = [clips[name].to_pylist() for name in ("clip_id", "kind", "content")]
        return hashlib.sha256(json.dumps([self._settings, *columns]).encode()).hexdigest()


def _manifest(store: ClipStore) -> dict[str, Any]:
    try:
        return read_manifest(store)
    except StoreError:
        return {"shards": []}  # there is none, or it is damaged: all buckets are written again


def _number_in(name: str) -> str:
    return "".join(name.removesuffix(".parquet").split("-")[1:2])
