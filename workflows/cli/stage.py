"""`camvid stage`: replay one stage of one clip."""

from typing import Annotated

import typer

from workflows.cli.console import print_json
from workflows.cli.options import JsonOption, RunArgument


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="segment, reconstruct, ...")],
    run: RunArgument,
    clip: Annotated[
        str, typer.Option("--clip", metavar="ID", help="Clip id or its first letters.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Run one stage of one clip again from its stored inputs."""
    from camvid.store import ClipStore
    from workflows.replay import replay_stage
    from workflows.runs.run_state import refuse_while_running

    store = ClipStore(run)
    refuse_while_running(store)
    record = replay_stage(store, name, clip).records[-1]
    if as_json:
        print_json(record)
    else:
        why = f": {record.reason or record.error}" if record.status != "ok" else ""
        print(f"{record.stage} {record.clip_id}: {record.status}{why} ({record.seconds:.2f} s)")
    raise typer.Exit(1 if record.status == "failed" else 0)
