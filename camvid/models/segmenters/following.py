"""Objects followed through the masks of single frames.

Each object is expected where the flow carries its last mask or, once lost, where its own motion
leads. The masks of a frame are given out to the objects so that, all told, they overlap most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from camvid.artifacts import F32, F64, Bool
from camvid.models.segmenters.instances import Instance, shrunk
from camvid.models.segmenters.options import LinkOptions
from camvid.segmentation.flow import F16, ClipFlow, pixel_grid, warp

_WHOLE = 0.9  # share of its last whole area from which on an object counts as whole again
_MAX_AGE = 12  # frames after which what is seen of an object is all there is of it
_SLACK = 0.1  # of the way that it went since: how far off it may be from where it is expected
_RECENT = 6  # steps over which an object's velocity is taken
_LOST = 0.5  # weight of an object that comes back, against one that was never out of sight


@dataclass(slots=True, kw_only=True, eq=False)
class Life:
    """One object: its instance in each frame that shows it."""

    at: dict[int, Instance]

    def label(self) -> str:
        """The word given most often, weighted by the scores."""
        votes: dict[str, float] = {}
        for _, seen in sorted(self.at.items()):
            votes[seen.label] = votes.get(seen.label, 0.0) + seen.score
        return max(votes, key=lambda word: votes[word])

    def score(self) -> float:
        return float(np.mean([seen.score for _, seen in sorted(self.at.items())]))


@dataclass(slots=True, kw_only=True, eq=False)
class _Trail:
    """Where a walk along the clip last saw an object, and how it moved lately."""

    life: Life
    label: str  # given most often so far
    expected: Bool  # [h, w] its last mask, carried along the flow to the frame that is looked at
    last: int  # frame in which it was seen
    whole: Bool  # [h, w] in the frame `whole_at`: the last that was not half hidden
    whole_at: int
    steps: list[F64] = field(default_factory=list[F64])  # (x, y) per frame, while whole

    def see(self, t: int, instance: Instance, mask: Bool) -> None:
        """Goes on with an instance of frame t."""
        age = abs(t - self.whole_at)
        if mask.any() and (mask.sum() >= _WHOLE * self.whole.sum() or age > _MAX_AGE):
            if age == 1 and self.whole.any():
                self.steps.append(_centre(mask) - _centre(self.whole))
            self.whole, self.whole_at = mask, t
        self.life.at[t] = instance
        self.label, self.expected, self.last = self.life.label(), mask, t

    def led_by_motion(self, t: int) -> Bool:
        """The whole mask where the object's own velocity takes it in frame t, give or take."""
        if not self.steps:
            return self.whole
        x, y = np.median(np.stack(self.steps[-_RECENT:]), axis=0) * abs(t - self.whole_at)
        image = self.whole.astype(np.uint8)
        move = np.array([[1, 0, x], [0, 1, y]], np.float32)
        size = (image.shape[1], image.shape[0])
        moved = cv2.warpAffine(image, move, size, flags=cv2.INTER_NEAREST)
        slack = 1 + 2 * round(_SLACK * float(np.hypot(x, y)))
        return np.asarray(cv2.dilate(moved, np.ones((slack, slack), np.uint8)), np.bool_)


