"""Arguments and options that several commands take, each with one name and one help text."""

from typing import Annotated

import typer

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's folder or URI.")]
ShardsArgument = Annotated[
    str, typer.Argument(metavar="SHARDS", help="A run, a folder of shards, a shard, or a URI.")
]
NewRunOption = Annotated[str, typer.Option("--out", metavar="RUN", help="Where the run goes.")]
FootageOption = Annotated[
    str,
    typer.Option(
        "--footage", metavar="PATH", help="Images or videos, if not where the format has them."
    ),
]
ConfigOption = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="TOML; only what differs.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be repeated."),
]
RayOption = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Run on Ray: `local`, `auto` or an address."),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, help="Clips at a time; above one starts a local Ray.")
]
RetryFailedOption = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Try clips again that crashed, hung or ran out of memory before."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
