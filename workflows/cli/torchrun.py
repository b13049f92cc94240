"""`camvid torchrun`: torchrun, which ends as the training that it started does."""

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

# Time for a step and for 39 GB to a slow disk; torchrun's own 30 s are not.
SHUTDOWN_TIMEOUT_S = 600
# Without those that are passed on here: torchrun answers them with a traceback and exit code 1,
# however well its processes ended.
_LEFT_TO_TORCHRUN = "SIGHUP,SIGQUIT"


def command(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="torchrun's options, then train RUN --out DIR ..."),
    ],
) -> None:
    """Run a camvid command in many processes, by torchrun.

    On one machine or several. SIGTERM, SIGINT and SIGUSR1 reach all of them; `camvid train` saves a
    checkpoint then, and the exit code is 0. torchrun's --shutdown-timeout is 600 s here.
    """
    from workflows.cli.extras import require_train_extra

    require_train_extra()
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    from camvid.genxd.training.stop import STOP_SIGNALS

    ours = ["--shutdown-timeout", str(SHUTDOWN_TIMEOUT_S), "--signals-to-handle", _LEFT_TO_TORCHRUN]
    parsed = parse_args([*ours, *arguments])
    parsed.training_script_args = [parsed.training_script, *parsed.training_script_args]
    parsed.training_script, parsed.module = "workflows.cli", True
    # Processes that are started again must not find the addresses of the dead (pytorch #135712).
    os.environ.setdefault("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    for number in STOP_SIGNALS:
        signal.signal(number, _pass_on)
    try:
        run(parsed)
    except ChildFailedError as error:  # the process has said itself what is wrong
        _, first = error.get_first_failure()
        sys.exit(first.exitcode if first.exitcode > 0 else 128 - first.exitcode)


def _pass_on(number: int, _frame: FrameType | None) -> None:
    import psutil

    if number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)  # a second Ctrl-C ends all at once
    for child in psutil.Process().children():
        child.terminate()
