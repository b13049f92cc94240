"""The manifest: which shards there are, what is in each, and their bytes' sha256."""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from camvid.errors import ConfigError, StoreError
from camvid.outcome import INDICATOR, Kind
from camvid.plain import from_plain, to_plain
from camvid.shards.schema import SCHEMA_VERSION
from camvid.store import ClipStore

# The underscore hides it from readers of whole folders (pandas, pyarrow.dataset), who took the
# name that it had up to schema 1.5 for a shard.
MANIFEST_NAMES = ("_manifest.json", "manifest.json")
MANIFEST = f"shards/{MANIFEST_NAMES[0]}"
_THREADS = 16  # an object store answers many requests at a time


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

    @property
    def bucket(self) -> int:
        """The bucket that it is of, as its name has it; ValueError where it has none."""
        return int(self.name.removesuffix(".parquet").split("-")[1])

    def locations(self) -> dict[str, Location]:
        """Where each clip of the shard lies."""
        places = [(g, r) for g, size in enumerate(self.row_group_sizes) for r in range(size)]
        return {
            clip_id: Location(self.name, group, row)
            for clip_id, (group, row) in zip(self.clip_ids, places, strict=True)
        }


def write_manifest(
    store: ClipStore,
    shards: Sequence[ShardInfo],
    buckets: Mapping[int, str] | None = None,
    latents: Mapping[str, Any] | None = None,
) -> None:
    """Writes the manifest.

    Args:
        buckets: what each was made from (`camvid.shards.buckets`).
        latents: of shards that have those in place of frames, what decided them.
    """
    manifest = _manifest(shards, buckets or {}) | ({"latents": dict(latents)} if latents else {})
    store.write_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())


def _manifest(shards: Sequence[ShardInfo], buckets: Mapping[int, str]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "num_clips": sum(s.num_rows for s in shards),
        "counts": {kind: sum(s.num_rows for s in shards if s.kind == kind) for kind in INDICATOR},
        "buckets": {str(number): content for number, content in buckets.items()},
        "shards": to_plain(list(shards)),
    }


def has_manifest(store: ClipStore) -> bool:
    """Whether one stands, of this or an older version."""
    return any(store.exists(f"shards/{name}") for name in MANIFEST_NAMES)


def read_manifest(store: ClipStore) -> dict[str, Any]:
    """The manifest; StoreError where there is none, or none that can be read.

    Of a run that goes on, or was stopped, it is made of the descriptions of what is written.
    """
    names = [name for name in MANIFEST_NAMES if store.exists(f"shards/{name}")]
    if not names:
        known = _descriptions(store)
        if not known:
            message = f"{store.root} must hold {MANIFEST}, but does not: run `camvid curate`"
            raise StoreError(message)
        shards = [shard for described in known.values() for shard in described.shards]
        return _manifest(shards, {number: each.content for number, each in known.items()})
    try:
        manifest: dict[str, Any] = json.loads(store.read_bytes(f"shards/{names[0]}"))
        shards_of(manifest)
        described_in(manifest)
        from_plain(int, manifest["num_clips"], "num_clips")
    except (ValueError, TypeError, LookupError, AttributeError, ConfigError) as error:
        raise StoreError(
            f"{store.root}/shards/{names[0]} must list the shards as `camvid curate` writes it, but"
            f" is damaged ({error}); run that again"
        ) from error
    return manifest


def shards_of(manifest: Mapping[str, Any]) -> list[ShardInfo]:
    """The manifest's lines."""
    return list(from_plain(tuple[ShardInfo, ...], manifest["shards"], "shards"))


# ---- buckets (camvid.shards.buckets) ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Described:
    """A bucket's shards, and the identity of what they were made from."""

    content: str
    shards: tuple[ShardInfo, ...]


def description_name(number: int) -> str:
    """While there is no manifest, what is written says so itself."""
    return f"shards/_bucket-{number:05d}.json"


def described_buckets(store: ClipStore) -> list[int]:
    """The buckets of which there are descriptions."""
    found = (re.fullmatch(r"_bucket-(\d{5,})\.json", name) for name in store.list_names("shards"))
    return [int(match[1]) for match in found if match]


def write_description(store: ClipStore, number: int, described: Described) -> None:
    store.write_bytes(description_name(number), json.dumps(to_plain(described), indent=1).encode())


def read_description(store: ClipStore, number: int) -> Described | None:
    """None where there is none, or the bucket was not written to its end."""
    try:
        return from_plain(Described, json.loads(store.read_bytes(description_name(number))))
    except (StoreError, ValueError, TypeError, LookupError, ConfigError):
        return None


def described_in(manifest: Mapping[str, Any]) -> dict[int, Described]:
    """The buckets of a manifest; none in one of schema 1.5 or before."""
    contents: Mapping[str, str] = manifest.get("buckets") or {}
    found: dict[int, list[ShardInfo]] = {int(number): [] for number in contents}
    for shard in shards_of(manifest) if found else ():
        found[shard.bucket].append(shard)
    return {number: Described(contents[str(number)], tuple(s)) for number, s in found.items()}


def _descriptions(store: ClipStore) -> dict[int, Described]:
    numbers = described_buckets(store)
    with ThreadPoolExecutor(_THREADS) as pool:
        read = pool.map(lambda number: read_description(store, number), numbers)
        return {n: described for n, described in zip(numbers, read, strict=True) if described}
