"""`camvid export`: a run's clips in another tool's format."""

from typing import TYPE_CHECKING, Annotated

import typer

from camvid.exports.registry import FORMATS
from workflows.cli.console import print_json
from workflows.cli.options import JsonOption, RayOption, ShardsArgument, WorkersOption

if TYPE_CHECKING:
    from workflows.export import Exported

_SCALES = "Unit of length: scene, realestate10k, first-depth-median, unit-translation or none."


def command(
    shards: ShardsArgument,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"{', '.join(FORMATS)}.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="New, or of the same export.")],
    kind: Annotated[str, typer.Option(help="Kinds of clips, with commas.")] = "4d,3d",
    fps: Annotated[float, typer.Option(help="Frames a second.", show_default="as stored")] = 0.0,
    frames: Annotated[
        int,
        typer.Option(help="So many of each clip; shorter ones are left out.", show_default="all"),
    ] = 0,
    size: Annotated[
        str,
        typer.Option(
            metavar="WxH", help="Cropped in the middle.", show_default="as the source's frames"
        ),
    ] = "",
    scale: Annotated[str, typer.Option(metavar="RULE", help=_SCALES)] = "scene",
    crf: Annotated[int, typer.Option(help="Quality of H.264; lower is better.")] = 18,
    stored_frames: Annotated[
        bool, typer.Option("--stored-frames", help="Never cut again from the source videos.")
    ] = False,
    ray: RayOption = None,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Export clips for other tools and trainers.

    At source resolution, where the source videos are at hand.
    """
    from camvid.exports.options import ExportOptions, parse_kinds, parse_size
    from workflows.cli.steps import steps_bar
    from workflows.cli.stopping import stoppable
    from workflows.execution.parts import choose_writer
    from workflows.export import Export, export_clips

    width_px, height_px = parse_size(size) if size else (0, 0)
    options = ExportOptions(
        kinds=parse_kinds(kind),
        fps=fps,
        frames=frames,
        width_px=width_px,
        height_px=height_px,
        scale=scale,
        crf=crf,
        stored_frames=stored_frames,
    )
    export = Export(uri=shards, out=out, format=to, options=options)
    parts, write = export.parts(), choose_writer(ray, workers)
    with stoppable(), steps_bar(sum(map(len, parts)), "clips") as on_done:
        done = export_clips(export, parts, write=write, on_done=on_done)
    if as_json:
        print_json(done)
    else:
        print(_summary(done, out))
    raise typer.Exit(1 if any(clip.status == "failed" for clip in done) else 0)


def _summary(done: "list[Exported]", out: str) -> str:
    entries = [clip.entry for clip in done if clip.status == "ok"]
    recut = sum(entry["from_source"] for entry in entries)
    enlarged = sum(entry["enlarged"] for entry in entries)
    lines = [f"{out}: {len(entries)} clips, {recut} of them cut again from their source videos"]
    if not entries:
        lines = [f"{out}: no clip was exported"]
    if enlarged:
        lines.append(f"enlarged, as their frames are smaller: {enlarged}")
    left_out: dict[str, list[str]] = {}
    for clip in done:
        if clip.status == "rejected":
            left_out.setdefault(clip.why.split(" ")[0], []).append(clip.why)
    lines += [
        f"left out, {name}: {len(why)}{_said(name, why[0])}" for name, why in left_out.items()
    ]
    lines += [f"failed: {clip.why}" for clip in done if clip.status == "failed"]
    return "\n".join(lines)


def _said(name: str, first: str) -> str:
    """What a fact says, in brackets; of a limit what the first clip had."""
    from camvid.reasons import Why

    rule = Why(name).rule
    if rule.is_fact:
        return f" ({'; '.join(filter(None, [rule.label, rule.remedy]))})"
    return f" (the first: {first.removeprefix(name).strip(' ()')})"
