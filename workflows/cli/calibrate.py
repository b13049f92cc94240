"""`camvid calibrate`: the threshold of motion strength, from labels."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from camvid.motion.calibration import CurvePoint
    from workflows.calibrate import RunCalibration


def command(
    run: RunArgument,
    labels: Annotated[
        str,
        typer.Option(
            "--labels", metavar="FILE", help="CSV (clip_id,label) or TOML; labels: still, moving."
        ),
    ],
    precision: Annotated[
        float, typer.Option(help="Wanted share of truly moving clips among those called moving.")
    ] = 0.95,
    as_json: JsonOption = False,
) -> None:
    """Find the threshold of motion strength from labelled clips.

    Labels are still and moving.
    """
    from pathlib import Path

    from camvid.store import ClipStore
    from workflows.calibrate import calibrate_run

    found = calibrate_run(ClipStore(run), Path(labels), precision)
    if as_json:
        print_json(found)
        return
    print(_curve(found))
    print(_conclusion(found, run))


def _curve(found: "RunCalibration") -> str:
    chosen = found.calibration.chosen
    lines = [
        [*_numbers(point), "<- chosen" if point == chosen else ""]
        for point in found.calibration.curve
    ]
    return table(["threshold x100", "precision %", "recall %", "called moving", ""], lines)


def _numbers(point: "CurvePoint") -> list[str]:
    return [
        number(point.threshold, 4, 100),
        number(point.precision, 1, 100),
        number(point.recall, 1, 100),
        str(point.num_called_moving),
    ]


def _conclusion(found: "RunCalibration", run: str) -> str:
    curve = found.calibration
    lines = [
        f"{curve.num_moving} moving and {curve.num_still} still clips;"
        f" average precision {number(curve.average_precision, 4)}"
    ]
    if found.unmeasured:
        lines.append(f"not measured, so left out: {', '.join(found.unmeasured)}")
    wanted = number(curve.wanted_precision, 1, 100)
    if found.setting:
        lines.append(f"for a precision of {wanted} %: --set {found.setting}")
        lines.append(f"use it with: camvid refilter {run} --set {found.setting}")
    else:
        lines.append(f"no threshold reaches a precision of {wanted} %")
    return "\n".join(lines)
