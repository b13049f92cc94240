"""What monocular depth backends share: frames through a network, fitted to the sparse points."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from camvid.artifacts import F32, U8, DepthMaps, Frames, ObjectMasks, Reconstruction
from camvid.depth.alignment import AlignmentMethod, align_depth
from camvid.models.torch_runtime import BatchSize, dtype, in_batches, inference

Preprocess = Callable[[U8], torch.Tensor]  # rgb [H, W, 3] -> [3, h, w], as the network wants it


class InverseDepthNetwork:
    """A network that gives inverse depth, with its preprocessing; images in, arrays out.

    Args:
        model: takes [B, 3, h, w], returns an object with `predicted_depth` [B, h', w'].
        upsampling: how the model's own postprocessing brings the result to the image's size.
    """

    def __init__(
        self,
        model: Any,
        preprocess: Preprocess,
        *,
        where: torch.device,
        batch_size: int,
        upsampling: Literal["bicubic", "bilinear"],
    ) -> None:
        self._model, self._preprocess = model, preprocess
        self._where, self._upsampling = where, upsampling
        self._batch_size = BatchSize(batch_size)

    def __call__(self, rgb: Sequence[U8]) -> list[F32]:
        """Relative inverse depth [H, W] of every image [H, W, 3]; larger is nearer."""
        with inference():
            return in_batches(self._run, rgb, size=self._batch_size)

    def _run(self, rgb: Sequence[U8]) -> list[F32]:
        batch = torch.stack([self._preprocess(image) for image in rgb])
        output = self._model(pixel_values=batch.to(self._where, dtype(self._where)))
        inv_depth = functional.interpolate(
            output.predicted_depth[:, None].float(),
            size=rgb[0].shape[:2],
            mode=self._upsampling,
            align_corners=False,  # pixel centres at 0.5, as everywhere here
        )
        return list(inv_depth[:, 0].cpu().numpy())


class MonocularDepth:
    """Runs the network on every frame that has a camera, and fits each to the sparse points."""

    def __init__(self, network: InverseDepthNetwork, alignment: AlignmentMethod) -> None:
        self._network = network
        self._alignment: AlignmentMethod = alignment

    def estimate(
        self,
        frames: Frames,
        masks: ObjectMasks,
        reconstruction: Reconstruction,
        moving: Collection[int],
    ) -> DepthMaps:
        """Depth in the reconstruction's units, of movers too; none where there is no trajectory."""
        num_frames, height_px, width_px = frames.rgb.shape[:3]
        if not reconstruction.has_trajectory:
            return DepthMaps.none(num_frames, height_px, width_px)
        posed = np.flatnonzero(reconstruction.registered)
        relative = np.zeros((num_frames, height_px, width_px), np.float32)
        seen = self._network([frames.rgb[frame_index] for frame_index in posed])
        for frame_index, inv_depth in zip(posed, seen, strict=True):
            relative[frame_index] = inv_depth
        return align_depth(relative, reconstruction, self._alignment)
