"""Cameras of what stands still, from tracks of which some lie on movers.

Masks are greedy: a crate is masked because it might move, and where walls are bare such things are
all there is to see. So tracks on masked objects are held against the cameras too, and those of
objects that agree for the whole clip help to find them. And a mover that no mask covers, so large
that it captures the camera, still leaves the image's border to the background.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from camvid.artifacts import I32, Bool, PointTracks
from camvid.sfm.acceptance import LIMITS, held_out_error_px
from camvid.sfm.adjustment import (
    MAX_KEYFRAME_OBSERVATIONS,
    Structure,
    let_zoom,
    solve_all_frames,
)
from camvid.sfm.border_inliers import Agreement, find_agreement, on_border
from camvid.sfm.camera_motion import GRID, MIN_NOISE_PX
from camvid.sfm.cameras import Cameras
from camvid.sfm.lens import USUAL_LENS, LensPrior
from camvid.sfm.observations import Observations, cells_of, observations_of, thinned
from camvid.sfm.starts import best_start
from camvid.tracking.tracks import MIN_OBSERVATIONS, join_tracks, tracks_of

_HELD_OUT_EVERY = 10  # one track in so many is kept from the solver, to test it
# Off the masks, in the median frame; where both are less, objects are asked with them. A trade-off:
# objects may move, but where walls are bare there is little else to see.
_ENOUGH_TRACKS = 200.0  # alive
_ENOUGH_COVER = 0.6  # share of the image's cells that they are in
_ENOUGH_STATIC_TRACKS = 60.0  # on background and static objects, to ask no others
_MAX_STILL_SIGMAS = 3.0  # a still track's misfit, over that of the background's
_MIN_STILL_SHARE = 0.8  # of an object's observations that must be of such tracks
_MIN_OBJECT_TRACKS = 8  # of an object: with fewer, that share may be chance
_MIN_BACKGROUND_TRACKS = 20  # to say whether cameras are those of the background
_MIN_BACKGROUND_SHARE = 0.7  # of those that must agree
_MIN_STILL_OBJECTS = 3  # that must agree where the background says nothing
_MAX_ROUNDS = 4  # of asking those objects that agreed with the cameras before
_MAX_ZOOM_ERROR_RATIO = 0.95  # of the error that tests have if the lens may zoom
# Of the tracks: where fewer agree, the border of the image is asked; and of the border itself.
_SURE_AGREEMENT = 0.9


class Solution(NamedTuple):
    """Cameras, and the tracks of what is static that they come from and are tested by."""

    tracks: PointTracks
    cameras: Cameras
    structure: Structure
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
    tracks: PointTracks, assumed_static: Collection[int], size_px: tuple[int, int]
) -> PointTracks:
    """Those off the masks; where they are too few, also those on `assumed_static`, or all."""
    off = tracks.object_id == 0
    background = tracks_of(tracks, off)
    background_known = off.sum() >= _MIN_BACKGROUND_TRACKS
    num_objects = len(np.unique(tracks.object_id[~off]))
    if not is_thin(background, size_px):
        return background
    if not background_known and num_objects < _MIN_STILL_OBJECTS:
        return background  # a single mover would pass for the world
    quiet = tracks_of(tracks, off | np.isin(tracks.object_id, list(assumed_static)))
    return quiet if num_alive(quiet) >= _ENOUGH_STATIC_TRACKS else tracks


def held_out(tracks: PointTracks) -> Bool:
    """Tracks [N] that are kept from the solver, to test what it finds."""
    return np.arange(tracks.visible.shape[1]) % _HELD_OUT_EVERY == 0


def solve_background(
    tracks: PointTracks,
    assumed_static: Collection[int],
    keyframes: I32,
    size_px: tuple[int, int],
    lens: LensPrior = USUAL_LENS,
) -> Solution | None:
    """Cameras of the static scene from tracks on and off the objects; None: no way.

    `assumed_static` are the objects that nothing was seen to move in: they are asked first.
    """
    search = _Search(tracks, keyframes, size_px, lens)
    start = search.from_objects(assumed_static) if search.is_thin else None
    start = start or search.from_unmasked()
    if start is None:
        return None
    cameras, structure = _with_all_frames(start, size_px, lens)
    agreement = find_agreement(cameras, start.validation, size_px)
    return Solution(start.tracks, cameras, structure, agreement.border_share)


class _Start(NamedTuple):
    """Cameras of the keyframes."""

    tracks: PointTracks  # of what is static
    validation: PointTracks  # that, and all else that no object holds
    cameras: Cameras


class _Search:
    """Which of the tracks lie on the background? Keyframes tell."""

    def __init__(
        self, tracks: PointTracks, keyframes: I32, size_px: tuple[int, int], lens: LensPrior
    ) -> None:
        self._tracks, self._keyframes = tracks, keyframes
        self._size_px, self._lens = size_px, lens
        self._off = tracks.object_id == 0

    @property
    def is_thin(self) -> bool:
        return is_thin(tracks_of(self._tracks, self._off), self._size_px)

    def from_objects(self, assumed_static: Collection[int]) -> _Start | None:
        """From the background and objects, those taken for static first, then all."""
        every = np.unique(self._tracks.object_id[~self._off]).tolist()
        for objects in dict.fromkeys((tuple(assumed_static), tuple(every))):
            start = self._with_objects(objects)
            if start is not None:
                return start
        return None

    def from_unmasked(self) -> _Start | None:
        """From what lies on no object; objects that agree with those cameras join them.

        Where tracks do not agree, those of the background count: cameras that explain nearly all
        of the image's border say what else belongs to it.
        """
        kept = background = tracks_of(self._tracks, self._off)
        cameras = self._solve(background)
        agreement = cameras and self._agreement(cameras, background)
        if not agreement or agreement.share() < _SURE_AGREEMENT:
            around = on_border(background, self._size_px)
            other = None if around.all() else self._behind(background, around)
            if other is not None:
                share = self._agreement(other.cameras, background).border_share
                if not agreement or share > agreement.border_share:
                    kept, cameras = other.tracks, other.cameras
        if cameras is None:
            return None
        still = self._still_objects(self._agreement(cameras, self._tracks))
        on_still = tracks_of(self._tracks, np.isin(self._tracks.object_id, still) & ~self._off)
        kept, validation = join_tracks(kept, on_still), join_tracks(background, on_still)
        return _Start(kept, validation, cameras)

    def _behind(self, tracks: PointTracks, around: Bool) -> _Start | None:
        """From the tracks that cameras of the border explain, if they explain the border itself."""
        at_border = self._solve(tracks_of(tracks, around))
        agreement = at_border and self._agreement(at_border, tracks)
        if not agreement or agreement.border_share < _SURE_AGREEMENT:
            return None
        behind = tracks_of(tracks, agreement.agrees)
        cameras = self._solve(behind)
        return cameras and _Start(behind, tracks, cameras)

    def _with_objects(self, objects: Collection[int]) -> _Start | None:
        """From the background and some objects, till just those that agree are asked."""
        for _ in range(_MAX_ROUNDS):
            on_objects = np.isin(self._tracks.object_id, list(objects))
            kept = tracks_of(self._tracks, self._off | on_objects)
            cameras = self._solve(kept)
            if cameras is None:
                return None
            if cameras.registered[self._keyframes].mean() < LIMITS.min_registered_fraction:
                return None
            agreement = self._agreement(cameras, self._tracks)
            still = self._still_objects(agreement)
            if not self._is_background(agreement, still):
                return None
            if set(still) == set(objects):
                return _Start(kept, kept, cameras)
            objects = still
        return None  # they go round in circles

    def _solve(self, tracks: PointTracks) -> Cameras | None:
        """Cameras of the keyframes, by the best of several ways; None: no way."""
        tests = held_out(tracks)
        used, unused = observations_of(tracks, ~tests), observations_of(tracks, tests)
        num_frames = len(tracks.visible)
        return best_start(used, unused, self._keyframes, num_frames, self._size_px, self._lens)

    def _agreement(self, cameras: Cameras, tracks: PointTracks) -> Agreement:
        return find_agreement(cameras, tracks, self._size_px)

    def _is_background(self, agreement: Agreement, still: Collection[int]) -> bool:
        """Whether the background's tracks agree or, if they are few, enough objects."""
        if np.count_nonzero(self._off) >= _MIN_BACKGROUND_TRACKS:
            return agreement.share(self._off) >= _MIN_BACKGROUND_SHARE
        return len(still) >= _MIN_STILL_OBJECTS

    def _still_objects(self, agreement: Agreement) -> list[int]:
        """Ids of the objects whose tracks fit the cameras as well as the background's do."""
        off, object_id = self._off, self._tracks.object_id
        fitting = agreement.misfit_px[off & agreement.agrees]
        noise_px = float(np.median(fitting)) if len(fitting) else 0.0
        limit_px = _MAX_STILL_SIGMAS * max(noise_px, MIN_NOISE_PX)
        length = self._tracks.visible[self._keyframes].sum(axis=0)
        still: list[int] = []
        for label in np.unique(object_id[~off]):
            own = object_id == label
            fits = own & (agreement.misfit_px <= limit_px)
            share = float(length[fits].sum() / max(length[own].sum(), 1))
            if own.sum() >= _MIN_OBJECT_TRACKS and share >= _MIN_STILL_SHARE:
                still.append(int(label))
        return still


