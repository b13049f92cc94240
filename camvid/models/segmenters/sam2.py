"""SAM 2: objects found roughly, by their motion or by a detector, outlined through the clip.

Each object is prompted once, in one frame, and followed from there to both ends of the clip.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from camvid.artifacts import F32, U8, Clip, Frames, ObjectMasks
from camvid.models.checkpoints import locate
from camvid.models.segmenters.images import ImageSettings, image_settings, normalised, resized
from camvid.models.segmenters.labelled import logits_at
from camvid.models.segmenters.moving import moving_objects
from camvid.models.segmenters.options import Sam2Options
from camvid.models.segmenters.prompts import Prompt, prompts_of
from camvid.models.segmenters.rf_detr_seg import RfDetrSeg
from camvid.models.torch_runtime import device, in_batches, inference, load_pretrained
from camvid.weights import Weight

_CORNERS_AND_INSIDE = (2, 3, 1)  # SAM's labels: a box's two corners, a point of the object


class Sam2:
    """Outlines what moves or, with a detector, what that one names."""

    def __init__(self, options: Sam2Options) -> None:
        self._options = options
        located = locate(options.checkpoint, licence=options.licence)
        self._model: Any = load_pretrained(Sam2VideoModel, located.path, device(options.device))
        self._settings = image_settings(located.path)
        self._detector = None if options.detector is None else RfDetrSeg(options.detector)
        further = () if self._detector is None else self._detector.weights
        self.weights: tuple[Weight, ...] = (located.weight, *further)

    def segment(self, clip: Clip, frames: Frames) -> ObjectMasks:
        """Objects of the clip; `clip` gives the frame rate."""
        if len(frames.rgb) == 0:
            return ObjectMasks.none(*frames.rgb.shape[:3])
        if self._detector is None:
            rough = moving_objects(frames.rgb, clip.fps, self._options.working_side_px)
        else:
            rough = self._detector.segment(clip, frames)
        prompts = prompts_of(rough, self._options.prompt_area_quantile)
        canvas = Canvas(frames.rgb.shape[:3])
        with inference():
            for step in (1, -1):
                walk = _Walk(self._model, self._settings, frames.rgb, prompts, canvas, step)
                in_batches(walk.look, range(len(frames.rgb))[::step], size=1)
        seen = set(np.unique(canvas.object_id).tolist())
        objects = tuple(p.item for p in prompts if p.item.object_id in seen)
        return ObjectMasks(object_id=canvas.object_id, objects=objects)


class _Walk:
    """One way along the clip: objects join where they are prompted and are followed from there.

    transformers' own loop over a video holds all of its frames and wants every object prompted
    before it starts. Fed frame by frame, a session needs neither.
    """

    def __init__(
        self,
        model: Any,
        settings: ImageSettings,
        rgb: U8,
        prompts: list[Prompt],
        canvas: "Canvas",
        step: int,
    ) -> None:
        self._model, self._settings, self._rgb = model, settings, rgb
        self._prompts, self._canvas, self._step = prompts, canvas, step
        self._session: Any = Sam2VideoInferenceSession(
            inference_device=model.device,
            inference_state_device=model.device,
            video_storage_device=model.device,
            dtype=model.dtype,
        )

    def look(self, frames: Sequence[int]) -> list[None]:
        """Takes the session to the next frame and draws what it sees there."""
        (t,) = frames
        for prompt in self._prompts:
            if prompt.frame == t:
                self._add(prompt)
        if self._session.obj_ids:
            seen = self._model(
                self._session, frame_idx=t, frame=self._pixels(t), reverse=self._step < 0
            )
            logits = logits_at(seen.pred_masks[:, 0], self._rgb.shape[1:3])
            for number, image in zip(seen.object_ids, logits.cpu().numpy(), strict=True):
                self._canvas.draw(t, number, image)
            self._forget(t)
        return [None]

    def _add(self, prompt: Prompt) -> None:
        height_px, width_px = self._rgb.shape[1:3]
        places = prompt_places(prompt, (width_px, height_px), self._model.config.image_size)
        number = prompt.item.object_id
        self._session.add_point_inputs(
            self._session.obj_id_to_idx(number),
            prompt.frame,
            {
                "point_coords": torch.from_numpy(places)[None, None],
                "point_labels": torch.tensor([[_CORNERS_AND_INSIDE]], dtype=torch.int32),
            },
        )
        self._session.obj_with_new_inputs.append(number)

    def _pixels(self, t: int) -> torch.Tensor:
        """[3, side, side] of a frame, stretched to the network's square."""
        side = self._model.config.image_size
        images = resized([self._rgb[t]], (side, side), self._model.device)
        return normalised(images, self._settings, self._model.dtype)[0]

    def _forget(self, t: int) -> None:
        """Drops what no later frame asks for; a session would keep all, some 4 MB a frame."""
        config = self._model.config
        memory = max(config.num_maskmem, config.max_object_pointers_in_encoder)
        self._session.processed_frames.pop(t)
        for outputs in self._session.output_dict_per_obj.values():
            outputs["non_cond_frame_outputs"].pop(t - self._step * memory, None)
            for kind in outputs.values():
                if t in kind:
                    kind[t].pop("high_res_masks", None)


class Canvas:
    """Ids [T, H, W] of the objects whose logits are above 0 and above all others'."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.object_id = np.zeros(shape, np.uint16)
        self._best = np.zeros(shape, np.float16)

    def draw(self, t: int, number: int, logits: F32) -> None:
        """Draws an object over frame t where its logits [H, W] are the highest so far."""
        above = logits.astype(np.float16) > self._best[t]
        self.object_id[t][above] = number
        self._best[t][above] = logits[above]


def prompt_places(prompt: Prompt, size_px: tuple[int, int], side_px: int) -> F32:
    """[3, 2] corners of the box and point of a prompt, in pixels of the network's square.

    `size_px` is the frame's (width, height). SAM 2 counts pixel centres from 0 and adds the half.
    """
    left, top, right, bottom = prompt.box_px
    places = np.array([(left, top), (right, bottom), prompt.inside_px])
    return (places * side_px / np.array(size_px) - 0.5).astype(np.float32)
