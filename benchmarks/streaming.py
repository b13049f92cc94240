"""Training from an object store: our loader on shards and packs, and WebDataset, in one run.

A local S3 server (moto's) stands for the store, so the rates are no store's: read the ratios, and
the bytes of a sample. From all comes the same work on the same clips in as many workers. WebDataset
reads by curl, as its manual has it, and is given the small images as well.

    python benchmarks/streaming.py [--clips N] [--batches N] [--repeats N] [--workers N]
"""

import argparse
import logging
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import fsspec
from loader_formats import BATCH, OPTIONS, Row, make_row, read_tars, write_ours, write_webdataset
from loaders import samples_per_s

from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.loader import Batch, ClipLoader
from camvid.genxd.data.packing import PackOptions
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.shards import find_shards
from camvid.shards.writer import ShardOptions
from tests.workflows.s3_server import ACCOUNT, S3Server
from workflows.pack import Pack, pack_shards

CROPPED = replace(OPTIONS, fit="centre_crop")
FRAMES = 46  # of a clip: 2 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Batches from a folder in the bucket, in so many workers."""

    name: str
    folder: str
    batches: Callable[[str, int], Iterable[Batch]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    logging.getLogger("camvid").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="camvid-bench-") as scratch:
        write_all(Path(scratch), asked.clips)
        with served(Path(scratch)):
            report(asked)


def write_all(scratch: Path, num_clips: int) -> None:
    """The clips as shards, as packs of them, and as WebDataset has them: whole and small."""
    rows = [make_row(number, FRAMES) for number in range(num_clips)]
    # As large as WebDataset's, since this server reads all of an object for a range of it.
    write_ours(rows, scratch / "shards", ShardOptions(max_shard_bytes=30_000_000))
    packs = {"small": PackOptions(side_px=256, square=True), "latents": PackOptions()}
    for name, options in packs.items():
        pack = Pack(uri=str(scratch / "shards"), out=str(scratch / name), options=options)
        pack_shards(pack.start())
    write_webdataset(rows, scratch / "wds")
    write_webdataset(list(_small(rows, scratch / "small")), scratch / "wds-small")


def _small(rows: Sequence[Row], folder: Path) -> Iterator[Row]:
    """The rows with the images, size and K of the pack."""
    index = find_shards(str(folder))
    reader = RowReader(index.root, 0)
    for number in range(index.num_rows):
        small = reader.read(index.place(number))
        row = rows[int(small["clip_id"], 16)]
        images = [jpeg.as_py() for jpeg in small["frames"]]
        same = {name: small[name] for name in ("height_px", "width_px", "K")}
        yield row | same | {"frames": images}


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """The folder in a bucket of a server of our own."""
    os.environ |= ACCOUNT
    log = folder / "log"
    log.mkdir()
    server = S3Server(log, recording=False)
    server.start()
    try:
        os.environ["AWS_ENDPOINT_URL"] = server.url
        bucket = server.make_bucket("clips")
        filesystem = fsspec.filesystem("s3")
        for name in ("shards", "small", "latents", "wds", "wds-small"):
            filesystem.put(str(folder / name), f"{bucket}/{name}", recursive=True)
        yield
    finally:
        server.kill()


def report(asked: argparse.Namespace) -> None:
    """Rates in turns; medians of whole runs."""
    contenders = [
        Contender(name="camvid, whole images", folder="shards", batches=read_ours),
        Contender(name="camvid pack --side 256 --square", folder="small", batches=read_ours),
        Contender(name="camvid pack --latents", folder="latents", batches=read_ours),
        Contender(name="WebDataset, whole images", folder="wds", batches=read_web),
        Contender(name="WebDataset, small", folder="wds-small", batches=read_web),
    ]
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for repeat in range(asked.repeats):
        first = repeat % len(contenders)  # nobody always follows the same one
        for each in [*contenders[first:], *contenders[:first]]:
            batches = each.batches(each.folder, asked.workers)
            rates[each.name].append(samples_per_s(batches, asked.batches))
    base = statistics.median(rates["WebDataset, whole images"])
    print(f"{asked.workers} workers, one local S3 server; clips of {FRAMES} frames of 640x360")
    for each in contenders:
        rate = statistics.median(rates[each.name])
        size_mb = bytes_stored(each.folder) / asked.clips / 1e6
        print(
            f"{each.name:34}{rate:7.1f} samples/s, {rate / base:5.2f} times WebDataset's of whole"
        )
        print(f"{'':34}images; {size_mb:5.2f} MB a clip")


def read_ours(folder: str, workers: int) -> Iterable[Batch]:
    dataset = ClipDataset(f"s3://clips/{folder}", CROPPED)
    return ClipLoader(dataset, batch_size=BATCH, num_workers=workers)


def bytes_stored(folder: str) -> int:
    return sum(fsspec.filesystem("s3").du(f"clips/{folder}", total=False).values())


def read_web(folder: str, workers: int) -> Iterable[Batch]:
    filesystem = fsspec.filesystem("s3")
    names = sorted(filesystem.glob(f"clips/{folder}/*.tar"))
    return read_tars([filesystem.url(name) for name in names], workers)


if __name__ == "__main__":
    main()
