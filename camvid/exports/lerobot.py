"""LeRobot's dataset, version 3.0: clips are episodes, the moving camera is the robot.

`observation.state` is the camera, cam_from_world row by row; `action` takes it to that of the next
frame, next_from_cam, the identity at the end; the task is the caption. Episodes have one rate and
one size. Each has a video file of its own; tables are small and written anew at the end.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from camvid.artifacts import F32, F64, U8
from camvid.errors import ConfigError
from camvid.exports.format import Entry, Format
from camvid.exports.mp4 import write_mp4
from camvid.exports.options import ExportOptions
from camvid.exports.view import View

VIDEO = "observation.images.main"
VECTORS = {"observation.state": 12, "action": 12, "observation.intrinsics": 4}
_WIDTH = sum(VECTORS.values())
_CHUNK = 1000  # files in a folder
_VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_NO_CAPTION = "a video clip"  # a task must be something
_COLOURS_EVERY = 8  # frames, for the statistics


class LeRobot(Format):
    """A LeRobotDataset."""

    def __init__(self, options: ExportOptions) -> None:
        if not options.size_px or not options.fps or options.fps % 1:
            raise ConfigError(
                "--to lerobot needs one --size and a whole --fps for all clips, got size"
                f" {options.width_px}x{options.height_px} and {options.fps:g} frames a second"
            )
        super().__init__(options)

    def write(self, view: View, folder: Path, number: int) -> Entry:
        chunk, file = divmod(number, _CHUNK)
        path = folder / _VIDEOS.format(video_key=VIDEO, chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True)
        moments: list[F64] = []
        frames = _watched(view.frames(), moments)
        write_mp4(path, frames, view.fps, self.options.crf)
        return view.entry() | {
            "chunk_index": chunk,
            "file_index": file,
            "colour_moments": np.mean(moments, axis=0).tolist(),
            "vectors": base64.b64encode(_vectors(view).tobytes()).decode(),
        }

    def finish(self, entries: Sequence[Entry], folder: Path) -> None:
        (folder / "meta/episodes/chunk-000").mkdir(parents=True)
        tasks = sorted({_task(entry) for entry in entries})
        vectors = [
            np.frombuffer(base64.b64decode(entry["vectors"]), "<f4").reshape(-1, _WIDTH)
            for entry in entries
        ]
        pq.write_table(_tasks_table(tasks), folder / "meta/tasks.parquet")
        pq.write_table(self._episodes(entries), folder / "meta/episodes/chunk-000/file-000.parquet")
        data = folder / _DATA.format(chunk_index=0, file_index=0)
        data.parent.mkdir(parents=True)
        starts = np.cumsum([0, *map(len, vectors)])
        with pq.ParquetWriter(data, self._episode_table(vectors[0], 0, 0, 0).schema) as writer:
            for k, (entry, values) in enumerate(zip(entries, vectors, strict=True)):
                task = tasks.index(_task(entry))
                writer.write_table(self._episode_table(values, k, int(starts[k]), task))
        described = {
            "meta/info.json": self._info(len(entries), int(starts[-1]), len(tasks)),
            "meta/stats.json": _stats(entries, np.concatenate(vectors)),
        }
        for name, content in described.items():
            (folder / name).write_text(json.dumps(content, indent=4))

    def _episodes(self, entries: Sequence[Entry]) -> pa.Table:
        lengths = np.array([entry["num_frames"] for entry in entries])
        ends, none = np.cumsum(lengths), np.zeros(len(entries), np.int64)
        return pa.table(
            {
                "episode_index": np.arange(len(entries)),
                "tasks": [[_task(entry)] for entry in entries],
                "length": lengths,
                "data/chunk_index": none,
                "data/file_index": none,
                "dataset_from_index": ends - lengths,
                "dataset_to_index": ends,
                f"videos/{VIDEO}/chunk_index": [entry["chunk_index"] for entry in entries],
                f"videos/{VIDEO}/file_index": [entry["file_index"] for entry in entries],
                f"videos/{VIDEO}/from_timestamp": none.astype(np.float64),
                f"videos/{VIDEO}/to_timestamp": lengths / self.options.fps,
                "meta/episodes/chunk_index": none,
                "meta/episodes/file_index": none,
            }
        )

    def _episode_table(self, vectors: F32, episode: int, start: int, task: int) -> pa.Table:
        """The frames of an episode, whose first has the number `start` in the dataset."""
        frame = np.arange(len(vectors))
        columns: dict[str, Any] = {
            name: pa.FixedSizeListArray.from_arrays(part.ravel(), part.shape[1])
            for name, part in _parts(vectors).items()
        }
        return pa.table(
            {
                **columns,
                "timestamp": (frame / self.options.fps).astype(np.float32),
                "frame_index": frame,
                "episode_index": np.full(len(frame), episode),
                "index": start + frame,
                "task_index": np.full(len(frame), task),
            }
        )

    def _info(self, num_episodes: int, num_frames: int, num_tasks: int) -> dict[str, Any]:
        width_px, height_px, fps = self.options.width_px, self.options.height_px, self.options.fps
        numbers = ("frame_index", "episode_index", "index", "task_index")
        features: dict[str, Any] = {
            VIDEO: {
                "dtype": "video",
                "shape": [height_px, width_px, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": height_px,
                    "video.width": width_px,
                    "video.codec": "h264",
                    "video.pix_fmt": "yuv420p",
                    "video.is_depth_map": False,
                    "video.fps": int(fps),
                    "video.channels": 3,
                    "has_audio": False,
                },
            },
            **{n: {"dtype": "float32", "shape": [w], "names": None} for n, w in VECTORS.items()},
            "timestamp": {"dtype": "float32", "shape": [1], "names": None},
            **{name: {"dtype": "int64", "shape": [1], "names": None} for name in numbers},
        }
        return {
            "codebase_version": "v3.0",
            "robot_type": "camera",
            "total_episodes": num_episodes,
            "total_frames": num_frames,
            "total_tasks": num_tasks,
            "chunks_size": _CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": int(fps),
            "splits": {"train": f"0:{num_episodes}"},
            "data_path": _DATA,
            "video_path": _VIDEOS,
            "features": features,
        }


def _task(entry: Entry) -> str:
    return entry["caption"] or _NO_CAPTION


def _vectors(view: View) -> F32:
    """[F, 28], the vectors of VECTORS side by side."""
    cameras = view.cam_from_world
    whole = np.tile(np.eye(4), (view.num_frames, 1, 1))
    whole[:, :3] = cameras
    action = np.tile(np.eye(3, 4), (view.num_frames, 1, 1))
    action[:-1] = cameras[1:] @ np.linalg.inv(whole[:-1])
    intrinsics = view.K[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    parts = [cameras.reshape(-1, 12), action.reshape(-1, 12), intrinsics]
    return np.concatenate(parts, axis=1).astype("<f4")


def _parts(vectors: F32) -> dict[str, F32]:
    ends = np.cumsum(list(VECTORS.values()))[:-1]
    return dict(zip(VECTORS, np.split(vectors, ends, axis=1), strict=True))


def _watched(frames: Iterator[U8], moments: list[F64]) -> Iterator[U8]:
    """The frames, passed on; notes the mean of each colour, from 0 to 1, and of its square."""
    for number, rgb in enumerate(frames):
        if number % _COLOURS_EVERY == 0:
            share = rgb / 255.0
            moments.append(np.stack([share.mean(axis=(0, 1)), (share**2).mean(axis=(0, 1))]))
        yield rgb


def _stats(entries: Sequence[Entry], vectors: F32) -> dict[str, dict[str, Any]]:
    """What policies normalise by."""
    mean, square = np.mean([entry["colour_moments"] for entry in entries], axis=0)
    colours = {"min": np.zeros(3), "max": np.ones(3), "mean": mean}
    colours["std"] = np.sqrt(np.maximum(square - mean**2, 0))
    count = [len(vectors)]
    stats: dict[str, dict[str, Any]] = {
        VIDEO: {n: c.reshape(3, 1, 1).tolist() for n, c in colours.items()} | {"count": count}
    }
    for name, part in _parts(vectors).items():
        how = {"min": np.min, "max": np.max, "mean": np.mean, "std": np.std}
        stats[name] = {n: f(part, axis=0).tolist() for n, f in how.items()} | {"count": count}
    return stats


def _tasks_table(tasks: Sequence[str]) -> pa.Table:
    """Numbers of the tasks, with their names as the index that pandas reads."""
    named: dict[str, Any] = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    number = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    index = "__index_level_0__"
    described = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **number},
            {"name": None, "field_name": index, **named},
        ],
    }
    table = pa.table({"task_index": np.arange(len(tasks)), index: list(tasks)})
    return table.replace_schema_metadata({"pandas": json.dumps(described)})
