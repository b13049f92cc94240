"""`camvid doctor`: what is installed, what can run, what is missing and how to fix it."""

import typer

from workflows.cli.console import print_json, table
from workflows.cli.options import JsonOption


def command(as_json: JsonOption = False) -> None:
    """Check this machine, and say what mends each lack.

    Packages, weights, cores.
    """
    from workflows.health import check_health

    checks = check_health()
    if as_json:
        print_json(checks)
    else:
        rows = [[c.name, "ok" if c.ok else "MISSING", c.found, c.fix] for c in checks]
        print(table(["what", "state", "found", "to fix"], rows))
    raise typer.Exit(3 if any(not c.ok and c.required for c in checks) else 0)
