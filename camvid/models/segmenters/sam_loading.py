"""SAM from its .pth file alone: which of its kinds it is, the shapes of the weights say."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from camvid.errors import BackendUnavailable
from camvid.models.torch_runtime import read_state

_MASK_HEADS = 8  # of the mask decoder's attention: the same in all kinds, and in no shape
_PIXEL_MEAN, _PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def load_sam(path: Path) -> Sam:
    """The model of a checkpoint of `segment_anything`: vit_b, vit_l, vit_h or one of that build."""
    state = read_state(path)
    try:
        sam = _build(state)
        sam.load_state_dict(state)
    except (KeyError, RuntimeError, AttributeError) as error:
        why = str(error).strip().splitlines()[0]
        raise BackendUnavailable(
            f"{path} must hold the weights of segment-anything's SAM (vit_b, vit_l or vit_h): {why}"
        ) from error
    return sam.eval()


def _build(state: Mapping[str, torch.Tensor]) -> Sam:
    grid, width = state["image_encoder.pos_embed"].shape[2:]
    patch = state["image_encoder.patch_embed.proj.weight"].shape[-1]
    channels = state["image_encoder.neck.0.weight"].shape[0]
    mask_channels = state["prompt_encoder.mask_downscaling.3.weight"].shape[0]
    decoder = TwoWayTransformer(
        depth=_count(state, "mask_decoder.transformer.layers."),
        embedding_dim=channels,
        mlp_dim=state["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
        num_heads=_MASK_HEADS,
    )
    return Sam(
        image_encoder=_image_encoder(state, grid * patch, patch, width, channels),
        prompt_encoder=PromptEncoder(
            embed_dim=channels,
            image_embedding_size=(grid, grid),
            input_image_size=(grid * patch, grid * patch),
            mask_in_chans=mask_channels,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=state["mask_decoder.mask_tokens.weight"].shape[0] - 1,
            transformer=decoder,
            transformer_dim=channels,
            iou_head_depth=_count(state, "mask_decoder.iou_prediction_head.layers."),
            iou_head_hidden_dim=state["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
        ),
        pixel_mean=_PIXEL_MEAN,
        pixel_std=_PIXEL_STD,
    )


def _layer_norm() -> Any:
    """A LayerNorm class with SAM's epsilon; the package asks for a class and calls it."""
    return partial(torch.nn.LayerNorm, eps=1e-6)


def _image_encoder(
    state: Mapping[str, torch.Tensor], side: int, patch: int, width: int, channels: int
) -> ImageEncoderViT:
    """Blocks whose table of relative places spans the whole image attend to all of it."""
    depth = _count(state, "image_encoder.blocks.")
    tables = [state[f"image_encoder.blocks.{k}.attn.rel_pos_h"].shape for k in range(depth)]
    spans = [(rows + 1) // 2 for rows, _ in tables]
    whole = side // patch
    return ImageEncoderViT(
        img_size=side,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=width // tables[0][1],
        mlp_ratio=state["image_encoder.blocks.0.mlp.lin1.weight"].shape[0] / width,
        out_chans=channels,
        norm_layer=_layer_norm(),
        use_rel_pos=True,
        window_size=min(spans),
        global_attn_indexes=tuple(k for k, span in enumerate(spans) if span == whole),
    )


def _count(state: Mapping[str, Any], prefix: str) -> int:
    """How many numbered modules there are under a name."""
    return len({k.removeprefix(prefix).split(".")[0] for k in state if k.startswith(prefix)})
