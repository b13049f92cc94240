"""`camvid refilter`: new thresholds over what was measured."""

from typing import Annotated

import typer

from workflows.cli.console import print_json, table
from workflows.cli.options import JsonOption, RunArgument, SetOption


def command(
    run: RunArgument,
    settings: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change (reads the index alone).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Apply new thresholds, without measuring anything again.

    --set filter.key=value; shards, index and report are written anew.
    """
    from camvid.columns import counted
    from camvid.errors import ConfigError
    from camvid.store import ClipStore
    from workflows.refilter import refilter
    from workflows.runs.run_state import refuse_while_running

    if any(not text.startswith("filter.") for text in settings or ()):
        raise ConfigError("refilter takes --set filter.key=value only; other settings need curate")
    store = ClipStore(run)
    if not dry_run:
        refuse_while_running(store)
    changes = refilter(store, settings or (), dry_run=dry_run)
    if as_json:
        print_json(changes)
        return
    if changes.counts:
        counts = [[c.before, c.after, c.reason, str(c.clips)] for c in changes.counts]
        print(table(["was", "is", "first reason", "clips"], counts))
        print()
        examples = [[c.clip_id, c.before, c.after, c.source_uri] for c in changes.examples]
        print(table(["for example", "was", "is", "source"], examples))
    print(f"{counted(changes.num_clips, 'clip')} {'would change' if dry_run else 'changed'}")
