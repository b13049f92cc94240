"""Depth Pro through transformers: metric depth, sharp at outlines; dear (35 patches a frame)."""

import json
from pathlib import Path

import torch
from torch.nn import functional
from transformers import DepthProForDepthEstimation

from camvid.artifacts import U8
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import locate
from camvid.models.depth.monocular import InverseDepthNetwork, MonocularDepth
from camvid.models.depth.options import DepthProOptions
from camvid.models.torch_runtime import device, load_pretrained
from camvid.weights import Weight


class DepthPro(MonocularDepth):
    """The network's inverse depth for a unit focal length; only a scale is left to fit.

    Its own guess of the focal length is not used: the reconstruction has a better one, and a
    wrong guess is a factor per frame, which the fit takes out.
    """

    def __init__(self, options: DepthProOptions | None = None) -> None:
        options = options or DepthProOptions()
        located = locate(options.checkpoint, licence=options.licence)
        where = device(options.device)
        network = InverseDepthNetwork(
            load_pretrained(DepthProForDepthEstimation, located.path, where),
            Preprocessing(located.path),
            where=where,
            batch_size=options.batch_size,
            upsampling="bilinear",
        )
        super().__init__(network, options.alignment)
        self.weights: tuple[Weight, ...] = (located.weight,)


class Preprocessing:
    """The model's own, whose class needs torchvision: normalised first, then a plain bilinear."""

    def __init__(self, folder: Path) -> None:
        path = folder / "preprocessor_config.json"
        try:
            config = json.loads(path.read_text())
            self._size = (int(config["size"]["height"]), int(config["size"]["width"]))
            self._mean = torch.tensor(config["image_mean"]).view(3, 1, 1) * 255
            self._std = torch.tensor(config["image_std"]).view(3, 1, 1) * 255
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackendUnavailable(
                f"{path} must give size, image_mean and image_std: {error}"
            ) from error

    def __call__(self, rgb: U8) -> torch.Tensor:
        """[3, h, w] of rgb [H, W, 3]."""
        normalised = (
            torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() - self._mean
        ) / self._std
        return functional.interpolate(normalised[None], self._size, mode="bilinear")[0]
