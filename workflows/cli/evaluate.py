"""`camvid evaluate`: a run against known truth."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import JsonOption, RunArgument, number, print_json, table

if TYPE_CHECKING:
    from camvid.evaluation.scores import ClipScores, RunScores


def command(
    run: RunArgument,
    truth: Annotated[
        str, typer.Option("--truth", metavar="DIR", help="Folders with groundtruth_tum.txt.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Poses, depth, masks, motion strength and verdicts against ground truth."""
    from pathlib import Path

    from camvid.store import ClipStore
    from workflows.evaluate import EVALUATION, evaluate

    store = ClipStore(run)
    scores = evaluate(store, Path(truth))
    if as_json:
        print_json(scores)
        return
    print(clip_table(scores))
    print(run_lines(scores))
    print(f"written to {store.full_path(EVALUATION)}")


def clip_table(scores: "RunScores") -> str:
    """A line per clip."""
    header = "clip,kind,true,camera,true,reg %,ATE %,rot deg,focal %,depth,movers,mask IoU"
    header += ",motion x100,true"
    return table(header.split(","), [_line(clip) for clip in scores.clips])


def _line(clip: "ClipScores") -> list[str]:
    return [
        clip.name,
        clip.kind,
        clip.true_kind or "-",
        clip.camera,
        clip.true_camera,
        number(clip.trajectory.registered_fraction, 0, 100),
        number(clip.ate_percent, 3),
        number(clip.trajectory.rpe_rotation_deg, 3),
        number(clip.focal_error, 2, 100),
        number(clip.depth.abs_rel_static, 3),
        number(clip.depth.abs_rel_movers, 3),
        number(clip.masks.iou),
        number(clip.motion_strength, 3, 100),
        number(clip.true_motion_strength, 3, 100),
    ]


def run_lines(scores: "RunScores") -> str:
    """The run as a whole, a line per measure."""
    lines = [
        ("right kind", number(scores.right_kind, 1, 100) + " %"),
        ("true -> found", ", ".join(f"{k}: {n}" for k, n in scores.confusion.items())),
        ("paths within 1 %", number(scores.solved_within_1_percent, 1, 100) + " %"),
        ("median ATE", number(scores.median_ate_percent, 3) + " % of the path"),
        ("paths invented", str(scores.num_invented_paths)),
        ("wrong paths accepted", str(scores.num_wrong_paths)),
        ("depth AbsRel", number(scores.depth_abs_rel_static, 4) + " static"),
        ("", number(scores.depth_abs_rel_movers, 4) + " movers"),
        ("mask IoU", number(scores.mask_iou)),
        ("motion error", number(scores.motion_median_error, 1, 100) + " % in the median"),
        ("motion rank corr.", number(scores.motion_rank_correlation, 3)),
        ("still/moving AUC", number(scores.still_moving_auc, 4)),
    ]
    return "\n".join(f"{name:22}{value}" for name, value in lines)