def _centre(mask: Bool) -> F64:
    """(x, y) of the middle of a mask."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


class Follower:
    """Walks along a clip, both ways, and gives the instances of each frame to objects."""

    def __init__(
        self,
        found: Sequence[Sequence[Instance]],
        flow: ClipFlow,
        size_px: tuple[int, int],
        fps: float,
        options: LinkOptions,
    ) -> None:
        """`size_px` is (width, height) of the frames that the instances were found in."""
        self._found, self._flow, self._options = found, flow, options
        self._size_px = size_px
        self._max_gap = max(1, round(options.max_gap_s * fps))
        self._grid = pixel_grid(flow.width_px, flow.height_px)
        self._given: set[int] = set()  # id() of the instances that belong to a life

    def lives(self) -> list[Life]:
        """All objects: they begin and go on forwards in time, then backwards from their begin.

        The way back finds what could not begin an object but may well have been one.
        """
        trails: list[_Trail] = []
        for t in range(len(self._found)):
            left = self._go_on(t, trails, self._flow.backward[t])
            trails += self._begin(t, left)
        lives = [trail.life for trail in trails]
        starts = [min(life.at) for life in lives]
        trails = []
        for t in range(len(self._found) - 1, -1, -1):
            self._go_on(t, trails, self._flow.forward[t])
            trails += [
                _trail(life, t, self._small(life.at[t]))
                for life, start in zip(lives, starts, strict=True)
                if start == t
            ]
        return lives

    def _go_on(
        self, t: int, trails: list[_Trail], way_back: F16 | None
    ) -> list[tuple[Instance, Bool]]:
        """Continues objects with the free instances of frame t; returns those that are left.

        `way_back` is the flow from frame t to the one walked before.
        """
        free = [(i, self._small(i)) for i in self._found[t] if id(i) not in self._given]
        known = [trail for trail in trails if abs(t - trail.last) <= self._max_gap]
        if way_back is not None:
            for trail in known:
                image = trail.expected.astype(np.uint8) * 255
                trail.expected = warp(image, way_back, self._grid) >= 128
        if not free or not known:
            return free
        affinity = np.stack([self._affinity(trail, t, free) for trail in known])
        pairs = zip(*linear_sum_assignment(-affinity), strict=True)
        taken = self._taken(t)
        for k, n in sorted(pairs, key=lambda pair: -affinity[pair]):
            instance, mask = free[n]
            if affinity[k, n] > 0 and not self._covered(mask, taken):
                known[k].see(t, instance, mask)
                self._given.add(id(instance))
                taken |= mask
        return [(i, mask) for i, mask in free if id(i) not in self._given]

    def _affinity(self, trail: _Trail, t: int, free: list[tuple[Instance, Bool]]) -> F32:
        """[N] how well each free instance of frame t continues the object; 0: not at all.

        What was just seen must overlap with where the flow takes it. What was lost may come back
        as a sliver of what is expected where its own motion leads.
        """
        options = self._options
        masks = np.stack([mask for _, mask in free])
        new = np.array([instance.begins for instance, _ in free])
        alike = np.array([instance.label == trail.label for instance, _ in free])
        trust = np.where(alike, 1, options.other_label)
        led = _Overlap(trail.led_by_motion(t), masks)
        near = trust * np.maximum(_Overlap(trail.expected, masks).iou, led.iou * new)
        back = trust * led.share * new
        seen = 1 if abs(t - trail.last) == 1 else _LOST
        return np.maximum(
            np.where(near >= options.min_overlap, seen * near, 0),
            np.where(back >= options.min_comeback, _LOST * back, 0),
        ).astype(np.float32)

    def _begin(self, t: int, left: list[tuple[Instance, Bool]]) -> list[_Trail]:
        """New objects of frame t, the surest first, where no other object is already."""
        taken = self._taken(t)
        begun: list[_Trail] = []
        for instance, mask in sorted(left, key=lambda pair: -pair[0].score):
            if instance.begins and not self._covered(mask, taken):
                begun.append(_trail(Life(at={t: instance}), t, mask))
                self._given.add(id(instance))
                taken |= mask
        return begun

    def _taken(self, t: int) -> Bool:
        """[h, w] where frame t shows an object that is known."""
        nothing = np.zeros((self._flow.height_px, self._flow.width_px), np.bool_)
        given = (self._small(i) for i in self._found[t] if id(i) in self._given)
        return np.logical_or.reduce([nothing, *given])

    def _covered(self, mask: Bool, taken: Bool) -> bool:
        """Whether a mask is but another view, or a part, of what is taken."""
        return bool((mask & taken).sum() > self._options.max_covered * mask.sum())

    def _small(self, instance: Instance) -> Bool:
        return shrunk(instance, self._size_px, (self._flow.width_px, self._flow.height_px))


def _trail(life: Life, t: int, mask: Bool) -> _Trail:
    return _Trail(life=life, label=life.label(), expected=mask, last=t, whole=mask, whole_at=t)


class _Overlap:
    """How much one mask [h, w] shares with each of N masks [N, h, w], all made a little fatter.

    Spokes and limbs would else miss each other by a pixel.
    """

    def __init__(self, mask: Bool, masks: Bool) -> None:
        mask, masks = _fat(mask), np.stack([_fat(other) for other in masks])
        both = (masks & mask).sum(axis=(1, 2))
        areas, area = masks.sum(axis=(1, 2)), mask.sum()
        self.iou: F64 = both / np.maximum(areas + area - both, 1)
        self.share: F64 = both / np.maximum(np.minimum(areas, area), 1)  # of the smaller mask


def _fat(mask: Bool) -> Bool:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)), np.bool_)
