"""`camvid inspect`: one clip's numbers and reasons."""

from typing import Annotated, Any

import typer

from workflows.cli.console import JsonOption, RunArgument, number, print_json, table


def command(
    run: RunArgument,
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="Clip id, or its first letters.")],
    as_json: JsonOption = False,
) -> None:
    """One clip: verdict, reasons, measures, and what each stage did."""
    from camvid.artifacts import Clip, MotionReport, Verdict
    from camvid.index import find_row, read_index
    from camvid.store import ClipStore
    from camvid.structure import unstructure
    from workflows.replay import CLIP_STAGES

    store = ClipStore(run)
    row = find_row(read_index(store), clip)
    clip_id = row["clip_id"]
    records = [store.load_record(clip_id, stage) for stage in CLIP_STAGES]
    source = store.load(clip_id, Clip) if store.has(clip_id, Clip) else None
    found: dict[str, Any] = {
        "clip": row,
        "processing": list(source.processing) if source else [],
        "num_lost_frames": source.num_lost if source else 0,
        "verdict": unstructure(store.load(clip_id, Verdict))
        if store.has(clip_id, Verdict)
        else None,
        "motion": unstructure(store.load(clip_id, MotionReport))
        if store.has(clip_id, MotionReport)
        else None,
        "stages": [unstructure(record) for record in records if record],
        "folder": store.full_path(store.clip_folder(clip_id)),
    }
    if as_json:
        print_json(found)
        return
    _print_text(found)


def _print_text(found: dict[str, Any]) -> None:
    row = found["clip"]
    span = f"{number(row['start_s'])}-{number(row['end_s'])} s"
    print(f"clip {row['clip_id']}  {row['source_uri']}  {span}")
    print(f"kind {row['kind'] or 'failed'}  camera {row['camera']}  status {row['status']}")
    for reason in [*row["reasons"], *([row["error"]] if row["error"] else [])]:
        print(f"  because {reason}")
    for done in found["processing"]:
        print(f"  frames {done}")
    if found["num_lost_frames"]:
        print(f"  {found['num_lost_frames']} damaged frames left out")
    if found["verdict"]:
        limits = found["verdict"]["limits"]
        measured = found["verdict"]["measured"].items()
        lines = [[name, "-" if value is None else f"{value:.5g}"] for name, value in measured]
        print(table(["measure", "value"], lines))
        print("limits: " + ", ".join(f"{name} = {value:g}" for name, value in limits.items()))
    if found["motion"]:
        objects = [
            [
                str(o["object_id"]),
                o["label"],
                number(o["motion_strength"], 3, 100),
                number(o["low"], 3, 100),
                number(o["high"], 3, 100),
                number(o["lower_bound"], 3, 100),
                str(o["num_tracks"]),
            ]
            for o in found["motion"]["per_object"]
        ]
        print(table(["object", "label", "motion x100", "low", "high", "bound", "tracks"], objects))
    stages = [[s["stage"], s["status"], number(s["seconds"])] for s in found["stages"]]
    print(table(["stage", "status", "seconds"], stages))
    print(f"artifacts: {found['folder']}")
