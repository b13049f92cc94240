"""`camvid report`: build the HTML report of a run again."""

from workflows.cli.console import RunArgument


def command(run: RunArgument) -> None:
    """Build the HTML report of a run from its index and artifacts."""
    from camvid.index import read_index
    from camvid.store import ClipStore
    from workflows.replay import load_run
    from workflows.reporting import write_report

    store = ClipStore(run)
    config, _ = load_run(store)
    print(store.full_path(write_report(store, config.report, read_index(store))))
