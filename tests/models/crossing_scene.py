"""A rendered clip in which the right answer is known: a blue square passes behind a red disc.

For some frames nothing of the square is seen. Ground and objects carry texture, for optical flow.
"""

from types import SimpleNamespace

import cv2
import numpy as np
import torch
from torch.nn import functional

from camvid.artifacts import U8, U16, Bool, Clip, ObjectMasks, Video

FPS = 24.0
NUM_FRAMES = 28
SIZE = (117, 161)  # height, width: odd, and no square
RED, BLUE = 1, 2  # true ids
MAX_CENTRE_ERROR_PX = 0.25  # of a whole object's centre: a mask one pixel off is 1 px off
MIN_IOU = 0.93  # of the whole object; one pixel off gives 0.90 for the square


def crossing(num_frames: int = NUM_FRAMES) -> tuple[U8, U16]:
    """rgb [T, H, W, 3] and the true ids [T, H, W]."""
    height, width = SIZE
    rng = np.random.default_rng(3)
    ground = _texture(rng, height + 20, width + 80, (40, 90))
    skin = _texture(rng, height, width, (0, 50))
    y, x = np.mgrid[:height, :width]
    rgb = np.empty((num_frames, height, width, 3), np.uint8)
    truth = np.zeros((num_frames, height, width), np.uint16)
    for t in range(num_frames):
        rgb[t] = ground[10 : 10 + height, t : t + width]
        left, centre = 20 + 4 * t, 112 - 2 * t
        square = (np.abs(x - left) <= 9) & (np.abs(y - 62) <= 9)
        disc = (x - centre) ** 2 + (y - 58) ** 2 <= 21**2
        for mask, number, channel, shift in ((square, BLUE, 2, left), (disc, RED, 0, centre)):
            rgb[t][mask] = np.roll(skin, shift, axis=1)[mask]
            rgb[t][mask, channel] += 190
            truth[t][mask] = number
    return rgb, truth


def _texture(rng: np.random.Generator, height: int, width: int, levels: tuple[int, int]) -> U8:
    coarse = rng.integers(*levels, (height // 5 + 1, width // 5 + 1, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, *levels).astype(np.uint8)


def clip_of(rgb: U8, fps: float = FPS) -> Clip:
    num_frames, height_px, width_px = rgb.shape[:3]
    duration_s = num_frames / fps
    video = Video(
        video_id="v",
        uri="v.mp4",
        sha256="0",
        width_px=width_px,
        height_px=height_px,
        fps=fps,
        num_frames=num_frames,
        duration_s=duration_s,
    )
    return Clip(
        clip_id="c",
        video=video,
        start_s=0.0,
        end_s=duration_s,
        timestamps_s=np.arange(num_frames) / fps,
        source_frame_index=np.arange(num_frames, dtype=np.int32),
        width_px=width_px,
        height_px=height_px,
        crop_px=(0, 0, width_px, height_px),
    )


def ids_are_true(object_id: U16, truth: U16) -> bool:
    """Whether each true object has one id of its own, in every frame and to the pixel."""
    return all(_is_true(object_id, truth == number) for number in (RED, BLUE))


def _is_true(object_id: U16, true: Bool) -> bool:
    counts = np.bincount(object_id[true], minlength=2)
    mask = object_id == 1 + counts[1:].argmax()
    area = true.sum(axis=(1, 2))
    whole = area == area.max()
    pairs = zip(mask[whole], true[whole], strict=True)
    return bool(
        (mask & true).sum() >= MIN_IOU * (mask | true).sum()
        and all(
            a.any() and np.abs(_centre(a) - _centre(b)).max() <= MAX_CENTRE_ERROR_PX
            for a, b in pairs
        )
    )


def _centre(mask: Bool) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)


def wrong_versions(masks: ObjectMasks) -> dict[str, U16]:
    """The same ids with the mistakes that conventions invite."""
    ids = masks.object_id
    size = (ids.shape[2], ids.shape[1])
    swapped = [
        cv2.resize(x.T.astype(np.float32), size, interpolation=cv2.INTER_NEAREST) for x in ids
    ]
    return {
        "one pixel right": np.roll(ids, 1, axis=2),
        "one pixel down": np.roll(ids, 1, axis=1),
        "one frame late": np.roll(ids, 1, axis=0),
        "x and y swapped": np.stack(swapped).astype(np.uint16),
        "a new id when it comes back": np.where(
            (ids == ids[0, 62, 20]) & (np.arange(len(ids)) > len(ids) // 2)[:, None, None],
            ids.max() + 1,
            ids,
        ),
    }


class ColourNetwork:
    """Stands for a network that knows its classes: red things are persons, blue ones cars.

    Takes what the backend shows its network and answers as that would, a quarter as large.
    """

    dtype = torch.float32

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def __call__(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        r, g, b = (pixel_values * std + mean).unbind(dim=1)
        red, blue = r - torch.maximum(g, b), b - torch.maximum(r, g)
        masks = torch.stack([red - 0.37, blue - 0.37, 0.37 - torch.maximum(red, blue)], dim=1)
        masks = 100 * functional.avg_pool2d(masks, 4)
        classes = torch.full((len(masks), 3, 4), -9.0)
        classes[:, range(3), range(3)] = 9.0  # person, car, wall
        if self._answer == "mask2former":
            return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)
        return SimpleNamespace(logits=classes[..., :3], pred_masks=masks)
