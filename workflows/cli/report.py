"""`camvid report`: build the HTML report of a run again."""

from workflows.cli.options import RunArgument


def command(run: RunArgument) -> None:
    """Build the HTML report of a run from its index and artifacts."""
    from camvid.books.index import read_index
    from camvid.store import ClipStore
    from workflows.reporting import ReportConfig, write_report
    from workflows.runs.run_toml import read_run_toml

    store = ClipStore(run)
    config = read_run_toml(store).section("report", ReportConfig())
    print(store.full_path(write_report(store, config, read_index(store))))
