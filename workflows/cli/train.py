"""`camvid train`: shards to a GenXD model."""

import json
import os
from typing import Annotated

import typer

from workflows.cli.console import SetOption


def command(
    shards: Annotated[
        str, typer.Argument(metavar="SHARDS", help="A run, a folder of shards, a shard, or a URI.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Where checkpoints go.")],
    config: Annotated[
        list[str],
        typer.Option(
            "--config",
            metavar="F",
            help="TOML, or tiny, stage1, stage2 or stage3; again: h100, lowmem or TOML over it.",
        ),
    ],
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="PATH", help="A GenXD checkpoint, or SVD's UNet folder."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from DIR's newest checkpoint, if any.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Run on Ray: `local`, `auto` or an address."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on Ray; one GPU each where there are any.")
    ] = 1,
    settings: SetOption = None,
) -> None:
    """Train GenXD on shards.

    SIGTERM, SIGINT, SIGUSR1, or a file DIR/stop, save a checkpoint and end with exit code 0.
    """
    import logging
    from pathlib import Path

    from workflows.cli.extras import require_train_extra
    from workflows.configs import load_training_config

    require_train_extra()
    start = [f"model.init={json.dumps(init)}"] if init else []
    resolved = load_training_config(config, [*start, *(settings or ())])
    for name in ("camvid.genxd.training", "workflows.train"):
        logging.getLogger(name).setLevel(logging.INFO)
    if ray is not None or workers > 1:
        from workflows.train_on_ray import train_on_ray

        address = ray or "local"
        done = train_on_ray(
            shards, Path(out), resolved, resume=resume, address=address, workers=workers
        )
    else:
        from camvid.genxd.training.processes import leave_processes
        from workflows.train import train

        started_again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
        done = train(shards, Path(out), resolved, resume=resume or started_again)
        leave_processes()
    if os.environ.get("RANK", "0") == "0":  # under torchrun, one of many
        how = "stopped, --resume goes on" if done.stopped else "finished"
        print(f"{how}: step {done.step}, {done.checkpoint}")
