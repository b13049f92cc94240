"""Depth networks of the very classes, small and with random weights, saved as checkpoints."""

import json
from pathlib import Path

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
)
from transformers.utils import logging

PATCH_PX = 14
logging.disable_progress_bar()  # of what is saved here, which is no word of the code under test


def write_depth_anything(folder: Path, *, kind: str = "relative") -> Path:
    """Depth Anything with four layers of a tiny DINOv2, at 56 pixels."""
    torch.manual_seed(0)
    backbone = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 4,
        "out_indices": [1, 2, 3, 4],
        "image_size": 56,
        "patch_size": PATCH_PX,
        "reshape_hidden_states": False,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        initializer_range=0.3,  # at the usual 0.02 the output hardly depends on the image
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    # As published with Depth-Anything-V2-Small-hf, but for the size.
    preprocessor = {
        "do_normalize": True,
        "do_pad": False,
        "do_rescale": True,
        "do_resize": True,
        "ensure_multiple_of": PATCH_PX,
        "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "DPTImageProcessor",
        "image_std": [0.229, 0.224, 0.225],
        "keep_aspect_ratio": True,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": 56, "width": 56},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def write_depth_pro(folder: Path) -> Path:
    """Depth Pro with two layers per encoder, at 128 pixels."""
    torch.manual_seed(0)
    encoder = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "mlp_ratio": 2,
        "patch_size": 8,
        "image_size": 32,
    }
    config = DepthProConfig(
        patch_size=32,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[16, 16, 16],
        merge_padding_value=1,
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        use_fov_model=True,
    )
    DepthProForDepthEstimation(config).save_pretrained(folder)
    preprocessor = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "DepthProImageProcessor",
        "size": {"height": 128, "width": 128},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
