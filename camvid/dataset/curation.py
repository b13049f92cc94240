"""`camvid.curate`: the whole job from Python, as `camvid curate` does it from a shell."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from camvid.dataset.run import Run, open_run


def curate(
    videos: str | Sequence[str],
    out: str,
    *,
    profile: str = "embedded",
    config: str | None = None,
    settings: Mapping[str, Any] | None = None,
    ray: str | None = None,
    workers: int = 1,
    retry_failed: bool = False,
) -> Run:
    """Curates videos into a run and opens it; a run that was begun is gone on with.

    Clips that failed are in the run's index with their error: `run.index`.

    Args:
        videos: files, folders, globs, lists (.txt), folders of images, URIs.
        out: the run's folder, new, empty or a run's; a path or any fsspec URI.
        profile: backends: `embedded`, `paper` or `paper-noncommercial`.
        config: a TOML file with what differs from the profile.
        settings: single ones, by their dotted names: `{"filter.min_motion_strength": 0.01}`.
        ray: runs on Ray: `local`, `auto` or an address.
        workers: clips at a time; above one starts a local Ray.
        retry_failed: tries clips again that crashed, hung or ran out of memory before.

    Raises:
        ConfigError: a wrong setting, no video, or an `out` that holds something else.
        BackendUnavailable: a package or weights are missing.
        StoreError: the run cannot be read or written.
    """
    # Workflows are built on this package, never the other way round. This one function stands
    # here for the caller's sake alone, and looks the layer above up by name when it is called.
    workflow: Any = import_module("workflows.from_python")
    workflow.curate_videos(
        [videos] if isinstance(videos, str) else videos,
        out,
        profile=profile,
        config=config,
        settings=settings or {},
        ray=ray,
        workers=workers,
        retry_failed=retry_failed,
    )
    return open_run(out)
