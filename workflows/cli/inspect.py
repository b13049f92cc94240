"""`camvid inspect`: one clip's numbers and reasons."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from camvid.record import ClipRecord

T = TypeVar("T")


def command(
    run: RunArgument,
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="Clip id, or its first letters.")],
    as_json: JsonOption = False,
) -> None:
    """One clip: verdict, reasons, measures, and what each stage did."""
    from camvid.artifacts import Clip, MotionReport, Verdict
    from camvid.books.index import read_record
    from camvid.columns import to_row
    from camvid.errors import DamagedArtifact
    from camvid.pipeline import CLIP_STAGES
    from camvid.plain import to_plain
    from camvid.store import ClipStore
    from workflows.runs.thinning import kept

    store = ClipStore(run)
    record = read_record(store, clip)
    clip_id = record.clip_id
    store = store.of_clip(clip_id)
    done = [store.load_record(clip_id, stage) for stage in CLIP_STAGES]
    damaged: list[str] = []

    def load(kind: type[T]) -> T | None:
        try:
            return store.load(clip_id, kind) if store.has(clip_id, kind) else None
        except DamagedArtifact as error:
            damaged.append(str(error))
            return None

    source, verdict, motion = load(Clip), load(Verdict), load(MotionReport)
    found: dict[str, Any] = {
        "clip": to_row(record),
        "processing": list(source.processing) if source else [],
        "num_lost_frames": source.num_lost if source else 0,
        "verdict": to_plain(verdict) if verdict else None,
        "motion": to_plain(motion) if motion else None,
        "stages": [to_plain(stage) for stage in done if stage],
        "folder": store.full_path(store.clip_folder(clip_id)),
        "damaged": damaged,
        "kept": kept(store),
    }
    if as_json:
        print_json(found)
        return
    _print_text(record, found)


def _print_text(record: "ClipRecord", found: dict[str, Any]) -> None:
    span = f"{number(record.start_s)}-{number(record.end_s)} s"
    print(f"clip {record.clip_id}  {record.source_uri}  {span}")
    print(f"kind {record.outcome}  camera {record.measures.camera}  status {record.status}")
    if record.caption:
        print(f"  {record.caption}")
    for reason in [*record.reasons, *([record.error] if record.error else [])]:
        print(f"  because {reason}")
    if record.duplicate_of:
        print(f"  kept in its place: clip {record.duplicate_of}")
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
    for line in found["damaged"]:
        print(f"damaged: {line}")
    if found["kept"] != "all":
        print(f"artifacts: thinned (--keep {found['kept']}); the clip's shard and the index stay")
        return
    print(f"artifacts: {found['folder']}")
