"""Cameras of what stands still, from tracks of which some lie on movers.

Masks are greedy: a crate is masked because it might move, and where walls are bare such things are
all there is to see. So tracks on masked objects are held against the cameras too, and those of
objects that stand still, were these the cameras, help to find better ones: cameras and the
posterior of `camvid.rigidity` by turns. And a mover that no mask covers, so large that it captures
the camera, still leaves the image's border to the background.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from camvid.artifacts import I32, Bool, PointTracks
from camvid.rigidity.posterior import EVEN
from camvid.sfm.acceptance import LIMITS, held_out_error_px
from camvid.sfm.adjustment import Structure, let_zoom, solve_all_frames
from camvid.sfm.border_inliers import Agreement, find_agreement, on_border
from camvid.sfm.camera_motion import GRID
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.mapping import Cameras
from camvid.sfm.observations import Observations, cells_of, observations_of, thinned
from camvid.sfm.starts import best_start
from camvid.tracking.tracks import MIN_SIGHTINGS, tracks_of

_HELD_OUT_EVERY = 10  # one track in so many is kept from the solver, to test it
# Off the masks, alive in the median frame, and the share of the image's cells that they are
# in; where both are less, objects are asked with them.
_ENOUGH_TRACKS = 200.0
_ENOUGH_COVER = 0.6
_ENOUGH_STATIC_TRACKS = 60.0  # on background and static objects, to ask no others
_LIKELY_STATIC = 0.25  # P(moves), below which an object is asked before others
_MIN_OBJECT_TRACKS = 8
_MIN_BACKGROUND_TRACKS = 20  # to say whether cameras are those of the background
_MIN_BACKGROUND_SHARE = 0.7  # of those that must agree
_MIN_STATIC_OBJECTS = 3  # that must agree where the background says nothing
_MAX_ROUNDS = 4  # of asking those objects that agreed with the cameras before
_MAX_ZOOM_ERROR_RATIO = 0.95  # of the error that tests have if the lens may zoom
_ZOOM_PROBE_OBSERVATIONS = 8_000
_SURE_AGREEMENT = 0.9  # of the tracks; where fewer agree, the image's border is asked


class Solution(NamedTuple):
    """Cameras, and the tracks of what is static that they come from and are tested by."""

    static: Bool  # [N]
    cameras: Cameras
    structure: Structure
    held_out: Observations  # of those static tracks that had no part in the cameras
    border_share: float  # of the image's border that the cameras explain


def num_alive(tracks: PointTracks) -> float:
    """Tracks seen in the median frame."""
    return float(np.median(tracks.visible.sum(axis=1)))


def cover(tracks: PointTracks, size_px: tuple[int, int]) -> float:
    """Share of the image's cells that tracks are seen in, in the median frame."""
    cell = cells_of(tracks.xy_px, size_px, GRID)
    counts = [len(np.unique(c[seen])) for c, seen in zip(cell, tracks.visible, strict=True)]
    return float(np.median(counts)) / (GRID[0] * GRID[1])


def is_thin(tracks: PointTracks, size_px: tuple[int, int]) -> bool:
    """Whether the tracks show so little of the image that they may mislead."""
    few = num_alive(tracks) < _ENOUGH_TRACKS
    return few and cover(tracks, size_px) < _ENOUGH_COVER


def informative_tracks(
    tracks: PointTracks, priors: Mapping[int, float], size_px: tuple[int, int]
) -> PointTracks:
    """Those off the masks; where they are too few, also those on what hardly moves, or all.

    `priors` are P(moves) of the objects that tracks may lie on, by id.
    """
    off = tracks.object_id == 0
    background = tracks_of(tracks, off)
    background_known = off.sum() >= _MIN_BACKGROUND_TRACKS
    num_objects = len(np.unique(tracks.object_id[~off]))
    if not is_thin(background, size_px):
        return background
    if not background_known and num_objects < _MIN_STATIC_OBJECTS:
        return background  # a single mover would pass for the world
    quiet = tracks_of(tracks, off | np.isin(tracks.object_id, _likely_static(priors)))
    return quiet if num_alive(quiet) >= _ENOUGH_STATIC_TRACKS else tracks


def _likely_static(priors: Mapping[int, float]) -> list[int]:
    return [label for label, moves in priors.items() if label and moves < _LIKELY_STATIC]


def split_observations(tracks: PointTracks, among: Bool) -> tuple[Observations, Observations]:
    """Sightings of tracks `among` [N]: for the solver, and of those kept to test its cameras."""
    tests = np.arange(len(among)) % _HELD_OUT_EVERY == 0
    return observations_of(tracks, among & ~tests), observations_of(tracks, among & tests)


def solve_background(
    tracks: PointTracks,
    priors: Mapping[int, float],
    keyframes: I32,
    size_px: tuple[int, int],
    fps: float,
    lens: LensPrior = USUAL_LENS,
) -> Solution | None:
    """Cameras of the static scene from tracks on and off the objects; None: no way.

    `priors` are P(moves) of the objects that tracks may lie on, by id.
    """
    search = _Search(tracks, priors, keyframes, size_px, fps, lens)
    start = (search.from_objects() if search.is_thin else None) or search.from_unmasked()
    if start is None:
        return None
    seen, unseen = split_observations(tracks, start.used)
    cameras, structure = _with_all_frames(seen, unseen, start.cameras, size_px, lens)
    return Solution(start.used, cameras, structure, unseen, search.border_share(start))


