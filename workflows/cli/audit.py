"""`camvid audit`: a certificate for poses that someone else made."""

from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import number, print_json
from workflows.cli.options import FootageOption, JsonOption

if TYPE_CHECKING:
    from workflows.audit import Audit


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="COLMAP model, transforms.json, RealEstate10K or TUM text, or .npz."
        ),
    ],
    name: Annotated[
        str, typer.Option("--from", metavar="FORMAT", help="Its format; else found out.")
    ] = "",
    footage: FootageOption = "",
    fps: Annotated[float, typer.Option(help="Frame rate of images.")] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Test cameras that others made.

    They are held against static tracks: reprojection, epipolar lines, predicted errors.
    Exits 0 where all poses can be relied on, 5 where some cannot, 1 where some could not be read.
    """
    from camvid.imports.formats import find_sources
    from camvid.imports.posed import Footage
    from stages.segment import SegmentConfig
    from stages.track import TrackConfig
    from workflows.audit import Auditor, exit_code

    found, sources = find_sources(source, name)
    auditor = Auditor(found, Footage(folder=footage, fps=fps), SegmentConfig(), TrackConfig())
    audits: list[Audit] = []
    for path in sources:
        for audit in auditor(path):
            audits.append(audit)
            if not as_json:
                print(certificate_text(audit), flush=True)
    if as_json:
        print_json(audits)
    raise typer.Exit(exit_code(audits))


def certificate_text(audit: "Audit") -> str:
    """The certificate of one clip, for people."""
    from camvid.report.words import reason_in_words

    says = {"ok": "can be relied on", "rejected": "cannot be relied on", "failed": "not audited"}
    lines = [f"{audit.source}  {audit.start_s:.2f}-{audit.end_s:.2f} s: {says[audit.status]}"]
    lines += [f"  because {reason_in_words(reason)}" for reason in audit.reasons]
    lines += [f"  {audit.error}"] if audit.error else []
    quality, measured = audit.quality, audit.certificate
    if quality is None or measured is None:
        return "\n".join(lines)
    facts = {
        "frames, static tracks": f"{measured.num_frames}, {measured.num_tracks}",
        "frames with camera": f"{number(quality.registered_fraction, 1, 100)} %",
        "held-out observations explained": f"{number(quality.inlier_fraction, 1, 100)} %",
        "reprojection error, mean": f"{number(quality.mean_reprojection_error_px)} px",
        "epipolar error, median and p90": (
            f"{number(measured.epipolar_median_px)}, {number(measured.epipolar_p90_px)} px"
        ),
        "triangulation angle, median": f"{number(quality.median_triangulation_angle_deg)} degrees",
        "predicted error of a rotation": (
            f"{number(measured.predicted_rotation_error_deg, 3)} degrees"
        ),
        "predicted error of a position": (
            f"{number(measured.predicted_position_error, 3, 100)} % of the scene's depth"
        ),
        "predicted error of the focal length": (
            f"{number(measured.predicted_focal_error, 1, 100)} %"
        ),
    }
    return "\n".join([*lines, *(f"  {name:36}{value}" for name, value in facts.items())])
