"""What `camvid.curate` does: the command `camvid curate` without a terminal."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from camvid.store import ClipStore
from camvid.video.sources import find_sources
from workflows.curate import CurateConfig, curate
from workflows.execution.executors import choose_executor
from workflows.profiles import load_profile
from workflows.reporting import write_report
from workflows.runs.run_toml import load_settings


def curate_videos(
    videos: Sequence[str],
    out: str,
    *,
    profile: str,
    config: str | None,
    settings: Mapping[str, Any],
    ray: str | None,
    workers: int,
    retry_failed: bool,
) -> None:
    """Runs the whole graph and builds the report; arguments and errors are `camvid.curate`'s."""
    overrides = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    resolved = load_settings(CurateConfig(), config, overrides, load_profile(profile))
    execute = choose_executor(ray, workers, resolved.limits)
    index = curate(find_sources(videos), out, resolved, execute, retry_failed=retry_failed)
    write_report(ClipStore(out), resolved.report, index)
