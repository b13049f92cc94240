"""The manifest: which shards there are, what is in each, and their bytes' sha256."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from camvid.errors import ConfigError, StoreError
from camvid.outcome import INDICATOR, Kind
from camvid.plain import from_plain, to_plain
from camvid.schema import SCHEMA_VERSION
from camvid.store import ClipStore

# The underscore hides it from readers of whole folders (pandas, pyarrow.dataset), who took the
# name that it had up to schema 1.5 for a shard.
MANIFEST_NAMES = ("_manifest.json", "manifest.json")
MANIFEST = f"shards/{MANIFEST_NAMES[0]}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a clip lies: the shard's file name, the row group in it, the row in that."""

    shard: str
    row_group: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardInfo:
    """A shard's line in the manifest."""

    name: str
    kind: Kind
    num_rows: int
    size_bytes: int
    sha256: str
    clip_ids: tuple[str, ...]
    row_group_sizes: tuple[int, ...]  # rows of each row group, in order

    def locations(self) -> dict[str, Location]:
        """Where each clip of the shard lies."""
        places = [(g, r) for g, size in enumerate(self.row_group_sizes) for r in range(size)]
        return {
            clip_id: Location(self.name, group, row)
            for clip_id, (group, row) in zip(self.clip_ids, places, strict=True)
        }


def write_manifest(
    store: ClipStore, shards: Sequence[ShardInfo], buckets: Mapping[int, str] | None = None
) -> None:
    """Writes the manifest; `buckets` says what each was made from (`camvid.shard_buckets`)."""
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "num_clips": sum(s.num_rows for s in shards),
        "counts": {kind: sum(s.num_rows for s in shards if s.kind == kind) for kind in INDICATOR},
        "buckets": {str(number): content for number, content in (buckets or {}).items()},
        "shards": to_plain(list(shards)),
    }
    store.write_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())


def read_manifest(store: ClipStore) -> dict[str, Any]:
    """The manifest; StoreError where there is none, or none that can be read."""
    names = [name for name in MANIFEST_NAMES if store.exists(f"shards/{name}")]
    if not names:
        raise StoreError(f"{store.root} must hold {MANIFEST}, but does not: run `camvid curate`")
    try:
        manifest: dict[str, Any] = json.loads(store.read_bytes(f"shards/{names[0]}"))
        shards_of(manifest)
        from_plain(int, manifest["num_clips"], "num_clips")
    except (ValueError, TypeError, LookupError, ConfigError) as error:
        raise StoreError(
            f"{store.root}/shards/{names[0]} must list the shards as `camvid curate` writes it, but"
            f" is damaged ({error}); run that again"
        ) from error
    return manifest


def shards_of(manifest: Mapping[str, Any]) -> list[ShardInfo]:
    """The manifest's lines."""
    return list(from_plain(tuple[ShardInfo, ...], manifest["shards"], "shards"))
