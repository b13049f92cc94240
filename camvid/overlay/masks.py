"""Adds the overlay to a clip's masks as an object of its own origin, and removes it again."""

from dataclasses import replace

import numpy as np

from camvid.artifacts import Bool, MaskedObject, ObjectMasks
from camvid.objects import Origin


def overlay_of(masks: ObjectMasks) -> Bool:
    """[T, H, W] what is fixed to the image."""
    ids = [o.object_id for o in masks.objects if o.origin is Origin.OVERLAY]
    if not ids:
        return np.broadcast_to(np.bool_(False), masks.object_id.shape)
    return np.asarray(np.isin(masks.object_id, ids), np.bool_)


def with_overlay(masks: ObjectMasks, overlay: Bool) -> ObjectMasks:
    """The masks off the overlay [H, W], which becomes an object; what it hides is gone."""
    if not overlay.any():
        return masks
    new = max((o.object_id for o in masks.objects), default=0) + 1
    object_id = np.where(overlay, np.uint16(new), masks.object_id)
    seen = np.bincount(object_id.ravel(), minlength=new + 1)
    left = tuple(o for o in masks.objects if seen[o.object_id])
    item = MaskedObject(new, "overlay", 1.0, Origin.OVERLAY)
    return replace(masks, object_id=object_id, objects=(*left, item))


def without_overlay(masks: ObjectMasks) -> ObjectMasks:
    """The masks of the scene alone."""
    scene = tuple(o for o in masks.objects if o.origin is not Origin.OVERLAY)
    if len(scene) == len(masks.objects):
        return masks
    object_id = np.where(overlay_of(masks), np.uint16(0), masks.object_id)
    return replace(masks, object_id=object_id, objects=scene)
