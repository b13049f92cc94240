"""Runs one stage of one clip again, from the inputs that a finished run stored."""

from camvid.books.clip_table import ClipTable
from camvid.books.index import read_record
from camvid.errors import ConfigError, StoreError
from camvid.imports.cameras import GivenCameras
from camvid.pipeline import CLIP_STAGES
from camvid.plain import did_you_mean
from camvid.stage import ClipRow, run_stage
from camvid.store import ClipStore
from stages.take_cameras import TakeCameras, TakeCamerasConfig
from workflows.curate_config import CurateConfig
from workflows.runs.licences import LicenceConfig, weights_in_use
from workflows.runs.rows import rows_of_run
from workflows.runs.run_toml import read_run_toml
from workflows.runs.thinning import refuse_thinned


def replay_stage(store: ClipStore, name: str, clip_id: str) -> ClipRow:
    """Runs one stage of one clip again, from its inputs, whatever is there."""
    if name not in CLIP_STAGES:
        raise ConfigError(f"stage `{name}` cannot be replayed{did_you_mean(name, CLIP_STAGES)}")
    refuse_thinned(store, "stage")
    run = read_run_toml(store)
    index = ClipTable.of([read_record(store, clip_id)])
    rows = list(rows_of_run(store, index, name))
    if not rows or rows[0].status != "ok":
        state = f"was {rows[0].status} in {rows[0].stopped_at}" if rows else "has no record"
        raise StoreError(f"clip {clip_id} must have come to the stage {name}, but it {state}")
    chosen = run.section(name, getattr(CurateConfig(), name))
    if name == TakeCameras.name and GivenCameras.__name__ in rows[0].fingerprints:
        chosen = TakeCamerasConfig()  # of an import
    weights_in_use([chosen], run.section("licences", LicenceConfig()))
    return run_stage(chosen.build(), store, rows[0], force=True)
