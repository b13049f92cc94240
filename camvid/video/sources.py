"""The videos of a run: those that inputs name, and the rows of lists with columns, streamed."""

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from camvid.video.find import find_videos, resolved
from camvid.video.names import is_remote, name_of, source_name
from camvid.video.source import Source
from camvid.video.tables import check_table, count_rows, is_table, read_table

log = logging.getLogger(__name__)


class Sources:
    """The videos of a run, which may be iterated over again: lists with columns are read anew.

    What lists hold is never in memory at once, only a number for each name that has come.
    """

    def __init__(
        self, videos: Sequence[str], tables: Sequence[str] = (), *, local_only: bool = False
    ) -> None:
        # As records call them; a list with columns stands for its rows.
        self.inputs = (*map(source_name, videos), *map(name_of, tables))
        self._videos, self._tables, self._local_only = videos, tables, local_only

    @classmethod
    def of(cls, videos: "Sources | Sequence[str]") -> "Sources":
        """Those that are named by their names alone."""
        return videos if isinstance(videos, Sources) else cls(videos)

    def count(self) -> int:
        """About how many there are: lists are not read for it."""
        return len(self._videos) + sum(map(count_rows, self._tables))

    def __iter__(self) -> Iterator[Source]:
        come: set[int] = set()
        rows = itertools.chain.from_iterable(map(read_table, self._tables))
        for source in itertools.chain(map(Source.of, self._videos), rows):
            key = hash(source.name)
            if key in come:
                log.info("%s is named again", source.name)
                continue
            come.add(key)
            yield self._refused(source) if self._local_only else source

    def _refused(self, source: Source) -> Source:
        if source.fault or not is_remote(source.uri):
            return source
        return replace(source, fault=f"--local-only: {source.name} is no file of this machine")


def find_sources(inputs: Sequence[str], *, local_only: bool = False) -> Sources:
    """As `find_videos`, and the rows of lists with columns (`camvid.video.tables`).

    ConfigError, before any work, where one of these cannot be read.
    """
    tables = [item for item in inputs if is_table(item) and os.path.isfile(_path_of(item))]
    others = [item for item in inputs if item not in tables]
    paths = list(dict.fromkeys(map(_path_of, tables)))
    for path in paths:
        check_table(path)
    found = find_videos(others, local_only=local_only) if others or not tables else []
    return Sources(found, paths, local_only=local_only)


def _path_of(item: str) -> str:
    return item if os.path.exists(item) else resolved(item.removeprefix("@"), "")
