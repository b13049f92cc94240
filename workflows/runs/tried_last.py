"""Videos that failed in the last command are tried last in the next.

Where the breaker ends a run because of the videos that come first, those behind them are reached
when the same command is run again.
"""

import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager

from camvid.errors import StoreError
from camvid.stage import ClipRow
from camvid.store import ClipStore
from camvid.video.source import Source

FAILED = "failed.json"

log = logging.getLogger(__name__)


def in_order(store: ClipStore, videos: Iterable[Source]) -> Iterator[Source]:
    """The videos as given, but those last of which a row failed in the last command."""
    failed = _read(store)
    last: list[Source] = []
    for source in videos:
        if source.name in failed:
            last.append(source)
        else:
            yield source
    yield from last


@contextmanager
def remembered(store: ClipStore) -> Generator[Callable[[ClipRow], None], None, None]:
    """Gives what takes every row, and leaves for the next command whose failed, however it ends."""
    failed: set[str] = set()

    def take(row: ClipRow) -> None:
        if row.status == "failed":
            failed.add(row.video_uri)

    try:
        yield take
    finally:
        try:
            if failed or store.exists(FAILED):
                store.write_bytes(FAILED, json.dumps(sorted(failed), indent=0).encode())
        except StoreError as error:
            log.debug("%s: %s", FAILED, error)  # the error that ends the run says more


def _read(store: ClipStore) -> frozenset[str]:
    if not store.exists(FAILED):
        return frozenset()
    try:
        names = json.loads(store.read_bytes(FAILED))
        return frozenset(name for name in names if isinstance(name, str))
    except (ValueError, TypeError):
        return frozenset()  # damaged: only the order is lost
