"""`camvid stats`: distributions over a run's clips."""

from typing import TYPE_CHECKING

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from camvid.report.statistics import Distribution, RunStatistics

_X100 = "motion_strength"  # people are shown it x100


def command(run: RunArgument, as_json: JsonOption = False) -> None:
    """Count a finished run's kinds, moves, lengths and strengths.

    Camera motion, motion strengths, depth ranges and focal lengths, with percentiles.
    """
    from camvid.books.index import read_index
    from camvid.report.statistics import run_statistics
    from camvid.store import ClipStore

    found = run_statistics(read_index(ClipStore(run)))
    if as_json:
        print_json(found)
        return
    print(statistics_text(found))


def statistics_text(found: "RunStatistics") -> str:
    """The statistics as tables."""
    from camvid.report.statistics import PERCENTILES, label_of

    kinds = [[kind, str(n), number(found.seconds[kind], 1)] for kind, n in found.kinds.items()]
    cameras = [[name, str(count)] for name, count in found.cameras.items()]
    moves = [[name, str(count)] for name, count in found.camera_moves.items()]
    spread = [_row("length in s", "kept", found.duration_s)]
    spread += [_row("frames", "kept", found.num_frames)]
    for name, by_kind in found.measures.items():
        scale = 100.0 if name == _X100 else 1.0
        spread += [_row(label_of(name), kind, known, scale) for kind, known in by_kind.items()]
    parts = [
        table(["kind", "clips", "seconds"], kinds),
        table(["camera", "clips"], cameras),
        table(["camera motion", "clips"], moves),
        table(["of the kept", "kind", "clips", *(f"p{p}" for p in PERCENTILES)], spread),
    ]
    return "\n\n".join(parts)


def _row(label: str, kind: str, known: "Distribution", scale: float = 1.0) -> list[str]:
    values = [number(value, 2, scale) for value in known.percentiles.values()]
    return [label, kind, str(known.clips), *(values or ["-"] * 5)]
