"""`camvid status`: how far a run is and how it went."""

from workflows.cli.console import print_json
from workflows.cli.options import JsonOption, RunArgument


def command(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show how far a run is: funnel, throughput and failures."""
    from camvid.store import ClipStore
    from workflows.runs.run_status import run_status

    status = run_status(ClipStore(run))
    if as_json:
        print_json(status)
        return
    print(status.render_text())
