"""Packs the shards of a run for training (`camvid.genxd.data.packing`), shard by shard.

Each is written whole, moved into place and noted in `.camvid/packed`: what is noted is not written
again, and a pack that was killed goes on from there.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from camvid.errors import ConfigError, StoreError
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.latents import LatentsKey
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.packing import (
    NotPacked,
    PackOptions,
    Repack,
    pack_schema,
    smaller,
    write_pack,
)
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.shards import PACKED_CODEC, Place, Shard, ShardIndex, find_shards
from camvid.plain import from_plain, to_plain
from camvid.shards.manifest import ShardInfo, write_manifest
from camvid.store import ClipStore
from workflows.claim import claim
from workflows.execution.parts import Writer, in_process

if TYPE_CHECKING:  # packs of images need no torch
    from camvid.genxd.codec import LatentCodec

log = logging.getLogger(__name__)
_ASKED = ".camvid/pack.json"  # it makes the folder a pack's
_CACHE_BYTES = 64_000_000  # row groups of many clips are read once


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What became of one shard."""

    source: str  # which shard it was made of: its sha256, or else its clips
    shard: ShardInfo | None  # None where none of its clips could be packed
    failed: tuple[NotPacked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All that a part of a pack needs to be told, on whichever process."""

    uri: str  # of the run, or of shards
    out: str
    options: PackOptions
    key: LatentsKey | None = None  # of a pack of latents; made by `start`

    def start(self) -> "Pack":
        """Makes the folder this pack's, and the codec of a pack of latents where none is named.

        Raises:
            ConfigError: the folder holds something else, or the shards are packed already.
            StoreError: there are no shards.
        """
        index = _source(self.uri)[0]
        if index.latents:
            raise ConfigError(f"{self.uri} must hold images to pack, but holds latents")
        asked = {**to_plain(self.options), "shards": index.digest()}
        claim(self.out, _ASKED, asked, owner="a pack")
        if not self.options.as_latents:
            return self
        options = replace(self.options, codec=_place_codec(self, index))
        key = LatentsKey.of(_data_options(options), _codec(options.codec).identity())
        return replace(self, options=options, key=key)

    def shards(self) -> list[Shard]:
        """The parts."""
        return list(_source(self.uri)[0].shards)

    def write_part(self, number: int, shard: Shard) -> Packed:
        """Packs a shard, unless that is done already."""
        target = ClipStore(self.out)
        name = os.path.basename(shard.path)
        note = f".camvid/packed/{name}.json"
        source = shard.sha256 or " ".join(shard.clip_ids)
        if target.exists(note):
            done = from_plain(Packed, json.loads(target.read_bytes(note)))
            if done.source == source and not done.failed:
                return done
        local = target.part_path(f"shards/{name}")
        index, reader = _source(self.uri)
        clip_ids, failed = write_pack(
            local, self._schema(), reader, _places(index)[shard.path], self._repack()
        )
        for clip in failed:
            log.warning("clip %s of %s is not packed: %s", clip.clip_id, shard.path, clip.why)
        info = _info(local, name, shard, clip_ids) if clip_ids else None
        if info:
            target.move_in(local, f"shards/{name}")
        else:
            os.unlink(local)
        packed = Packed(source=source, shard=info, failed=tuple(failed))
        target.write_bytes(note, json.dumps(to_plain(packed), indent=1).encode())
        return packed

    def finish(self, packed: Sequence[Packed]) -> None:
        """Writes the manifest, by which the shards are found."""
        shards = [each.shard for each in packed if each.shard]
        if not shards:
            raise StoreError(f"clips of {self.uri} must be readable, but none could be packed")
        write_manifest(ClipStore(self.out), shards, latents=asdict(self.key) if self.key else None)

    def _schema(self) -> Any:
        metadata = self.key.metadata("") if self.key else {}
        return pack_schema(metadata, latents=self.options.as_latents)

    def _repack(self) -> Repack:
        if not self.options.as_latents:
            return partial(smaller, options=self.options)
        from camvid.genxd.encoding import encoded_row

        return partial(
            encoded_row, options=_data_options(self.options), codec=_codec(self.options.codec)
        )


def pack_shards(
    pack: Pack,
    *,
    write: Writer = in_process,
    on_done: Callable[[int], None] = lambda num_clips: None,
) -> list[Packed]:
    """Packs all shards; what is there already stays. `pack`: as `start` gives it."""
    packed: list[Packed] = []
    num_clips = 0
    for each in write(pack.write_part, pack.shards()):
        packed.append(each)
        num_clips += (each.shard.num_rows if each.shard else 0) + len(each.failed)
        on_done(num_clips)
    pack.finish(packed)
    return packed


def _info(path: str, name: str, shard: Shard, clip_ids: Sequence[str]) -> ShardInfo:
    with open(path, "rb") as file:
        digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    return ShardInfo(
        name=name,
        kind=shard.kind,
        num_rows=len(clip_ids),
        size_bytes=size,
        sha256=digest,
        clip_ids=tuple(clip_ids),
        row_group_sizes=(1,) * len(clip_ids),
    )


def _place_codec(pack: Pack, index: ShardIndex) -> str:
    """The codec's address: a VAE's folder, or a file that is copied, else fitted, into the pack."""
    given = pack.options.codec
    if os.path.isdir(given):
        return given
    target = ClipStore(pack.out)
    if not target.exists(PACKED_CODEC):
        from camvid.genxd.codec import fit_on_shards, load_codec_at

        fitting = ClipDataset(index, _data_options(pack.options))
        codec: Any = load_codec_at(given) if given else fit_on_shards(fitting)
        with tempfile.TemporaryDirectory() as folder:
            codec.save(f"{folder}/codec")
            with open(f"{folder}/codec", "rb") as file:
                target.write_bytes(PACKED_CODEC, file.read())
    return f"{pack.out.rstrip('/')}/{PACKED_CODEC}"


def _data_options(options: PackOptions) -> DataOptions:
    """How a frame is framed for the codec; two frames are enough to fit that."""
    return DataOptions(
        height_px=options.height_px,
        width_px=options.width_px,
        fit=options.fit,
        num_frames=2,
        max_given_views=1,
    )


@lru_cache(maxsize=1)
def _source(uri: str) -> tuple[ShardIndex, RowReader]:
    """The shards, which a process finds once."""
    index = find_shards(uri)
    return index, RowReader(index.root, _CACHE_BYTES)


@lru_cache(maxsize=1)
def _places(index: ShardIndex) -> dict[str, list[Place]]:
    """The clips of each shard."""
    places: dict[str, list[Place]] = {}
    for row in range(index.num_rows):
        place = index.place(row)
        places.setdefault(place.path, []).append(place)
    return places


@lru_cache(maxsize=1)
def _codec(address: str) -> "LatentCodec":
    """The codec, which a process loads once; on its accelerator, if it has one."""
    from camvid.genxd.codec import load_codec_at
    from camvid.genxd.device import choose_device

    return load_codec_at(address).to(choose_device(""))
