"""One sentence of what the camera does and of what moves, made of labels alone."""

from collections import Counter
from collections.abc import Sequence

from camvid.camerawork.movers import Mover, Way
from camvid.camerawork.moves import CameraWork, Move, MoveSegment
from camvid.columns import counted
from camvid.objects import Origin

_SMALL, _LARGE = 0.02, 0.15  # share of the image
_MAX_NAMED = 3  # movers, or groups that do the same; more are counted

_VERBS = {
    "dolly": "dollies",
    "truck": "trucks",
    "pedestal": "pedestals",
    "pan": "pans",
    "tilt": "tilts",
    "roll": "rolls",
    "zoom": "zooms",
    "arc": "arcs",
}
_TRAVELS = ("dolly", "truck", "pedestal")


def label_caption(work: CameraWork, movers: Sequence[Mover]) -> str | None:
    """The sentence; None where neither cameras nor movers are known.

    `The camera dollies in by 40 % of the scene's depth, then pans left 20 degrees; a dog moves from
    left to right.`
    """
    said = [part for part in (_camera(work), _objects(movers)) if part]
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else None


def _camera(work: CameraWork) -> str:
    if not work.segments:
        return ""
    name = "the hand-held camera" if work.handheld else "the camera"
    if not any(segment.moves for segment in work.segments):
        return f"{name} stays in its place" if work.handheld else f"{name} is static"
    return f"{name} {', then '.join(_segment(segment) for segment in work.segments)}"


def _segment(segment: MoveSegment) -> str:
    return _listed([_move(move) for move in segment.moves]) or "stands still"


def _move(move: Move) -> str:
    kind, _, way = move.name.partition("_")
    verb = f"{_VERBS[kind]} {way}"
    if kind == "arc":
        verb += " around the scene by"
    if kind in _TRAVELS:
        return f"{verb} by {100 * move.amount:.0f} % of the scene's depth"
    if kind == "zoom":
        return f"{verb} {1 + move.amount:.2g} times"
    return f"{verb} {move.amount:.0f} degrees"


def _objects(movers: Sequence[Mover]) -> str:
    alike: Counter[tuple[str, Way]] = Counter()  # in order, the strongest first
    for mover in movers:
        alike[_thing(mover), mover.way] += 1
    named: list[str] = []
    for k, ((thing, way), num) in enumerate(alike.items()):
        again = any(thing == before for before, _ in list(alike)[:k])
        named.append(_moving(thing, way, num, again=again))
    if more := sum(list(alike.values())[_MAX_NAMED:]):
        named[_MAX_NAMED:] = [f"{more} more {'object moves' if more == 1 else 'objects move'}"]
    return _listed(named)


def _moving(thing: str, way: Way, num: int, *, again: bool) -> str:
    """`again`: others of the same name were told of before."""
    if num == 1:
        said = f"another {thing} moves" if again else f"{_with_article(thing)} moves"
    else:
        said = f"{counted(num, f'other {thing}' if again else thing)} move"
    return f"{said} {way}".rstrip()


def _thing(mover: Mover) -> str:
    """What a network knows it to be, else how large it is."""
    if mover.object.origin is Origin.CLASS and mover.object.label:
        return mover.object.label
    size = "small " if mover.area_fraction < _SMALL else ""
    size = "large " if mover.area_fraction > _LARGE else size
    return f"{size}object"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
