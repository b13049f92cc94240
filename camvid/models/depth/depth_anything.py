"""Depth Anything V2 (Small, Base, Large) through transformers: relative inverse depth."""

from pathlib import Path

import torch
from transformers import DepthAnythingForDepthEstimation
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from camvid.artifacts import U8
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.depth.monocular import InverseDepthNetwork, MonocularDepth
from camvid.models.depth.options import DepthAnythingOptions
from camvid.models.torch_runtime import device, load_pretrained
from camvid.weights import Weight


class DepthAnything(MonocularDepth):
    """Sees what flow cannot: movers, and frames without parallax. Knows no scale of its own."""

    def __init__(self, options: DepthAnythingOptions | None = None) -> None:
        options = options or DepthAnythingOptions()
        located = locate(options.checkpoint, licence=options.licence)
        where = device(options.device)
        model = load_pretrained(DepthAnythingForDepthEstimation, located.path, where)
        if model.config.depth_estimation_type != "relative":
            raise BackendUnavailable(
                f"{located.path} must be a relative Depth Anything, but its depth is metric depth,"
                " not inverse: choose a checkpoint without `Metric` in its name"
            )
        network = InverseDepthNetwork(
            model,
            Preprocessing(located.path),
            where=where,
            batch_size=options.batch_size,
            upsampling="bicubic",
        )
        super().__init__(network, options.alignment)
        self.weights: tuple[Weight, ...] = (located.weight,)


class Preprocessing:
    """The model's own: sides to multiples of its patches, bicubic, ImageNet's mean and spread.

    Always the Pillow form: the torchvision form differs in the last bits, and a run must not
    depend on whether torchvision is installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._processor = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BackendUnavailable(
                f"{folder} must hold a preprocessor_config.json: {str(error).splitlines()[0]}"
            ) from error

    def __call__(self, rgb: U8) -> torch.Tensor:
        """[3, h, w] of rgb [H, W, 3]."""
        return self._processor(images=rgb, return_tensors="pt")["pixel_values"][0]
