"""Our loader against WebDataset, MosaicML Streaming, LitData and Hugging Face datasets.

The same clips in each one's own format; from all of them the same work on the same bytes in as
many worker processes: draw frames, crop and condition views, decode, resize, rays, batch. What
differs is how a clip's bytes come to the worker. One run, in turns, medians. Machines are noisy:
read the ratios, and where others use the cores, the CPU time.

    pip install webdataset mosaicml-streaming litdata datasets   # those absent are named
    python benchmarks/loaders.py [--clips N] [--repeats N] [--workers N]
"""

import argparse
import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from loader_formats import BATCH, CONTENDERS, Contender, make_row

from camvid.genxd.data.loader import Batch

WARM_UP = 4  # batches, until all workers are at work
AHEAD = 2  # batches that each worker of a DataLoader prepares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    # What workers read ahead must be clips too: at the end they would rest, and look quick.
    needed = BATCH * (asked.batches + WARM_UP + 2 * AHEAD * asked.workers)
    if asked.clips < needed:
        parser.error(f"--clips must be at least {needed}")
    ready = [contender for contender in CONTENDERS if _is_there(contender)]
    with tempfile.TemporaryDirectory(prefix="camvid-bench-") as scratch:
        # In a process of its own: threads that writing starts must not be there when workers fork.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(write_all, [c.name for c in ready], Path(scratch), asked.clips).result()
        os.sync()
        cpu_ms = measure_cpu(ready, Path(scratch), asked.batches)
        rates = measure_rates(ready, Path(scratch), asked)
    print(f"{asked.workers} workers; a ratio above 1: ours is quicker")
    for name in sorted(rates, key=lambda name: -rates[name]):
        ratios = rates[CONTENDERS[0].name] / rates[name], cpu_ms[name] / cpu_ms[CONTENDERS[0].name]
        print(f"{name:24}{rates[name]:7.1f} samples/s, ratio {ratios[0]:5.2f}", end="; ")
        print(f"{cpu_ms[name]:7.2f} ms of CPU a sample, ratio {ratios[1]:5.2f}")


def measure_rates(
    ready: Sequence[Contender], scratch: Path, asked: argparse.Namespace
) -> dict[str, float]:
    """Samples per second with workers; medians of whole runs, in turns."""
    measured: dict[str, list[float]] = {contender.name: [] for contender in ready}
    for repeat in range(asked.repeats):
        first = repeat % len(ready)  # nobody always follows the same one
        for contender in [*ready[first:], *ready[:first]]:
            batches = contender.batches(scratch / contender.package, asked.workers)
            measured[contender.name].append(samples_per_s(batches, asked.batches))
    return {name: statistics.median(rates) for name, rates in measured.items()}


def measure_cpu(ready: Sequence[Contender], scratch: Path, count: int) -> dict[str, float]:
    """Milliseconds of CPU per sample without workers, in turns batch by batch; means."""
    sources = {c.name: iter(c.batches(scratch / c.package, 0)) for c in ready}
    measured: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(count):
        names = list(sources)
        for name in [*names[turn % len(names) :], *names[: turn % len(names)]]:
            start = time.process_time()
            num_samples = len(next(sources[name]).numbers)
            measured[name].append((time.process_time() - start) / num_samples * 1e3)
    return {name: statistics.mean(times) for name, times in measured.items()}


def write_all(names: Sequence[str], scratch: Path, num_clips: int) -> None:
    """The same clips in each one's own format."""
    rows = [make_row(number) for number in range(num_clips)]
    for contender in CONTENDERS:
        if contender.name in names:
            contender.write(rows, scratch / contender.package)


def samples_per_s(batches: Iterable[Batch], count: int) -> float:
    """From when all workers are at work; they are stopped afterwards."""
    iterator = iter(batches)
    for _ in islice(iterator, WARM_UP):
        pass
    start, num_samples = time.perf_counter(), 0
    for batch in islice(iterator, count):
        assert batch.rgb is None or batch.rgb.shape[1:] == (12, 3, 256, 256)
        num_samples += len(batch.numbers)
    return num_samples / (time.perf_counter() - start)


def _is_there(contender: Contender) -> bool:
    try:
        importlib.import_module(contender.package)
    except ImportError as error:
        print(f"{contender.name}: not measured: {error}")
        return False
    return True


if __name__ == "__main__":
    main()
