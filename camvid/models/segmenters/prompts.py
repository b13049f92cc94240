"""Where objects that were found roughly are shown to a network that then outlines them."""

from dataclasses import dataclass

import cv2
import numpy as np

from camvid.artifacts import Bool, MaskedObject, ObjectMasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """An object shown in one frame; places are (x, y) in pixels, pixel centres at 0.5."""

    item: MaskedObject
    frame: int
    box_px: tuple[float, float, float, float]  # left, top, right, bottom outermost pixel centres
    inside_px: tuple[float, float]  # the pixel that lies deepest in the object


def prompts_of(masks: ObjectMasks, area_quantile: float) -> list[Prompt]:
    """A prompt per object, in the frame in which it is about as large as in its better frames.

    The largest view of all is often two objects that one mask merged for a moment.
    """
    prompts: list[Prompt] = []
    for item in masks.objects:
        areas = np.count_nonzero(masks.object_id == item.object_id, axis=(1, 2))
        if areas.any():
            wanted = np.quantile(areas[areas > 0], area_quantile)
            frame = int(np.abs(areas - wanted).argmin())
            prompts.append(_prompt(item, frame, masks.object_id[frame] == item.object_id))
    return prompts


def _prompt(item: MaskedObject, frame: int, mask: Bool) -> Prompt:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    ringed = np.pad(mask.astype(np.uint8), 1)  # the image's border is an outline too
    depth = np.asarray(cv2.distanceTransform(ringed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))[
        1:-1, 1:-1
    ]
    y, x = (int(v) for v in np.unravel_index(int(depth.argmax()), depth.shape))
    return Prompt(
        item=item,
        frame=frame,
        box_px=(columns[0] + 0.5, rows[0] + 0.5, columns[-1] + 0.5, rows[-1] + 0.5),
        inside_px=(x + 0.5, y + 0.5),
    )
