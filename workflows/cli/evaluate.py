"""`camvid evaluate`: a run against known truth."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from camvid.evaluation.scores import ClipScores
    from camvid.evaluation.summary import RunScores, Summary


def command(
    run: RunArgument,
    truth: Annotated[
        str,
        typer.Option(
            "--truth",
            metavar="DIR",
            help="Folders named like the videos: groundtruth_tum.txt, K.json, masks/, labels.json.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare a run with ground truth.

    Poses, depth, masks, motion strength and verdicts.
    """
    from pathlib import Path

    from camvid.store import ClipStore
    from workflows.evaluate import EVALUATION, evaluate

    store = ClipStore(run)
    scores = evaluate(store, Path(truth))
    if as_json:
        print_json(scores)
        return
    print(clip_table(scores))
    if any(clip.regions.num_frames or clip.joints.num_joints for clip in scores.clips):
        print(footage_table(scores))
    if scores.by_ingredient:
        print(ingredient_table(scores))
    print(run_lines(scores))
    print(f"written to {store.full_path(EVALUATION)}")


def clip_table(scores: "RunScores") -> str:
    """A line per clip; ATE and RPE in the units of the truth, and as a share of its path."""
    header = "clip,kind,true,camera,true,reg %,ATE,ATE %,RPE,RPE deg,AUC@3,AUC@30,turn deg,focal %"
    header += ",depth,<1.25 %,movers,<1.25 %,mask IoU,prec.,recall,motion x100,true,ingredients"
    return table(header.split(","), [_line(clip) for clip in scores.clips])


def _line(clip: "ClipScores") -> list[str]:
    path, depth, masks = clip.trajectory, clip.depth, clip.masks
    return [
        clip.name,
        clip.kind,
        (clip.true_kind or "-") + ("" if clip.observable.kind else "?"),
        clip.camera,
        clip.true_camera or "-",
        number(path.registered_fraction, 0, 100),
        "no path" if path.known and not path.travels else number(path.ate_rmse, 5),
        number(path.ate_percent, 3),
        number(path.rpe_translation, 5),
        number(path.rpe_rotation_deg, 3),
        number(clip.pairs.auc_3, 1, 100),
        number(clip.pairs.auc_30, 1, 100),
        number(path.rotation_rmse_deg, 3),
        number(clip.focal_error, 2, 100),
        number(depth.abs_rel_static, 3),
        number(depth.delta_static, 1, 100),
        number(depth.abs_rel_movers, 3),
        number(depth.delta_movers, 1, 100),
        number(masks.iou),
        number(masks.precision),
        number(masks.recall),
        number(clip.motion_strength, 3, 100),
        number(clip.true_motion_strength, 3, 100),
        " ".join(clip.ingredients),
    ]


def footage_table(scores: "RunScores") -> str:
    """A line per clip with tight masks or joints of its source: J and F as DAVIS, PCK as BADJA."""
    header = "clip,frames,J moving,F moving,J all,F all,joints,PCK %,at rest %"
    lines = [
        [
            clip.name,
            str(clip.regions.num_frames),
            number(clip.regions.j_moving, 3),
            number(clip.regions.f_moving, 3),
            number(clip.regions.j_all, 3),
            number(clip.regions.f_all, 3),
            str(clip.joints.num_joints),
            number(clip.joints.pck, 1, 100),
            number(clip.joints.pck_at_rest, 1, 100),
        ]
        for clip in scores.clips
    ]
    return table(header.split(","), lines)


def ingredient_table(scores: "RunScores") -> str:
    """A line per ingredient of the scenes; clips have several."""
    header = "ingredient,clips,right kind %,wrong,invented,reg %,within 1 %,ATE %,pan deg"
    header += ",depth,movers,mask IoU,motion err %,AUC"
    lines = {"all": scores.overall, **scores.by_ingredient}
    return table(header.split(","), [_summary_line(*item) for item in lines.items()])


