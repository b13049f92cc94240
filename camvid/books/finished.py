"""The list of finished clips: what a resumed run need not look at again, in one read.

It has a row for every clip that came out of the stages, with all that the index says of it, and
with what tells whether that still holds: the graph that made it, its video's size and time of
change, and the size of what lies in its folder. It is a copy of what the clips' own records say:
what it lacks is looked up there, and where it is damaged it is written anew.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_type_hints

import pyarrow as pa

from camvid.artifacts import Clip, Verdict
from camvid.books.clip_table import SCHEMA as INDEX_SCHEMA
from camvid.books.index import stopped_record, verdict_record
from camvid.books.parts import Parts
from camvid.columns import to_row
from camvid.errors import DamagedArtifact
from camvid.pipeline import CLIP_STAGES, FIRST
from camvid.stage import ClipRow, failure, fingerprint
from camvid.store import ClipStore, StageRecord
from camvid.weights import Weight

FOLDER = "finished"
SCHEMA = pa.schema(
    [
        *INDEX_SCHEMA,
        ("graph", pa.string()),  # identity of the stages that it went through
        ("video_stat", pa.string()),  # as `camvid.video.stat`
        ("content", pa.string()),  # identity of its artifacts
        ("size_bytes", pa.int64()),  # of its artifacts; -1: not known
        ("change_hashes", pa.list_(pa.int64())),  # by which copies are found
        ("rows_of_video", pa.int32()),  # that `split` made of its video; 0: not known
    ]
)
GATHERED = (*INDEX_SCHEMA.names, "content")  # columns that index and shards are made of


def finished_parts(store: ClipStore) -> Parts:
    """The list's files."""
    return Parts(store, FOLDER, SCHEMA, ("source_uri", "clip_id"))


def graph_keys(
    configs: Sequence[Any], weights: Iterable[Weight], known: str = ""
) -> dict[str, str]:
    """For each stage at which a clip may end, the identity of the stages up to that one.

    A clip that ended there is still right as long as these stages, their settings and the run's
    weights are the same. The part after the colon is the last stage's own.
    `known` is the identity of other runs' clips, of which `split` takes no copy further.
    """
    used = sorted({weight.sha256 for weight in weights})
    keys: dict[str, str] = {}
    before = hashlib.sha256(json.dumps(used).encode()).hexdigest()[:32]
    for name, config in zip((FIRST, *CLIP_STAGES), configs, strict=True):
        own = stage_key(name, config)
        keys[name] = f"{before}:{own}"
        before = hashlib.sha256(keys[name].encode()).hexdigest()[:32]
    if known:
        keys[FIRST] = f"{known[:32]}{keys[FIRST]}"
    return keys


def stage_key(name: str, config: Any) -> str:
    """Identity of one stage: its name, version, inputs and configuration, without building it."""
    made: Any = get_type_hints(type(config).build)["return"]
    reads = [kind.__name__ for kind in getattr(made, "reads", ())]
    return fingerprint(name, made.version, config, reads)[:32]


def content_key(fingerprints: Mapping[str, str]) -> str:
    """Identity of a clip's artifacts."""
    text = json.dumps(sorted(fingerprints.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def describe(
    store: ClipStore, row: ClipRow, graph: Mapping[str, str], video_stat: str, rows_of_video: int
) -> dict[str, Any]:
    """The clip's row of the list; a clip of which no verdict can be read is a failed one."""
    clip, store = None, store.of_clip(row.clip_id)
    try:
        if row.clip_id:
            clip = store.load(row.clip_id, Clip)
        if clip is None or row.status != "ok":
            record = stopped_record(row, clip)
        else:
            verdict = store.load(row.clip_id, Verdict, row.stored(Verdict))
            record = verdict_record(row, clip, verdict)
    except DamagedArtifact as error:
        store.remove(error.name)
        row = damaged_row(row, error)
        record = stopped_record(row, None)
    return {
        **to_row(record),
        "graph": graph.get(row.records[-1].stage, "") if row.records else "",
        "video_stat": video_stat,
        "content": content_key(row.fingerprints),
        "size_bytes": store.clip_size(row.clip_id) if row.clip_id else -1,
        "change_hashes": list(clip.change_hashes) if clip else [],
        "rows_of_video": rows_of_video,
    }


def damaged_row(row: ClipRow, error: DamagedArtifact) -> ClipRow:
    """The row of a clip that cannot be gathered: the next run makes what is damaged anew."""
    record = StageRecord(
        clip_id=row.clip_id,
        stage="write_shards",
        version=0,
        artifact="",
        fingerprint="",
        **failure(error, ""),
    )
    return row.after(record)
