"""A clip of the dataset as arrays, each read from its shard when it is first asked for."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from camvid.artifacts import F32, F64, I32, U8, U16, Bool, CameraKind, PointTracks
from camvid.codecs import decode_ids, decode_jpegs
from camvid.columns import from_row
from camvid.errors import BackendUnavailable, DamagedArtifact
from camvid.genxd.data.reader import RowReader
from camvid.genxd.data.shards import Place
from camvid.geometry import invert_rigid, zoomed_K
from camvid.outcome import Kind
from camvid.record import Measures, ObjectRecord
from camvid.shards.columns import EVIDENCE_COLUMNS, FRAMES, SHARD_COLUMNS
from camvid.shards.row import DEPTH_COLUMNS, cameras_from_row, depth_from_row, image_bytes

if TYPE_CHECKING:
    from torch import Tensor

Evidence = Literal["depth", "masks", "tracks"]
_HEAVY = (FRAMES, *EVIDENCE_COLUMNS)
_LIGHT = tuple(known.name for known in SHARD_COLUMNS if known.name not in _HEAVY)


class DatasetClip:
    """A clip: frames, cameras, and on request depth, masks and tracks, in numpy.

    T frames, H rows, W columns, P points, N tracks. Camera axes are OpenCV's (x right, y down, z
    forward), the centre of the top-left pixel is (0.5, 0.5), lengths are in the units of the
    clip's own reconstruction. Any reading may raise DamagedArtifact, or ValueError for an image
    that cannot be decoded.
    """

    def __init__(self, reader: RowReader, place: Place) -> None:
        self._reader, self._place = reader, place
        self.clip_id: str = place.clip_id
        self.kind: Kind = place.kind

    def __repr__(self) -> str:
        return f"DatasetClip({self.clip_id!r}, kind={self.kind!r})"

    # ---- what it is ----------------------------------------------------------------------------

    @cached_property
    def row(self) -> Mapping[str, Any]:
        """All columns of the shard but frames, masks, depth and tracks, as docs/COLUMNS.md says.

        Those that were not yet known when the shard was written are missing.
        """
        return self._columns(*_LIGHT)

    @property
    def num_frames(self) -> int:
        """T"""
        return int(self.row["num_frames"])

    @property
    def height_px(self) -> int:
        """H"""
        return int(self.row["height_px"])

    @property
    def width_px(self) -> int:
        """W"""
        return int(self.row["width_px"])

    @property
    def fps(self) -> float:
        """Usual frame rate; `timestamps_s` are exact."""
        return float(self.row["fps"])

    @cached_property
    def timestamps_s(self) -> F64:
        """[T], time of each frame in the source video, strictly increasing."""
        return np.array(self.row["timestamps_s"], np.float64)

    @property
    def source_uri(self) -> str:
        """Where the source video lay."""
        return str(self.row["source_uri"])

    @property
    def caption(self) -> str:
        """A description; empty where there is none."""
        return str(self.row.get("caption") or "")

    @cached_property
    def objects(self) -> tuple[ObjectRecord, ...]:
        """What may move, and overlays; `object_id` is their value in `masks`."""
        return tuple(from_row(ObjectRecord, found) for found in self.row["objects"])

    @cached_property
    def measures(self) -> Measures:
        """The numbers that the clip is judged by; NaN where not measured."""
        return from_row(Measures, {**self.row, **(self.row.get("quality") or {})})

    @property
    def motion(self) -> float:
        """Motion strength, a fraction of the image's side; NaN where not measured."""
        return self.measures.motion_strength

    # ---- cameras -------------------------------------------------------------------------------

    @property
    def camera(self) -> CameraKind:
        """Whether it travels, turns, zooms or stands."""
        return self.measures.camera

    @cached_property
    def K(self) -> F64:
        """[T, 3, 3], intrinsics of each frame in its pixels; NaN where not known."""
        known = self.row["K"] or {}
        fx, fy, cx, cy = (known.get(name, np.nan) for name in ("fx", "fy", "cx", "cy"))
        first = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        zoom = self.row.get("zoom") or [1.0] * self.num_frames
        return zoomed_K(first, np.array(zoom, np.float64))

    @cached_property
    def cam_from_world(self) -> F64:
        """[T, 3, 4], x_cam = R x_world + t; NaN where the camera is not known."""
        return cameras_from_row(self.row)[0]

    @property
    def world_from_cam(self) -> F64:
        """[T, 3, 4], the inverse; its last column is the camera's place."""
        return invert_rigid(self.cam_from_world)

    @cached_property
    def registered(self) -> Bool:
        """[T], whose camera is known."""
        return cameras_from_row(self.row)[1]

    @property
    def scene_scale(self) -> float:
        """Median depth of the sparse points; NaN where the camera does not travel."""
        scale = self.row["scene_scale"]
        return float("nan") if scale is None else float(scale)

    @cached_property
    def points_world(self) -> F32:
        """[P, 3], sparse points of the static scene."""
        return np.array(self.row["points_world"], np.float32).reshape(-1, 3)

    @cached_property
    def point_rgb(self) -> U8:
        """[P, 3], their colours."""
        return np.array(self.row["point_rgb"], np.uint8).reshape(-1, 3)

    # ---- images --------------------------------------------------------------------------------

    def jpegs(self) -> list[bytes]:
        """The T frames as they are stored."""
        return image_bytes(self._read(FRAMES))

    @cached_property
    def frames(self) -> U8:
        """[T, H, W, 3] RGB, decoded once and then kept with the clip."""
        return decode_jpegs(self.jpegs())

    def depth(self) -> F32:
        """[T, H, W], z in the camera frame; 0 where it is not known."""
        found = depth_from_row(self._columns(*DEPTH_COLUMNS))
        if found is None:
            return np.zeros((self.num_frames, self.height_px, self.width_px), np.float32)
        return found[0]

    def masks(self) -> U16:
        """[T, H, W], the `object_id` on each pixel; 0 is background."""
        return decode_ids(image_bytes(self._read("masks")))

    def tracks(self) -> PointTracks:
        """Keypoints: `xy_px` [T, N, 2], `visible` [T, N], `object_id` [N], `query_frame` [N]."""
        found = self._read("tracks")
        shape = (self.num_frames, int(found["num_tracks"]))
        return PointTracks(
            xy_px=np.frombuffer(found["xy_px"], "<f4").astype(np.float32).reshape(*shape, 2),
            visible=np.frombuffer(found["visible"], np.uint8).astype(bool).reshape(shape),
            object_id=np.array(found["object_id"], np.uint16),
            query_frame=np.array(found["query_frame"], np.int32),
        )

    def _read(self, name: str) -> Any:
        return self._columns(name)[name]

    def _columns(self, *names: str) -> dict[str, Any]:
        try:
            return self._reader.read_columns(self._place, names)
        except (OSError, pa.ArrowException) as error:
            raise DamagedArtifact(
                f"clip {self.clip_id}: {self._place.path} must be readable: {error}; run"
                " `camvid shards verify`"
            ) from error

    # ---- torch ---------------------------------------------------------------------------------

    def to_torch(self, *evidence: Evidence) -> "dict[str, Tensor]":
        """The clip as tensors: what training reads, and the evidence that is named.

        `frames` u8 [T, 3, H, W], `K` f32 [T, 3, 3], `cam_from_world` f32 [T, 3, 4] (NaN where not
        known), `registered` bool [T], `timestamps_s` f64 [T], `motion` f32 []; `depth` f32
        [T, H, W], `masks` i32 [T, H, W], `tracks` f32 [T, N, 2] with `track_visible` bool [T, N]
        and `track_object_id` i32 [N].

        Raises:
            BackendUnavailable: torch is not installed.
        """
        try:
            import torch
        except ImportError as error:
            raise BackendUnavailable("to_torch needs torch", fix="pip install torch") from error
        arrays: dict[str, U8 | F32 | F64 | I32 | Bool] = {
            "frames": self.frames.transpose(0, 3, 1, 2),
            "K": self.K.astype(np.float32),
            "cam_from_world": self.cam_from_world.astype(np.float32),
            "registered": self.registered,
            "timestamps_s": self.timestamps_s,
            "motion": np.array(self.motion, np.float32),
        }
        if "depth" in evidence:
            arrays["depth"] = self.depth()
        if "masks" in evidence:
            arrays["masks"] = self.masks().astype(np.int32)
        if "tracks" in evidence:
            tracks = self.tracks()
            arrays["tracks"] = tracks.xy_px
            arrays["track_visible"] = tracks.visible
            arrays["track_object_id"] = tracks.object_id.astype(np.int32)
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
