"""The run's folder: paths of artifacts, atomic writes, and the record that each stage left.

A stage's *record* is written after its artifact and taken away before the artifact is replaced, so
a record always speaks of the artifact beside it, whenever the process is killed. It holds the size
and hash of what was written: a file that was cut off or altered since is never taken for it.
"""

import hashlib
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

import pyarrow as pa

from camvid.artifacts import Clip, Frames
from camvid.clip_files import FILE_NAMES, RECORD, REMEDY, ClipFiles
from camvid.codecs import decode_jpegs, from_bytes, to_bytes
from camvid.errors import ConfigError, DamagedArtifact
from camvid.outcome import Reason, Status
from camvid.parquet import table_from_bytes, table_to_bytes
from camvid.plain import from_plain, to_plain

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it was written."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> "Stored":
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """What one stage did to one clip: a row of the ledger."""

    clip_id: str
    stage: str
    version: int
    artifact: str  # the type that the stage writes
    fingerprint: str
    status: Status
    reason: Reason = Reason()  # of a rejection
    error: str = ""  # of a failure: one line
    cause: str = ""  # of a failure: what kind of error it was
    of_machine: bool = False  # of a failure: any other clip would meet it here too
    traceback: str = ""  # of a failure that nobody foresaw
    measured: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0
    peak_rss_bytes: int = 0
    peak_gpu_bytes: int = 0
    host: str = ""
    stored: dict[str, Stored] = field(default_factory=dict[str, Stored])  # by artifact type
    reused: bool = False
    attempts: int = 0  # that did not come back (`camvid.attempts`)
    run: str = ""  # which run made it


def record_file(stage: str) -> str:
    """Name of the file of a stage's record."""
    return f"{stage}{RECORD}"


