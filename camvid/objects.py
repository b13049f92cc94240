"""The objects of a clip, as masks name them: label, score, and which step found each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Origin(StrEnum):
    """What made an object of a region of the image; stages go by this, never by its label."""

    CLASS = "class"  # a network knows its class, which is its label
    SALIENT = "salient"  # it draws the eye, and nothing was seen to move in it
    MOVING = "moving"  # it moves against the background
    SALIENT_MOVING = "salient_moving"  # both
    OVERLAY = "overlay"  # fixed to the image: no part of the scene, nothing is measured on it

    @property
    def is_evidence(self) -> bool:
        """Whether it was drawn by what was seen in it, so that it may be two objects, or a part."""
        return self in (Origin.SALIENT, Origin.MOVING, Origin.SALIENT_MOVING)


@dataclass(frozen=True, slots=True)
class MaskedObject:
    """One object of the clip: an id above 0, a word for people, and how sure the segmenter is."""

    object_id: int
    label: str
    score: float
    origin: Origin = Origin.CLASS

    @classmethod
    def upgraded(cls, value: Any) -> Any:
        """What is stored of an object; versions up to shard schema 1.4 gave its origin by label."""
        if "origin" in value:
            return value
        by_label = {
            "salient": Origin.SALIENT,
            "moving": Origin.MOVING,
            "object": Origin.SALIENT_MOVING,
        }
        kept = {key: item for key, item in value.items() if key != "kind"}
        overlay = value.get("kind") == "overlay"
        origin = Origin.OVERLAY if overlay else by_label.get(value["label"], Origin.CLASS)
        return kept | {"origin": origin}
