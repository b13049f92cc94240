"""How well copies of videos are found, and how long it takes among very many clips.

    python benchmarks/duplicates.py --data FOLDER   # videos and folders of images
    python benchmarks/duplicates.py --clips 10000 100000

Of each video's first seconds six copies are made: coded at CRF 35, at half the size, boxed,
brighter, at half the rate, and trimmed by a part of a sampling step. Against them stand clips that
are none: a video's first and second half, and all pairs of two videos.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa

from camvid.duplicates import COLUMNS, MIN_SHARE, find_duplicates
from camvid.video.cut import CutOptions, cut
from camvid.video.decode import read_frames
from camvid.video.find import find_videos
from camvid.video.probe import probe

SECONDS, SIDE_PX = 4.0, 320
Frames = list[Any]  # [H, W, 3] each
COPIES: Mapping[str, Callable[[Frames, float], tuple[Frames, float, int]]] = {
    "coded": lambda frames, fps: (frames, fps, 35),
    "half the size": lambda frames, fps: ([f[::2, ::2] for f in frames], fps, 28),
    "boxed": lambda frames, fps: ([np.pad(f, ((40, 40), (0, 0), (0, 0))) for f in frames], fps, 26),
    "brighter": lambda frames, fps: (
        [cv2.convertScaleAbs(f, None, 1.1, 8) for f in frames],
        fps,
        26,
    ),
    "half the rate": lambda frames, fps: (frames[::2], fps / 2, 26),
    "trimmed": lambda frames, fps: (frames[int(0.37 * fps) + 1 :], fps, 26),
}


def _boxed(image: Any) -> Any:
    return np.pad(image, ((40, 40), (0, 0), (0, 0)))


def _brighter(image: Any) -> Any:
    return cv2.convertScaleAbs(image, None, 1.1, 8)


def encode(path: Path, frames: Frames, fps: float, crf: int) -> None:
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    with av.open(str(path), "w") as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for image in frames:
            rgb = np.ascontiguousarray(image[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))


def hashes(folder: Path, frames: Frames, fps: float, crf: int = 20) -> list[int]:
    """Those that `split` makes of the frames as a video."""
    path = folder / "video.mp4"
    encode(path, frames, fps, crf)
    options = CutOptions(min_clip_s=0.2, max_clip_s=60, min_fps=1, min_side_px=32)
    (piece,) = cut(probe(str(path)), [(0.0, 60.0)], options)
    return list(piece.clip.change_hashes)


def clips(videos: Mapping[str, list[int]]) -> pa.Table:
    """One clip of each."""
    names = list(videos)
    columns = [names, names, np.zeros(len(names)), list(videos.values())]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))


def share(first: list[int], second: list[int]) -> float:
    """How much of the one or the other is found in the other, as far as it is a duplicate."""
    found = find_duplicates(clips({"a": first, "b": second}))
    return found[0].share if found else 0.0


def measure(data: str) -> None:
    """Prints what share of each copy is found, and of what is none."""
    whole: dict[str, list[int]] = {}
    found: dict[str, list[float]] = {name: [] for name in COPIES}
    halves: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for uri in find_videos([data]):
            shown = [f for f in read_frames(uri, max_side_px=SIDE_PX) if f.timestamp_s < SECONDS]
            frames = [f.rgb for f in shown if f.rgb.shape == shown[0].rgb.shape]
            if len(frames) < 24:
                continue
            fps = (len(shown) - 1) / (shown[-1].timestamp_s - shown[0].timestamp_s)
            whole[uri] = hashes(Path(folder), frames, fps)
            for name, make in COPIES.items():
                found[name].append(share(hashes(Path(folder), *make(frames, fps)), whole[uri]))
            middle = len(frames) // 2
            parts = (frames[:middle], frames[middle:])
            halves.append(share(*(hashes(Path(folder), part, fps) for part in parts)))
    for name, shares in found.items():
        print(f"{name:14} {sum(s > 0 for s in shares):3} of {len(shares)}, least {min(shares):.2f}")
    others = [share(whole[a], whole[b]) for a, b in combinations(whole, 2)]
    for name, shares in {"halves": halves, "two videos": others}.items():
        print(
            f"{name:14} {sum(s >= MIN_SHARE for s in shares):3} of {len(shares)} taken for copies"
        )


def time_many(count: int) -> None:
    """Prints time and memory among so many clips of 8 s, with trimmed copies of a twentieth."""
    random = np.random.default_rng(0)
    length = 62
    found = np.zeros((count, length), np.uint64)
    bits = random.integers(0, 2**63, count, dtype=np.uint64)
    for step in range(length):  # from hash to hash a few bits change
        bits = _flipped(random, bits, 6)
        found[:, step] = bits
    copied = random.choice(count, count // 20, replace=False)
    videos = {f"{n:08d}": row for n, row in enumerate(found.view(np.int64))}
    for number, row in zip(copied, _flipped(random, found[copied], 8).view(np.int64), strict=True):
        videos[f"copy of {number:08d}"] = row[random.integers(0, 20) :]
    table = clips({name: row.tolist() for name, row in videos.items()})
    start = time.process_time()
    copies = [each.clip_id for each in find_duplicates(table)]
    right = sum(name.startswith("copy") for name in copies)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{count} clips and {len(copied)} copies: {right} found, {len(copies) - right} wrong,"
        f" {time.process_time() - start:.1f} s of CPU, {peak_mb} MB"
    )


def _flipped(random: np.random.Generator, bits: Any, count: int) -> Any:
    for _ in range(count):
        bits = bits ^ (np.uint64(1) << random.integers(0, 64, bits.shape).astype(np.uint64))
    return bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--clips", type=int, nargs="*", default=[])
    options = parser.parse_args()
    if options.data:
        measure(options.data)
    for count in options.clips:
        time_many(count)


if __name__ == "__main__":
    main()
