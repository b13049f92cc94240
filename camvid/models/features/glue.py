"""A loaded LightGlue between our features: numpy in, numpy out."""

import numpy as np
import torch
from numpy.typing import NDArray

from camvid.artifacts import F32
from camvid.errors import BackendUnavailable
from camvid.models.checkpoints import Located, locate
from camvid.models.features.lightglue import LightGlue, mutual_matches
from camvid.models.features.options import LightGlueOptions
from camvid.models.protocols import ImageFeatures
from camvid.models.torch_runtime import dtype, read_state
from camvid.parallel import num_threads


class Glue:
    """Says which keypoint of one image is which of another."""

    def __init__(self, options: LightGlueOptions, where: torch.device, input_dim: int) -> None:
        torch.set_num_threads(num_threads())
        located = locate(options.checkpoint, licence=options.licence)
        self.weight = located.weight
        self._options, self._where = options, where
        self._network = _load(located, input_dim).to(where)

    @torch.inference_mode()
    def match(self, first: ImageFeatures, second: ImageFeatures) -> NDArray[np.intp]:
        """Rows [M, 2] of keypoints that are the same point of the scene, sure ones alone."""
        if min(len(first.xy_px), len(second.xy_px)) == 0:
            return np.zeros((0, 2), np.intp)
        where, pair = self._where, (first, second)
        xy = [self._tensor(f.xy_px - np.float32(0.5)) for f in pair]
        descriptors = [self._tensor(f.descriptors) for f in pair]
        size = [self._tensor(np.array([f.width_px, f.height_px], np.float32)) for f in pair]
        with torch.autocast(where.type, dtype(where), enabled=where.type == "cuda"):
            log_share = self._network((xy[0], xy[1]), (descriptors[0], descriptors[1]), size)
        found = mutual_matches(log_share, self._options.min_match_score)
        return found.cpu().numpy().astype(np.intp)

    def _tensor(self, array: F32) -> torch.Tensor:
        return torch.tensor(array).to(self._where)


def _load(located: Located, input_dim: int) -> LightGlue:
    weights = read_state(located.path)
    if any(k.startswith("matcher.") for k in weights):  # stored beside the detector's own
        weights = {k[8:]: v for k, v in weights.items() if k.startswith("matcher.")}
    try:
        network = LightGlue.from_weights(weights)
    except (KeyError, ValueError, RuntimeError) as error:
        raise BackendUnavailable(
            f"{located.path} must hold LightGlue's weights: {error}"
        ) from error
    if network.input_dim != input_dim:
        raise BackendUnavailable(
            f"{located.path} must match descriptors of {input_dim} numbers, but takes"
            f" {network.input_dim}: the matcher of another detector?"
        )
    return network.eval()
