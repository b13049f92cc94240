"""Small random checkpoints of the very classes that the segmenters load, saved as real ones are."""

import json
from functools import partial
from pathlib import Path

import torch

CLASSES = {0: "person", 1: "car", 2: "wall"}
SIDE_PX = 128  # of the networks' square inputs


def _save(model: torch.nn.Module, folder: Path, processor: dict[str, object]) -> Path:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def mask2former(folder: Path) -> Path:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    swin = SwinConfig(
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=4,
        image_size=SIDE_PX,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=8,
        id2label=CLASSES,
    )
    size = {"shortest_edge": 96, "longest_edge": 160}
    return _save(Mask2FormerForUniversalSegmentation(config), folder, {"size": size})


def rf_detr_seg(folder: Path) -> Path:
    from transformers import RfDetrConfig, RfDetrForInstanceSegmentation

    torch.manual_seed(0)
    config = RfDetrConfig(
        backbone_config={
            "model_type": "rf_detr_dinov2",
            "hidden_size": 32,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "mlp_ratio": 2,
            "image_size": 112,
            "patch_size": 14,
            "num_windows": 2,
            "out_features": ["stage2", "stage4"],
        },
        d_model=32,
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        num_queries=8,
        group_detr=1,
        intermediate_size=32,
        id2label=CLASSES,
    )
    size = {"height": SIDE_PX, "width": SIDE_PX}  # not a multiple of 28: must be fitted
    return _save(RfDetrForInstanceSegmentation(config), folder, {"size": size})


def sam2(folder: Path) -> Path:
    from transformers import Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    torch.manual_seed(0)
    vision = Sam2VisionConfig(
        backbone_config={
            "model_type": "sam2_hiera_det_model",
            "image_size": [SIDE_PX, SIDE_PX],
            "hidden_size": 12,
            "num_attention_heads": 1,
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [12, 24, 48, 96],
            "num_attention_heads_per_stage": [1, 2, 2, 2],
            "window_size_per_stage": [4, 2, 4, 2],
            "global_attention_blocks": [3],
            "window_positional_embedding_background_size": [2, 2],
        },
        backbone_channel_list=[96, 48, 24, 12],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=128,
    )
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": SIDE_PX, "mask_input_channels": 8},
        mask_decoder_config={"hidden_size": 128, "mlp_dim": 32, "num_attention_heads": 2},
        image_size=SIDE_PX,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=128,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
    )
    model = Sam2VideoModel(config)
    # A random network says "not in sight" as often as not; this one always sees its object.
    torch.nn.init.constant_(model.mask_decoder.pred_obj_score_head.proj_out.bias, 10.0)
    return _save(model, folder, {"size": {"height": SIDE_PX, "width": SIDE_PX}})


def segment_anything(folder: Path) -> Path:
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    torch.manual_seed(0)
    encoder = ImageEncoderViT(
        img_size=SIDE_PX,
        embed_dim=32,
        depth=2,
        num_heads=2,
        out_chans=64,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=3,
        global_attn_indexes=(1,),
    )
    grid = (SIDE_PX // 16, SIDE_PX // 16)
    prompts = PromptEncoder(
        embed_dim=64, image_embedding_size=grid, input_image_size=(SIDE_PX,) * 2, mask_in_chans=16
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=64, num_heads=8, mlp_dim=48)
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer=transformer,
        transformer_dim=64,
        iou_head_depth=3,
        iou_head_hidden_dim=32,
    )
    sam = Sam(image_encoder=encoder, prompt_encoder=prompts, mask_decoder=decoder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(sam.state_dict(), folder / "sam_tiny.pth")
    return folder / "sam_tiny.pth"