def _with_all_frames(
    start: _Start, size_px: tuple[int, int], lens: LensPrior
) -> tuple[Cameras, Structure]:
    """The frames between the keyframes too, all adjusted together.

    With a lens that zooms, where tracks that took no part say that it does.
    """
    is_test = held_out(start.tracks)
    used, tests = (observations_of(start.tracks, use) for use in (~is_test, is_test))
    found = solve_all_frames(start.cameras, used, size_px, lens)
    # A quick look first, at the keyframes: lenses seldom zoom.
    keyed = found[0].at(start.cameras.registered)
    at_keyframes, few_tests = (seen.where(keyed.registered[seen.frame]) for seen in (used, tests))
    few = thinned(at_keyframes, size_px, MAX_KEYFRAME_OBSERVATIONS)
    few_tests = few_tests.lasting(MIN_OBSERVATIONS)
    if _zooming(keyed, few, few_tests, size_px, lens, num_rounds=1) is None:
        return found
    return _zooming(found[0], used, tests, size_px, lens, num_rounds=2) or found


def _zooming(
    cameras: Cameras,
    used: Observations,
    tests: Observations,
    size_px: tuple[int, int],
    lens: LensPrior,
    *,
    num_rounds: int,
) -> tuple[Cameras, Structure] | None:
    """The same with a lens that zooms; None where that predicts the `tests` hardly better."""
    limit_px = _MAX_ZOOM_ERROR_RATIO * held_out_error_px(cameras, tests)
    found = let_zoom(cameras, used, size_px, lens, num_rounds=num_rounds)
    return found if held_out_error_px(found[0], tests) <= limit_px else None
