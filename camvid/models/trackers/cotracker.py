"""CoTracker 3: points followed jointly, through occlusions; from a checkout of its repository."""

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camvid.artifacts import F32, U8, Bool, Frames, ObjectMasks, PointTracks
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.torch_runtime import (
    BatchSize,
    device,
    dtype,
    in_batches,
    inference,
    read_state,
)
from camvid.models.trackers.checkout import import_from_checkout
from camvid.models.trackers.following import follow_regions
from camvid.models.trackers.options import CoTrackerOptions
from camvid.weights import Weight

_HOW_TO_GET_IT = (
    "git clone https://github.com/facebookresearch/co-tracker (CC-BY-NC-4.0: no commercial use)"
    " and set track.options.checkout to its folder"
)
_OFFLINE_FRAMES, _ONLINE_FRAMES = 60, 16  # as the published weights were trained

_CENTRE = np.array([0, 0.5, 0.5], np.float32)  # (frame, x, y): it counts pixel centres from 0


class CoTracker:
    """The PointTracker that sees a point behind what hides it."""

    weights: tuple[Weight, ...]

    def __init__(self, options: CoTrackerOptions | None = None) -> None:
        self._options = options or CoTrackerOptions()
        self._where = device(self._options.device)
        located = locate(self._options.checkpoint, licence=self._options.licence)
        self._predictor = _load(located.path, self._options).to(self._where)
        self._points = BatchSize(self._options.batch_size)
        self.weights = (located.weight,)

    @staticmethod
    def check(options: CoTrackerOptions) -> None:
        """Raises BackendUnavailable where the code is missing."""
        _code(options)

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks:
        """Tracks of every object and of the background (object 0, the control)."""
        options = self._options.follow
        online = self._options.mode == "online"
        window = max(len(frames.rgb), 1) if online else options.window_frames
        with inference():
            return follow_regions(
                frames.rgb, masks.object_id, self._follow, options, window_frames=window
            )

    def _follow(self, rgb: U8, queries: F32) -> tuple[F32, Bool]:
        """See `following.Follow`; as many points at once as the memory holds."""
        where = self._where
        half = self._options.half_precision and where.type == "cuda"
        video = torch.tensor(rgb).permute(0, 3, 1, 2)[None]  # a copy: rgb is read-only
        run = self._online if self._options.mode == "online" else self._offline

        def batch(part: Any) -> list[tuple[F32, Bool]]:
            points = torch.from_numpy(np.stack(part) - _CENTRE)[None].to(where)
            with torch.autocast(where.type, dtype(where), enabled=half):
                xy, visible = run(video, points)
            places = xy[0].transpose(0, 1).float().cpu().numpy() + _CENTRE[1:]
            return list(zip(places, visible[0].T.cpu().numpy(), strict=True))

        followed = in_batches(batch, list(queries), size=self._points)
        return np.stack([xy for xy, _ in followed], 1), np.stack([seen for _, seen in followed], 1)

    def _offline(self, video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """(xy [1, T, N, 2], visible [1, T, N]) with all frames in view at once."""
        return self._predictor(video.to(self._where).float(), queries=queries)

    def _online(self, video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """The same from a window that slides by half its length and remembers its tracks."""
        predictor, step = self._predictor, self._predictor.step
        chunk = partial(_chunk, video, self._where, 2 * step)
        predictor(video_chunk=chunk(0), is_first_step=True, queries=queries)
        xy, visible = predictor(video_chunk=chunk(0))
        for begin in range(step, video.shape[1] - step, step):
            xy, visible = predictor(video_chunk=chunk(begin))
        return xy, visible


def _chunk(video: Tensor, where: torch.device, size: int, begin: int) -> Tensor:
    return video[:, begin : begin + size].to(where).float()


def _code(options: CoTrackerOptions) -> ModuleType:
    """The repository's predictors, from the user's checkout or torch.hub's."""
    folders = [Path(options.checkout).expanduser()] if options.checkout else []
    folders += sorted(Path(torch.hub.get_dir()).glob("facebookresearch_co-tracker_*"))
    return import_from_checkout("cotracker.predictor", folders, _HOW_TO_GET_IT)


def _load(path: Path, options: CoTrackerOptions) -> Any:
    """The repository's predictor with the weights of the file; nothing in it is executed."""
    module = _code(options)
    if options.mode == "online":
        predictor = module.CoTrackerOnlinePredictor(checkpoint=None, window_len=_ONLINE_FRAMES)
    else:
        predictor = module.CoTrackerPredictor(checkpoint=None, window_len=_OFFLINE_FRAMES)
    state = read_state(path)
    try:
        predictor.model.load_state_dict(state.get("model", state))
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise BackendUnavailable(
            f"{path} must hold the weights of CoTracker 3 {options.mode}: {why}"
        ) from error
    return predictor.eval()
