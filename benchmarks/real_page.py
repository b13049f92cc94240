"""docs/REAL.md from the scores of a run."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from real_facts import (
    ANCHORS,
    DEVELOPMENT,
    IMAGE_FPS,
    LABELS,
    MAX_FRAMES,
    MAX_FRAMES_POSED,
    PUBLISHED,
    SALIENT,
    SOURCES,
    TIMEOUT_S,
    UNSEEN,
)

from workflows.cli.console import number, table

if TYPE_CHECKING:
    from real import Line

HALF_ORDER = (DEVELOPMENT, PUBLISHED, UNSEEN)
CLAIMS_A_PATH = 0.8  # of the frames registered: what stock COLMAP says of a camera that travels
_NAN = float("nan")


def page(lines: "Sequence[Line]", curated_s: float, total_s: float, jobs: int) -> str:
    """The whole page."""
    took = f"{total_s / 60:.0f} minutes, {curated_s / 60:.0f} of them for the pipeline"
    took += f" ({jobs} clip{'s' if jobs > 1 else ''} at a time)"
    sections = [
        _PREFACE.format(
            fps=IMAGE_FPS,
            salient=SALIENT,
            most=MAX_FRAMES,
            most_posed=MAX_FRAMES_POSED,
            timeout_s=TIMEOUT_S,
            took=took,
        ),
        _section("In short", in_short(lines)),
        _section("Clip by clip", found_table(lines)),
        _section("Why", reasons_list(lines)),
        _section("Masks", masks_table(lines)),
        _section("Published on DAVIS-2016", anchor_table(lines)),
        _section("Joints", joints_table(lines)),
        _section("Cameras with known poses", poses_table(lines)),
        _section("Stock COLMAP where no pose is known", stock_table(lines)),
    ]
    return "\n".join(sections)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```\n{text}\n```\n"


def in_short(lines: "Sequence[Line]") -> str:
    """A line per half, and one for all."""
    header = "half,clips,right,refused,wrong,made up,J moving,F moving,J all,F all,U2-Net-P J,PCK %"
    header += ",AUC@3,AUC@30"
    groups = [(half, [line for line in lines if line.half == half]) for half in HALF_ORDER]
    groups.append(("all", list(lines)))
    return table(header.split(","), [_summary(*group) for group in groups if group[1]])


def _summary(name: str, lines: "Sequence[Line]") -> list[str]:
    judged = [line.scores.judgement for line in lines]
    masked = [line.scores.regions for line in lines if line.scores.regions.num_frames]
    return [
        name,
        str(len(lines)),
        *(str(judged.count(judgement)) for judgement in ("right", "refused", "wrong")),
        str(sum(line.scores.invented_path for line in lines)),
        number(_mean([m.j_moving for m in masked]), 3),
        number(_mean([m.f_moving for m in masked]), 3),
        number(_mean([m.j_all for m in masked]), 3),
        number(_mean([m.f_all for m in masked]), 3),
        number(_mean([_figure(line, "u2netp", "j") for line in lines]), 3),
        number(_mean([line.scores.joints.pck for line in lines]), 1, 100),
        number(_mean([line.scores.pairs.auc_3 for line in lines]), 1, 100),
        number(_mean([line.scores.pairs.auc_30 for line in lines]), 1, 100),
    ]


def found_table(lines: "Sequence[Line]") -> str:
    """Everything of a clip in one row."""
    header = (
        "clip,half,kind,true,,camera,true,motion x100,J moving,J all,F moving,PCK %,ATE %,AUC@3"
    )
    header += ",AUC@30,focal px,true"
    rows = [
        [
            line.scores.name,
            line.half,
            line.scores.kind,
            line.scores.true_kind or "-",
            line.scores.judgement or "-",
            line.scores.camera,
            line.scores.true_camera or "-",
            number(line.scores.motion_strength, 2, 100),
            number(line.scores.regions.j_moving, 3),
            number(line.scores.regions.j_all, 3),
            number(line.scores.regions.f_moving, 3),
            number(line.scores.joints.pck, 1, 100),
            number(line.scores.trajectory.ate_percent, 2),
            number(line.scores.pairs.auc_3, 1, 100),
            number(line.scores.pairs.auc_30, 1, 100),
            number(line.scores.focal_px, 1),
            number(line.scores.true_focal_px, 1),
        ]
        for line in _ordered(lines)
    ]
    return table(header.split(","), rows)


def reasons_list(lines: "Sequence[Line]") -> str:
    """Why a clip is not `4d`."""
    rows = [[ln.scores.name, "; ".join(ln.reasons) or "-"] for ln in _ordered(lines)]
    return table(["clip", "reasons"], rows)


def masks_table(lines: "Sequence[Line]") -> str:
    """J and F of each sequence with masks, and their means by half."""
    header = "clip,half,frames,J moving,F moving,J all,F all,U2-Net-P J,F"
    masked = [line for line in _ordered(lines) if line.scores.regions.num_frames]
    rows = [[line.scores.name, line.half, *_mask_cells([line])] for line in masked]
    for half in (*HALF_ORDER, "all"):
        group = [line for line in masked if half in (line.half, "all")]
        if group:
            rows.append(["mean", half, *_mask_cells(group)])
    return table(header.split(","), rows)


def _mask_cells(lines: "Sequence[Line]") -> list[str]:
    regions = [line.scores.regions for line in lines]
    return [
        str(sum(r.num_frames for r in regions)),
        number(_mean([r.j_moving for r in regions]), 3),
        number(_mean([r.f_moving for r in regions]), 3),
        number(_mean([r.j_all for r in regions]), 3),
        number(_mean([r.f_all for r in regions]), 3),
        _cell(lines, "u2netp", "j", 3),
        _cell(lines, "u2netp", "f", 3),
    ]


def anchor_table(lines: "Sequence[Line]") -> str:
    """Published means over all 20 sequences of the validation set, ours over those at hand."""
    regions = [ln.scores.regions for ln in lines if _is_davis(ln) and ln.scores.regions.num_frames]
    ours = f"camvid, {len(regions)} of the 20 sequences"
    j, f = _mean([r.j_moving for r in regions]), _mean([r.f_moving for r in regions])
    rows = [[ours, "this page", number(j, 3), number(f, 3), "J and F moving"]]
    rows += [
        [a.method, a.takes, number(a.j_mean, 3), number(a.f_mean, 3), a.source] for a in ANCHORS
    ]
    return table(["method", "takes", "J", "F", "source"], rows) + f"\n\n{SOURCES}"


def _is_davis(line: "Line") -> bool:
    return line.scores.name.startswith("davis_") and line.scores.name in LABELS


def joints_table(lines: "Sequence[Line]") -> str:
    """Tracks against marked joints."""
    header = ["clip", "half", "joints", "PCK %", "at rest %"]
    rows = [
        [
            line.scores.name,
            line.half,
            str(line.scores.joints.num_joints),
            number(line.scores.joints.pck, 1, 100),
            number(line.scores.joints.pck_at_rest, 1, 100),
        ]
        for line in _ordered(lines)
        if line.scores.joints.num_joints
    ]
    return table(header, rows)


def poses_table(lines: "Sequence[Line]") -> str:
    """Ours, then stock COLMAP without and with our masks, for each clip with poses."""
    header = "clip,half,solver,reg %,ATE m,ATE %,RPE m,RPE deg,AUC@3,AUC@30,focal px,true"
    rows: list[list[str]] = []
    for line in _ordered(lines):
        if line.scores.trajectory.known:
            rows += _pose_rows(line)
    return table(header.split(","), rows)


def _pose_rows(line: "Line") -> Iterator[list[str]]:
    scores, path = line.scores, line.scores.trajectory
    yield [
        scores.name,
        line.half,
        "camvid",
        number(path.registered_fraction, 0, 100),
        number(path.ate_rmse, 3),
        number(path.ate_percent, 2),
        number(path.rpe_translation, 4),
        number(path.rpe_rotation_deg, 3),
        number(scores.pairs.auc_3, 1, 100),
        number(scores.pairs.auc_30, 1, 100),
        number(scores.focal_px, 1),
        number(scores.true_focal_px, 1),
    ]
    for name, words in (("stock", "COLMAP"), ("stock-masked", "COLMAP, our masks")):
        cells = [
            _cell([line], name, "registered", 0, 100),
            _cell([line], name, "ate_rmse", 3),
            _cell([line], name, "ate_percent", 2),
            _cell([line], name, "rpe_translation", 4),
            _cell([line], name, "rpe_rotation_deg", 3),
            _cell([line], name, "auc_3", 1, 100),
            _cell([line], name, "auc_30", 1, 100),
            _cell([line], name, "focal_px", 1),
        ]
        yield ["", "", words, *cells, ""]


def stock_table(lines: "Sequence[Line]") -> str:
    """Share of frames that stock COLMAP registers, and whether that is a path it made up."""
    header = ["clip", "half", "true camera", "COLMAP reg %", "with our masks", "says of the camera"]
    rows = [
        [
            line.scores.name,
            line.half,
            line.scores.true_camera or "-",
            _cell([line], "stock", "registered", 0, 100),
            _cell([line], "stock-masked", "registered", 0, 100),
            _says(line),
        ]
        for line in _ordered(lines)
        if not line.scores.trajectory.known
    ]
    return table(header, rows)


def _says(line: "Line") -> str:
    registered = [_figure(line, name, "registered") for name in ("stock", "stock-masked")]
    if np.isnan(registered).all():
        return "-"
    travels = float(np.nanmax(registered)) >= CLAIMS_A_PATH
    made_up = travels and line.scores.true_camera in ("fixed", "rotating", "zooming")
    return "travels: made up" if made_up else "travels" if travels else "nothing"


def _ordered(lines: "Sequence[Line]") -> "list[Line]":
    return sorted(lines, key=lambda line: (HALF_ORDER.index(line.half), line.scores.name))


def _figure(line: "Line", baseline: str, key: str) -> float:
    cell = line.baselines.get(baseline, "")
    return _NAN if isinstance(cell, str) else float(cell.get(key, _NAN))


def _cell(lines: "Sequence[Line]", baseline: str, key: str, digits: int, scale: float = 1) -> str:
    """The mean over the lines; of one line without it, the word that says why."""
    cell = lines[0].baselines.get(baseline, "-")
    if len(lines) == 1 and isinstance(cell, str):
        return cell
    return number(_mean([_figure(line, baseline, key) for line in lines]), digits, scale)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else _NAN


_PREFACE = """# Accuracy on real footage

