"""How well P(moves) of objects holds, over a finished run of scenes of which the truth is known.

    python benchmarks/accuracy.py --seeds dev --keep TRUTH --out OUT
    python -m benchmarks.rigidity_calibration OUT/run TRUTH

The constants of camvid/rigidity/posterior.py that say what misleads its tracks were set by this.
Of every object of the segmenter, and of every group of tracks off the masks that stray together,
it compares P(moves) with what most of its stray tracks lie on.
"""

import argparse
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from camvid.artifacts import F64, Bool, MovableMasks, PointTracks, Reconstruction, Rigidity
from camvid.books.index import read_index
from camvid.evaluation.truth import find_truths
from camvid.overlay.masks import without_overlay
from camvid.rigidity.groups import with_groups
from camvid.rigidity.posterior import UNMASKED, posterior, priors_of
from camvid.scenes.fairness import PAIR_GAP_S
from camvid.scenes.files import load_truth
from camvid.scenes.truth import SceneTruth, true_motion_strength
from camvid.store import ClipStore
from camvid.tracking.tracks import owners
from workflows.cli.console import number, table

_EDGES = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
_LEAST = 1e-4  # P(moves), and 1 - P(moves), that count in the log loss


class Judged(NamedTuple):
    """An object, and what its tracks and images say of it."""

    scene: str
    what: str  # its origin; "group" of tracks off the masks
    truly_moves: bool
    moves: float  # P(moves)
    num_tracks: int
    share: float  # of the clip's tracks
    stray_share: float  # of its own
    stray_ratio: float  # median log likelihood ratio of those
    image_ratio: float  # mean of what the images show of them


def main() -> None:
    asked = parse()
    store, truths = ClipStore(asked.run), find_truths(Path(asked.truth))
    found: list[Judged] = []
    for row in read_index(store):
        if not row.clip_id or not store.has(row.clip_id, Rigidity):
            continue  # it was stopped before
        if store.load(row.clip_id, Reconstruction).camera != "unknown":
            scene = Path(row.source_uri).parent.name
            found += judged(store, row.clip_id, scene, load_truth(truths[scene]))
    print(report(found))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="folder of a run with its artifacts")
    parser.add_argument("truth", help="folder of the scenes that it was made from")
    return parser.parse_args()


def judged(store: ClipStore, clip_id: str, scene: str, truth: SceneTruth) -> Iterator[Judged]:
    """The objects and groups of a clip."""
    masks = store.load(clip_id, MovableMasks)
    tracks, rigidity = store.load(clip_id, PointTracks), store.load(clip_id, Rigidity)
    on_mover = on_movers(tracks, truth)
    taken = max((o.object_id for o in masks.objects), default=0)
    side_px = max(masks.object_id.shape[1:])
    owner = owners(tracks, masks.object_id)
    owner, groups = with_groups(tracks, owner, rigidity.log_ratio, side_px, taken)
    scene_objects = without_overlay(masks).objects
    what = {o.object_id: o.origin.value for o in scene_objects} | dict.fromkeys(groups, "group")
    priors = priors_of(scene_objects) | dict.fromkeys(groups, UNMASKED)
    for label, rated in posterior(rigidity, owner, priors).objects.items():
        own = np.isfinite(rigidity.log_ratio) & (owner == label)
        stray = own & (rigidity.log_ratio > 0)
        if label and stray.any():
            yield Judged(
                scene=scene,
                what=what[label],
                truly_moves=bool(stray.sum() > 0.3 * own.sum() and on_mover[stray].mean() > 0.5),
                moves=rated.moves,
                num_tracks=rated.num_tracks,
                share=rated.num_tracks / int(np.isfinite(rigidity.log_ratio).sum()),
                stray_share=float(stray.sum() / own.sum()),
                stray_ratio=float(np.median(rigidity.log_ratio[stray])),
                image_ratio=float(np.mean(rigidity.image_ratio[stray])),
            )


def on_movers(tracks: PointTracks, truth: SceneTruth) -> Bool:
    """Tracks [N] of which more than half of the observations lie on something that moves."""
    strengths = true_motion_strength(truth, PAIR_GAP_S)
    moving = np.isin(truth.object_id, [i for i, strength in strengths.items() if strength > 0])
    height, width = moving.shape[1:]
    frame, track = np.nonzero(tracks.visible)
    column, row = np.floor(tracks.xy_px[frame, track]).astype(int).T
    hit = moving[frame, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.bincount(track, np.where(hit, 1, -1), len(tracks.object_id)) > 0


def report(found: Sequence[Judged]) -> str:
    """Log loss, P(moves) against how many move, and those that came out wrong."""
    moves = np.array([j.moves for j in found])
    truly = np.array([j.truly_moves for j in found])
    wrong = [j for j in found if (j.moves > 0.5) != j.truly_moves]
    return "\n\n".join(
        [
            f"{len(found)} objects and groups, log loss {log_loss(moves, truly):.1f}",
            reliability(moves, truly),
            table(Judged._fields, [_cells(j) for j in sorted(wrong, key=lambda j: j.moves)]),
        ]
    )


def log_loss(moves: F64, truly: Bool) -> float:
    """Sum over all."""
    chance = np.clip(np.where(truly, moves, 1 - moves), _LEAST, 1)
    return float(-np.log(chance).sum())


def reliability(moves: F64, truly: Bool) -> str:
    """How many move, of those with P(moves) in each range."""
    rows: list[list[str]] = []
    for low, high in itertools.pairwise(_EDGES):
        here = (moves >= low) & ((moves < high) | (high == 1.0))
        share = float(truly[here].mean()) if here.any() else math.nan
        mean = float(moves[here].mean()) if here.any() else math.nan
        rows.append([f"{low}-{high}", str(int(here.sum())), number(mean, 3), number(share, 3)])
    return table(("P(moves)", "number", "mean", "move"), rows)


def _cells(row: Judged) -> list[str]:
    return [number(v, 3) if isinstance(v, float) else str(v) for v in row]


if __name__ == "__main__":
    main()