def _summary_line(name: str, group: "Summary") -> list[str]:
    return [
        name,
        str(group.num_clips),
        number(group.right_kind, 0, 100),
        str(group.num_wrong_paths),
        str(group.num_invented_paths),
        number(group.registered, 0, 100),
        number(group.within_1_percent, 0, 100),
        number(group.median_ate_percent, 3),
        number(group.pan_rotation_deg, 3),
        number(group.depth_abs_rel_static, 3),
        number(group.depth_abs_rel_movers, 3),
        number(group.mask_iou),
        number(group.motion_median_error, 1, 100),
        number(group.still_moving_auc, 3),
    ]


def confidence_table(scores: "RunScores") -> str:
    """Depth's error by its confidence."""
    lines = [
        [
            f"{b.low}-{b.high}",
            number(b.num_pixels / 1e6),
            number(b.abs_rel, 4),
            number(b.num_movers / 1e6),
            number(b.abs_rel_movers, 4),
        ]
        for b in scores.depth_by_confidence
    ]
    header = ["confidence", "million px", "AbsRel", "of movers", "AbsRel"]
    return table(header, lines)


def run_lines(scores: "RunScores") -> str:
    """The run as a whole, a line per measure."""
    run = scores.overall
    decided = f"{run.num_observable} of {run.num_clips} clips' images decide it"
    lines = [
        ("right kind", f"{number(run.right_kind, 1, 100)} % ({decided})"),
        ("wrong kinds", f"{run.num_wrong_kinds}; other clips claim less than could be had"),
        ("true -> found", ", ".join(f"{k}: {n}" for k, n in run.confusion.items())),
        ("camera", ", ".join(f"{k}: {n}" for k, n in run.cameras.items())),
        ("failed", str(run.num_failed)),
        ("registered", number(run.registered, 1, 100) + " % of the frames"),
        ("paths within 1 %", number(run.within_1_percent, 1, 100) + " %"),
        ("median ATE", number(run.median_ate_percent, 3) + " % of the path"),
        ("median RPE rotation", number(run.median_rpe_rotation_deg, 4) + " deg"),
        ("paths invented", str(run.num_invented_paths)),
        ("wrong paths accepted", str(run.num_wrong_paths)),
        ("rotation-only", number(run.pan_rotation_deg, 3) + " deg RMSE in the median"),
        ("", number(run.worst_pan_rotation_deg, 3) + " deg at worst"),
        ("pose AUC@3, @30", f"{number(run.auc_3, 1, 100)} %, {number(run.auc_30, 1, 100)} %"),
        ("focal error", number(run.median_focal_error, 2, 100) + " % in the median"),
        ("depth static", _depth(run.depth_abs_rel_static, run.depth_delta_static)),
        ("depth movers", _depth(run.depth_abs_rel_movers, run.depth_delta_movers)),
        ("", f"AbsRel {number(run.median_depth_abs_rel_movers, 4)} in the median clip"),
        ("depth AUSE", number(run.depth_ause) + " of its mean error: 0 if confidence sorts it"),
        ("mask IoU", number(run.mask_iou)),
        ("mask precision, recall", f"{number(run.mask_precision)}, {number(run.mask_recall)}"),
        ("J, F of movers", f"{number(run.j_moving, 3)}, {number(run.f_moving, 3)}"),
        ("J, F of all masks", f"{number(run.j_all, 3)}, {number(run.f_all, 3)}"),
        ("joints", f"{number(run.joints_pck, 1, 100)} % within reach"),
        ("motion error", number(run.motion_median_error, 1, 100) + " % in the median"),
        ("motion interval", number(run.interval_coverage, 0, 100) + " % of truths in 90 %"),
        ("motion rank corr.", number(run.motion_rank_correlation, 3)),
        ("still/moving AUC", number(run.still_moving_auc, 4) + " of clips"),
        ("", number(run.object_auc, 4) + " of objects"),
    ]
    return "\n".join(f"{name:24}{value}" for name, value in lines)


def _depth(abs_rel: float, delta: float) -> str:
    return f"AbsRel {number(abs_rel, 4)}, {number(delta, 1, 100)} % within a factor of 1.25"
