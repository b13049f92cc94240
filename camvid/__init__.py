"""camvid: raw videos in; clips with cameras, depth, masks and motion strength out.

    import camvid

    for clip in camvid.open_run("RUN").clips(kind="4d"):
        print(clip.clip_id, clip.frames.shape, clip.cam_from_world.shape, clip.motion)

Names are imported when they are first asked for: `import camvid` alone loads no package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camvid.dataset.clip import DatasetClip
    from camvid.dataset.curation import curate
    from camvid.dataset.run import Run, Shards, open_run, open_shards

__version__ = "0.3.0"
__all__ = ["DatasetClip", "Run", "Shards", "__version__", "curate", "open_run", "open_shards"]

_HOME = {
    "DatasetClip": "camvid.dataset.clip",
    "Run": "camvid.dataset.run",
    "Shards": "camvid.dataset.run",
    "curate": "camvid.dataset.curation",
    "open_run": "camvid.dataset.run",
    "open_shards": "camvid.dataset.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