Real clips with known masks, poses or joints, none of which is part of the project: sequences of
the DAVIS-2016 validation set at 480p with tight masks, two of them with BADJA's animal joints, and
KITTI odometry with metric poses and calibration.

Made by `make evaluate-real DATA=FOLDER` with the default settings, in
{took}.

**What these figures are worth.** The clips are split into two halves by a list in
benchmarks/real_facts.py. Decisions about the method are taken on the *development* half alone: its
figures are those of a method that was fitted to it. The *published* half is looked at once per
change of the method, and no constant is set by it, with one exception: when two of its clips were
refused by new limits (insets that change, tracks across a second), those were tightened, on other
clips. Figures of an earlier state were known for both halves when the list was made. A clip *not
seen* was not there when the method was made.

- *Kinds*: `right`; `refused` where the clip claims less than could be had (`video` or `none` for
  `4d`); `wrong` where it claims what is not so: `4d` or `3d` against the truth. The truth is what
  one sees (benchmarks/real_facts.py). The DAVIS cameras called `moving` travel or nearly so: a
  refusal among them may be right. *made up*: paths given to cameras that stand in one place.
- *J, F*: region similarity and boundary measure by the DAVIS-2016 protocol, at the masks' size,
  first and last frame left out, a frame that no clip holds counted as found empty. *moving* is the
  union of the objects judged to move, *all* the union of all masks.
- *U2-Net-P* is the saliency network that the embedded segmenter has within it, alone: all that it
  finds salient at {salient}, frame by frame.
- *PCK*: joints carried along the run's own point tracks from where they were first marked (the
  nearest track on any object, and the next nearest once that ends); right within 0.2 of the square
  root of the animal's true area. *at rest*: the same for joints that never move.
- *ATE, RPE* after Sim(3) alignment, in metres and as a share of the true path; *AUC@k*: mean over 1
  to k degrees of the share of all pairs of frames whose relative rotation and direction of
  translation are both right within it; a frame without a pose is wrong in all its pairs.
- *COLMAP* is pycolmap's SIFT, sequential matching and incremental mapping with its own defaults
  but for one camera, a fixed seed and a first pair 4 degrees apart, on the same frames: up to
  {most_posed} of a clip with known poses, up to {most} of one without, spread evenly. It registers
  what it can whether or not the camera travels: *made up* is a path (four fifths of the frames
  registered) given to a camera that stands in one place.
- Images are taken at {fps:g} a second, videos by their own clock. A baseline has {timeout_s:.0f}
  seconds for a clip; `failed`, or that time, stands where it gave nothing.
"""
