"""TAPIR and BootsTAPIR: each point followed by itself; from a checkout of their repository."""

from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch

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
from camvid.models.trackers.options import TapirOptions
from camvid.weights import Weight

_HOW_TO_GET_IT = (
    "git clone https://github.com/google-deepmind/tapnet, pip install dm-tree einshape,"
    " and set track.options.checkout to its folder"
)
_SIDE_PX = 256  # as trained; square, because the code scales both axes by the height
_MIN_CERTAINTY = 0.5  # not hidden, and not far off


class Tapir:
    """The PointTracker of the paper."""

    weights: tuple[Weight, ...]

    def __init__(self, options: TapirOptions | None = None) -> None:
        self._options = options or TapirOptions()
        self._where = device(self._options.device)
        located = locate(self._options.checkpoint, licence=self._options.licence)
        self._model = _load(located.path, self._options).to(self._where)
        self._points = BatchSize(self._options.batch_size)
        self.weights = (located.weight,)

    @staticmethod
    def check(options: TapirOptions) -> None:
        """Raises BackendUnavailable where the code is missing."""
        _code(options)

    def track(self, frames: Frames, masks: ObjectMasks) -> PointTracks:
        """Tracks of every object and of the background (object 0, the control)."""
        options = self._options.follow
        with inference():
            return follow_regions(
                frames.rgb,
                masks.object_id,
                self._follow,
                options,
                window_frames=options.window_frames,
            )

    def _follow(self, rgb: U8, queries: F32) -> tuple[F32, Bool]:
        """See `following.Follow`; as many points at once as the memory holds."""
        where = self._where
        half = self._options.half_precision and where.type == "cuda"
        small = [cv2.resize(x, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) for x in rgb]
        video = torch.from_numpy(np.stack(small)).to(where).float()[None] / 255 * 2 - 1
        to_small = np.array([_SIDE_PX / rgb.shape[2], _SIDE_PX / rgb.shape[1]], np.float32)

        def batch(part: Any) -> list[tuple[F32, Bool]]:
            frame, xy = np.stack(part)[:, :1], np.stack(part)[:, 1:] * to_small
            tyx = np.concatenate([frame, xy[:, ::-1]], axis=1)  # the order that it wants
            with torch.autocast(where.type, dtype(where), enabled=half):
                found = self._model(video, torch.from_numpy(tyx)[None].to(where))
            certain = torch.sigmoid(-found["occlusion"][0]) * torch.sigmoid(
                -found["expected_dist"][0]
            )
            places = found["tracks"][0].float().cpu().numpy() / to_small
            return list(zip(places, (certain > _MIN_CERTAINTY).cpu().numpy(), strict=True))

        followed = in_batches(batch, list(queries), size=self._points)
        return np.stack([xy for xy, _ in followed], 1), np.stack([seen for _, seen in followed], 1)


def _code(options: TapirOptions) -> ModuleType:
    """The repository's torch model, from the user's checkout."""
    folders = [Path(options.checkout).expanduser()] if options.checkout else []
    return import_from_checkout("tapnet.torch.tapir_model", folders, _HOW_TO_GET_IT)


def _load(path: Path, options: TapirOptions) -> Any:
    """The repository's torch model with the weights of the file."""
    model = _code(options).TAPIR(pyramid_level=1)
    try:
        model.load_state_dict(read_state(path))
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise BackendUnavailable(f"{path} must hold TAPIR's torch weights: {why}") from error
    return model.eval()
