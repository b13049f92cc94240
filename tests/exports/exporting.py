"""Exports for the tests, and what they should hold."""

from pathlib import Path
from typing import Any

import numpy as np

from camvid.dataset.run import open_run
from camvid.exports.options import ExportOptions
from camvid.exports.view import View, make_view
from camvid.store import ClipStore
from workflows.export import Export, Exported, export_clips, find_source


def export(run: ClipStore, out: Path, to: str, **options: Any) -> list[Exported]:
    """Exports a run in this process."""
    job = Export(uri=run.root, out=str(out), format=to, options=ExportOptions(**options))
    return export_clips(job, job.parts())


def views(run: ClipStore, **options: Any) -> list[View]:
    """The clips with cameras as they are exported, in the order of an export."""
    made = [
        make_view(clip, find_source(run, clip), ExportOptions(**options), needs_cameras=True)
        for clip in sorted(open_run(run.root), key=lambda clip: clip.timestamps_s[0])
    ]
    return [view for view in made if isinstance(view, View)]


def assert_same_cameras(found: np.ndarray, view: View) -> None:
    """cam_from_world [F, 3, 4], to the millionth that a round trip may cost."""
    np.testing.assert_allclose(found, view.cam_from_world, rtol=0, atol=1e-6)
