"""The classes that may move, by name: edit the lists here, or set `movable` in the configuration.

The rule is greedy: whatever may move is masked, whether it does or not; which of it did move is
measured later. Names are those of COCO, Cityscapes, ADE20K and Mapillary, in small letters. A label
with several names ("car, auto, automobile") counts if one of them is listed.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from camvid.errors import BackendUnavailable

PEOPLE = (
    *("person", "people", "human", "man", "woman", "child", "boy", "girl", "baby"),
    *("pedestrian", "rider", "bicyclist", "motorcyclist", "other rider"),
)
ANIMALS = (
    *("animal", "ground animal", "bird", "cat", "dog", "horse", "sheep"),
    *("cow", "elephant", "bear", "zebra", "giraffe", "monkey", "fish", "rabbit"),
)
VEHICLES = (
    *("bicycle", "bike", "motorcycle", "motorbike", "minibike", "scooter", "car", "caravan", "van"),
    *("bus", "train", "truck", "trailer", "boat", "ship", "airplane", "aeroplane", "helicopter"),
    *("on rails", "other vehicle", "wheeled slow", "vehicle", "tank", "wheelchair", "stroller"),
)
RIDDEN_OR_THROWN = (
    *("frisbee", "skis", "snowboard", "sports ball", "ball", "kite", "skateboard", "surfboard"),
    *("baseball bat", "baseball glove", "tennis racket"),
)
CARRIED = ("backpack", "umbrella", "handbag", "tie", "suitcase", "bag", "flag")

MOVABLE = (*PEOPLE, *ANIMALS, *VEHICLES, *RIDDEN_OR_THROWN, *CARRIED)


def movable_classes(
    id2label: Mapping[int, str], movable: Collection[str], checkpoint: Path
) -> dict[int, str]:
    """The classes of a checkpoint that may move: their numbers, with the first of their names.

    Raises:
        BackendUnavailable: there are none, so that the checkpoint could never mask anything.
    """
    wanted = {name.casefold().strip() for name in movable}
    found: dict[int, str] = {}
    for number, label in id2label.items():
        names = [name.strip() for name in label.casefold().split(",")]
        if wanted & {*names, label.casefold().strip()}:
            found[int(number)] = names[0]
    if not found:
        some = ", ".join(repr(label) for label in list(id2label.values())[:4])
        raise BackendUnavailable(
            f"one class of {checkpoint} at least must be named in `movable`, but it knows {some},"
            " ...; use a checkpoint with class names, or set `movable` for it"
        )
    return found