class ClipStore(ClipFiles):
    """Reads and writes a run's folder; `root` is a path or any fsspec URI."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._frames: tuple[str, Frames] | None = None
        self._recent: tuple[str, dict[Stored, bytes]] = "", {}

    def __reduce__(self) -> tuple[type["ClipStore"], tuple[str]]:
        return ClipStore, (self.root,)  # travels to workers as its address

    # ---- artifacts -----------------------------------------------------------------------------

    def artifact_name(self, clip_id: str, kind: type) -> str:
        return f"{self.clip_folder(clip_id)}/{FILE_NAMES[kind]}"

    def has(self, clip_id: str, kind: type) -> bool:
        return self.exists(self.artifact_name(clip_id, kind))

    def save(self, clip_id: str, artifact: object) -> Stored:
        return self._write(clip_id, type(artifact), to_bytes(artifact))

    def _write(self, clip_id: str, kind: type, data: bytes) -> Stored:
        self.write_bytes(self.artifact_name(clip_id, kind), data)
        stored = Stored.of(data)
        self._remember(clip_id, kind, stored, data)
        return stored

    def _remember(self, clip_id: str, kind: type, stored: Stored, data: bytes) -> None:
        """Neighbouring stages want the same artifacts of a clip, and each is a request to a store.

        Those of the last clip stay here as they are stored, but for its frames.
        """
        if self._recent[0] != clip_id:
            self._recent = clip_id, {}
        if kind is not Frames:
            self._recent[1][stored] = data

    def is_whole(self, record: StageRecord) -> bool:
        """Whether what a stage wrote is still there in its size; it need not be read for that."""
        if not record.stored:  # of an older version, or nothing was written
            return record.status != "ok" or self._has(record.clip_id, record.artifact)
        return all(
            self.size_bytes(self.artifact_name(record.clip_id, kind)) == stored.size_bytes
            for kind in FILE_NAMES
            if (stored := record.stored.get(kind.__name__))
        )

    def _has(self, clip_id: str, artifact: str) -> bool:
        return any(self.has(clip_id, kind) for kind in FILE_NAMES if kind.__name__ == artifact)

    def read_artifact(self, clip_id: str, kind: type, stored: Stored | None = None) -> bytes:
        """An artifact's bytes; DamagedArtifact where they are not those that were `stored`."""
        if stored and self._recent[0] == clip_id and stored in self._recent[1]:
            return self._recent[1][stored]
        name = self.artifact_name(clip_id, kind)
        data = self._read_if_there(name)
        if data is None:
            raise DamagedArtifact(f"{self._missing(name)}; {REMEDY}", name=name)
        if stored and stored != Stored.of(data):
            raise self._damaged(clip_id, kind, "it is not what was written")
        if stored:
            self._remember(clip_id, kind, stored, data)
        return data

    def load(self, clip_id: str, kind: type[A], stored: Stored | None = None) -> A:
        """Loads an artifact; DamagedArtifact where it is missing, damaged or of another schema.

        `stored` is what its stage recorded: a file that was altered since is damaged, even where
        it could be read.
        """
        if kind is Frames:
            return cast(A, self._load_frames(clip_id, stored))
        data = self.read_artifact(clip_id, kind, stored)
        with self.decoding(clip_id, kind):
            return from_bytes(kind, data)

    @contextmanager
    def decoding(self, clip_id: str, kind: type) -> Generator[None, None, None]:
        """What cannot be decoded is damage; readers of zip, PNG and JSON raise dozens of types."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise self._damaged(clip_id, kind, error) from error

    def _damaged(self, clip_id: str, kind: type, why: Exception | str) -> DamagedArtifact:
        return DamagedArtifact(
            f"clip {clip_id}: {FILE_NAMES[kind]} must hold a {kind.__name__}, but is damaged or of"
            f" another version ({why}); {REMEDY}",
            name=self.artifact_name(clip_id, kind),
        )

    def save_frames(self, clip: Clip, jpegs: Sequence[bytes]) -> Stored:
        """The clip's own file: one JPEG a frame with its time in the source."""
        table = pa.table(
            {
                "timestamp_s": clip.timestamps_s,
                "source_frame_index": clip.source_frame_index,
                "jpeg": pa.array(jpegs, pa.binary()),
            }
        )
        return self._write(clip.clip_id, Frames, table_to_bytes(table, compression="none"))

    def load_jpegs(self, clip_id: str, stored: Stored | None = None) -> list[bytes]:
        """The clip's frames as the JPEGs they are kept as."""
        data = self.read_artifact(clip_id, Frames, stored)
        with self.decoding(clip_id, Frames):
            return cast(list[bytes], table_from_bytes(data, ["jpeg"])["jpeg"].to_pylist())

    def _load_frames(self, clip_id: str, stored: Stored | None) -> Frames:
        # Neighbouring stages of one clip all want its frames: the last clip's are kept decoded.
        if self._frames is None or self._frames[0] != clip_id:
            self._frames = None  # let go of the old before decoding the new
            jpegs = self.load_jpegs(clip_id, stored)
            with self.decoding(clip_id, Frames):
                self._frames = (clip_id, Frames(rgb=decode_jpegs(jpegs)))
        return self._frames[1]

    # ---- records -------------------------------------------------------------------------------

    def load_record(self, clip_id: str, stage: str) -> StageRecord | None:
        """What the stage left for this clip; None where there is nothing, or nothing readable."""
        try:
            data = self._read_if_there(self.record_name(clip_id, stage))
            if data is None:
                return None
            record = from_plain(StageRecord, json.loads(data))
        except (ValueError, TypeError, ConfigError, DamagedArtifact):
            return None  # an older layout or damage: the stage runs again
        known = record.artifact in {kind.__name__ for kind in FILE_NAMES}
        return record if known and (record.clip_id, record.stage) == (clip_id, stage) else None

    def record_name(self, clip_id: str, stage: str) -> str:
        return f"{self.clip_folder(clip_id)}/{record_file(stage)}"

    def save_record(self, record: StageRecord) -> None:
        name = self.record_name(record.clip_id, record.stage)
        self.write_bytes(name, json.dumps(to_plain(record), indent=1).encode())

    def remove_record(self, clip_id: str, stage: str) -> None:
        self.remove(self.record_name(clip_id, stage))