class _Start(NamedTuple):
    """Cameras of the keyframes, and the tracks [N] that they come from."""

    used: Bool
    cameras: Cameras
    agreement: Agreement


class _Search:
    """Which of the tracks lie on the background? Keyframes tell."""

    def __init__(
        self,
        tracks: PointTracks,
        priors: Mapping[int, float],
        keyframes: I32,
        size_px: tuple[int, int],
        fps: float,
        lens: LensPrior,
    ) -> None:
        self._tracks, self._priors, self._keyframes = tracks, priors, keyframes
        self._size_px, self._fps, self._lens = size_px, fps, lens
        self._off = tracks.object_id == 0

    @property
    def is_thin(self) -> bool:
        return is_thin(tracks_of(self._tracks, self._off), self._size_px)

    def from_objects(self) -> _Start | None:
        """From the background and objects, those likely to be static first, then all."""
        every = np.unique(self._tracks.object_id[~self._off]).tolist()
        for objects in dict.fromkeys((tuple(_likely_static(self._priors)), tuple(every))):
            start = self._with_objects(objects)
            if start is not None:
                return start
        return None

    def from_unmasked(self) -> _Start | None:
        """From what lies on no object; objects that agree with those cameras join them.

        Where tracks do not agree, those of the background count: cameras that explain nearly all
        of the image's border say what else belongs to it.
        """
        start = self._start_from(self._off)
        if start is None or start.agreement.share(self._off) < _SURE_AGREEMENT:
            behind = self._behind()
            if behind and (start is None or self.border_share(behind) > self.border_share(start)):
                start = behind
        if start is None:
            return None
        return start._replace(used=start.used | self._on(self._static_objects(start.agreement)))

    def border_share(self, start: _Start) -> float:
        """Of the image's border, what the cameras explain of all that should be static."""
        static = self._off | start.used
        return start.agreement.border_share(start.cameras, self._tracks, static, self._size_px)

    def _behind(self) -> _Start | None:
        """From the tracks that cameras of the border explain, if they explain the border itself."""
        around = self._off & on_border(self._tracks, self._size_px)
        at_border = None if (around == self._off).all() else self._start_from(around)
        if at_border is None or self.border_share(at_border) < _SURE_AGREEMENT:
            return None
        return self._start_from(self._off & at_border.agreement.agrees)

    def _with_objects(self, objects: Collection[int]) -> _Start | None:
        """From the background and some objects, till just those that agree are asked."""
        for _ in range(_MAX_ROUNDS):
            start = self._start_from(self._off | self._on(objects))
            if start is None:
                return None
            if start.cameras.registered[self._keyframes].mean() < LIMITS.min_registered_fraction:
                return None
            static = self._static_objects(start.agreement)
            if not self._is_background(start.agreement, static):
                return None
            if set(static) == set(objects):
                return start
            objects = static
        return None  # they go round in circles

    def _start_from(self, used: Bool) -> _Start | None:
        """Cameras of the keyframes, by the best of several ways; None: no way."""
        seen, unseen = split_observations(self._tracks, used)
        num_frames = len(self._tracks.visible)
        cameras = best_start(seen, unseen, self._keyframes, num_frames, self._size_px, self._lens)
        if cameras is None:
            return None
        given = self._priors, self._size_px, self._fps
        return _Start(used, cameras, find_agreement(cameras, self._tracks, *given, used))

    def _on(self, objects: Collection[int]) -> Bool:
        return np.isin(self._tracks.object_id, list(objects)) & ~self._off

    def _is_background(self, agreement: Agreement, static: Collection[int]) -> bool:
        """Whether the background's tracks agree or, if they are few, enough objects."""
        if np.count_nonzero(self._off) >= _MIN_BACKGROUND_TRACKS:
            return agreement.share(self._off) >= _MIN_BACKGROUND_SHARE
        return len(static) >= _MIN_STATIC_OBJECTS

    def _static_objects(self, agreement: Agreement) -> list[int]:
        """Ids of the objects that are likelier to stand still, by tracks enough."""
        return [
            label
            for label, found in agreement.objects.items()
            if label and found.num_tracks >= _MIN_OBJECT_TRACKS and found.moves < EVEN
        ]


def _with_all_frames(
    used: Observations,
    unused: Observations,
    keyed: Cameras,
    size_px: tuple[int, int],
    lens: LensPrior,
) -> tuple[Cameras, Structure]:
    """The frames between the keyframes too, all adjusted together.

    With a lens that zooms, where tracks that took no part say that it does.
    """
    found = solve_all_frames(keyed, used, size_px, lens)

    def zooming(
        cameras: Cameras, used: Observations, unused: Observations, num_rounds: int
    ) -> tuple[Cameras, Structure] | None:
        limit_px = _MAX_ZOOM_ERROR_RATIO * held_out_error_px(cameras, unused)
        found = let_zoom(cameras, used, size_px, lens, num_rounds=num_rounds)
        return found if held_out_error_px(found[0], unused) <= limit_px else None

    # A quick look first, at the keyframes: lenses seldom zoom.
    keyed = found[0].at(keyed.registered)
    few, tests = (seen.where(keyed.registered[seen.frame]) for seen in (used, unused))
    few = thinned(few, size_px, _ZOOM_PROBE_OBSERVATIONS)
    if zooming(keyed, few, tests.lasting(MIN_SIGHTINGS), num_rounds=1) is None:
        return found
    return zooming(found[0], used, unused, num_rounds=2) or found
