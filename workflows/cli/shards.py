"""`camvid shards`: checks the shards that a run wrote."""

from typing import Annotated

import typer

from workflows.cli.console import print_json
from workflows.cli.options import JsonOption, RunArgument

app = typer.Typer(help="Check a run's shards.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def shards() -> None:
    """Check a run's shards."""


@app.command("verify")
def verify(
    run: RunArgument,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make damaged shards anew from the run's artifacts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check every shard: sha256, page checksums, schema, rows, frames."""
    from camvid.shards.manifest import read_manifest
    from camvid.shards.writer import verify_shards
    from camvid.store import ClipStore

    store = ClipStore(run)
    repaired: list[str] = []
    failed: list[str] = []
    if repair:
        from workflows.repair import repair_shards

        repaired, failed = repair_shards(store)
    faults = [*verify_shards(store), *failed]
    manifest = read_manifest(store)
    if as_json:
        found = {"faults": faults, "repaired": repaired, "num_clips": manifest["num_clips"]}
        print_json(found)
    else:
        for name in repaired:
            print(f"repaired: shards/{name}")
        print("\n".join(faults) if faults else _all_well(manifest))
    raise typer.Exit(4 if faults else 0)


def _all_well(manifest: dict[str, object]) -> str:
    from camvid.columns import counted

    shards = manifest["shards"]
    count = len(shards) if isinstance(shards, list) else 0
    clips = counted(int(str(manifest["num_clips"])), "clip")
    return f"{counted(count, 'shard')}, {clips}: all well"
