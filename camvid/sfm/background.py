"""Cameras of what stands still, from tracks of which some lie on movers.

Masks are greedy: a crate is masked because it might move, and where walls are bare such things are
all there is to see. So tracks on masked objects are held against the cameras too, and those of
objects that agree for the whole clip help to find them. And a mover that no mask covers, so large
that it captures the camera, still leaves the picture's rim to the background.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from camvid.artifacts import I32, Bool, PointTracks
from camvid.sfm.acceptance import held_out_error_px
from camvid.sfm.adjustment import AdjustmentOptions, Structure, let_zoom, solve_all_frames
from camvid.sfm.dominance import Agreement, find_agreement, on_rim
from camvid.sfm.mapping import Cameras, MappingOptions
from camvid.sfm.observations import join_tracks, observations_of, thinned, tracks_of
from camvid.sfm.starts import StartOptions, best_start

_GRID = 6  # cells per side by which the cover of tracks is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundOptions:
    """When tracks off the masks suffice, and when those on an object count as background."""

    held_out_every: int = 10  # one track in so many is kept from the solver, to test it
    # Off the masks, alive in the median frame, and the share of the picture's cells that they are
    # in; where both are less, objects are asked with them.
    enough_tracks: float = 200.0
    enough_cover: float = 0.6
    enough_calm_tracks: float = 60.0  # on the background and on calm objects, to ask no others
    max_still_sigmas: float = 3.0  # a still track's misfit, over that of the background's
    min_still_noise_px: float = 0.1
    min_still_share: float = 0.8  # of an object's sightings that must be of such tracks
    min_object_tracks: int = 8
    min_background_tracks: int = 20  # to be heard on whether cameras are those of the background
    min_background_share: float = 0.7  # of those that must agree
    min_still_objects: int = 3  # that must agree where the background is not heard
    min_registered_fraction: float = 0.8  # of the frames: else other objects are asked
    max_rounds: int = 4  # of asking those objects that agreed with the cameras before
    max_zoom_error_ratio: float = 0.95  # of the error that tests have if the lens may zoom
    zoom_probe_observations: int = 8_000
    sure_agreement: float = 0.9  # of the tracks; where fewer agree, the picture's rim is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How cameras are found from given tracks."""

    mapping: MappingOptions = field(default_factory=MappingOptions)
    starts: StartOptions = field(default_factory=StartOptions)
    adjustment: AdjustmentOptions = field(default_factory=AdjustmentOptions)
    background: BackgroundOptions = field(default_factory=BackgroundOptions)


class Solution(NamedTuple):
    """Cameras, and the tracks of what is static that they come from and are tested by."""

    tracks: PointTracks
    cameras: Cameras
    structure: Structure
    agreement: Agreement  # of the tracks


def off_masks(tracks: PointTracks) -> PointTracks:
    """The tracks that lie on no object."""
    return tracks_of(tracks, tracks.object_id == 0)


def num_alive(tracks: PointTracks) -> float:
    """Tracks seen in the median frame."""
    return float(np.median(tracks.visible.sum(axis=1)))


def cover(tracks: PointTracks, size_px: tuple[int, int]) -> float:
    """Share of the picture's cells that tracks are seen in, in the median frame."""
    cell = np.floor(tracks.xy_px * (_GRID / np.array(size_px))).clip(0, _GRID - 1).astype(int)
    code = np.where(tracks.visible, cell[..., 1] * _GRID + cell[..., 0], _GRID * _GRID)
    counts = [np.count_nonzero(np.bincount(row, minlength=_GRID**2)[: _GRID**2]) for row in code]
    return float(np.median(counts)) / _GRID**2


def is_thin(tracks: PointTracks, size_px: tuple[int, int], options: BackgroundOptions) -> bool:
    """Whether the tracks show so little of the picture that they may mislead."""
    few = num_alive(tracks) < options.enough_tracks
    return few and cover(tracks, size_px) < options.enough_cover


def telling_tracks(
    tracks: PointTracks,
    calm: Collection[int],
    size_px: tuple[int, int],
    options: BackgroundOptions,
) -> PointTracks:
    """Those off the masks; where they are too few, those on calm objects too, or all of them."""
    off = tracks.object_id == 0
    background = tracks_of(tracks, off)
    heard = off.sum() >= options.min_background_tracks
    num_objects = len(np.unique(tracks.object_id[~off]))
    if not is_thin(background, size_px, options):
        return background
    if not heard and num_objects < options.min_still_objects:
        return background  # a single mover would pass for the world
    quiet = tracks_of(tracks, off | np.isin(tracks.object_id, list(calm)))
    return quiet if num_alive(quiet) >= options.enough_calm_tracks else tracks


def held_out(tracks: PointTracks, options: BackgroundOptions) -> Bool:
    """Tracks [N] that are kept from the solver, to test what it finds."""
    return np.arange(tracks.visible.shape[1]) % options.held_out_every == 0


def solve_background(
    tracks: PointTracks,
    calm: Collection[int],
    keyframes: I32,
    size_px: tuple[int, int],
    ways: Ways,
) -> Solution | None:
    """Cameras of the static scene from tracks on and off the objects; None: no way.

    `calm` are the objects that nothing was seen to move in: they are the first to be asked.
    """
    background = off_masks(tracks)
    if is_thin(background, size_px, ways.background):
        every = np.unique(tracks.object_id[tracks.object_id > 0]).tolist()
        for objects in {tuple(calm): None, tuple(every): None}:  # once each, in this order
            found = _with_objects(objects, tracks, keyframes, size_px, ways)
            if found is not None:
                return _zooming_if_so(found, size_px, ways)
    found = _from_unmasked(background, keyframes, size_px, ways)
    found = found and _joined_by_still(found, tracks, size_px, ways)
    return found and _zooming_if_so(found, size_px, ways)


def _zooming_if_so(found: Solution, size_px: tuple[int, int], ways: Ways) -> Solution:
    """The solution with a lens that zooms, where tracks that took no part say that it does."""
    options = ways.background
    num_tracks = found.tracks.visible.shape[1]
    tests = held_out(found.tracks, options)
    used, unused = (observations_of(found.tracks, use) for use in (~tests, tests))
    limit_px = options.max_zoom_error_ratio * held_out_error_px(found.cameras, unused, num_tracks)
    few = thinned(used, *size_px, options.zoom_probe_observations)
    for seen in (few, used):  # a quick look first: lenses seldom zoom
        cameras, structure = let_zoom(found.cameras, seen, num_tracks, *size_px, ways.adjustment)
        if held_out_error_px(cameras, unused, num_tracks) > limit_px:
            return found
    agreement = find_agreement(cameras, found.tracks, *size_px)
    return Solution(found.tracks, cameras, structure, agreement)


def _with_objects(
    objects: Collection[int],
    tracks: PointTracks,
    keyframes: I32,
    size_px: tuple[int, int],
    ways: Ways,
) -> Solution | None:
    """Cameras from the background and some objects, till just those that agree are asked."""
    options = ways.background
    off = tracks.object_id == 0
    for _ in range(options.max_rounds):
        kept = tracks_of(tracks, off | np.isin(tracks.object_id, list(objects)))
        found = _solve(kept, keyframes, size_px, ways)
        if found is None or found.cameras.registered.mean() < options.min_registered_fraction:
            return None
        agreement = find_agreement(found.cameras, tracks, *size_px)
        still = _still_objects(agreement, tracks, options)
        if not _is_background(agreement.agrees[off], still, options):
            return None
        if set(still) == set(objects):
            return found
        objects = still
    return None  # they go round in circles


def _is_background(agrees: Bool, still: Collection[int], options: BackgroundOptions) -> bool:
    """Whether cameras are those of the background, by its tracks [n] or, if few, by objects."""
    if len(agrees) >= options.min_background_tracks:
        return float(agrees.mean()) >= options.min_background_share
    return len(still) >= options.min_still_objects


def _joined_by_still(
    found: Solution, tracks: PointTracks, size_px: tuple[int, int], ways: Ways
) -> Solution:
    """The solution, adjusted to tracks on objects that agree with it too."""
    agreement = find_agreement(found.cameras, tracks, *size_px)
    still = _still_objects(agreement, tracks, ways.background)
    if not still:
        return found
    joined = join_tracks(found.tracks, tracks_of(tracks, np.isin(tracks.object_id, still)))
    used = observations_of(joined, ~held_out(joined, ways.background))
    num_tracks = joined.visible.shape[1]
    cameras, structure = solve_all_frames(
        found.cameras, used, num_tracks, *size_px, ways.adjustment
    )
    return Solution(joined, cameras, structure, find_agreement(cameras, joined, *size_px))


def _still_objects(
    agreement: Agreement, tracks: PointTracks, options: BackgroundOptions
) -> list[int]:
    """Ids of the objects whose tracks fit the cameras as well as the background's do."""
    off = tracks.object_id == 0
    fitting = agreement.misfit_px[off & agreement.agrees]
    noise_px = float(np.median(fitting)) if len(fitting) else 0.0
    limit_px = options.max_still_sigmas * max(noise_px, options.min_still_noise_px)
    length = tracks.visible.sum(axis=0)
    still: list[int] = []
    for label in np.unique(tracks.object_id[~off]):
        own = tracks.object_id == label
        fits = own & (agreement.misfit_px <= limit_px)
        share = float(length[fits].sum() / length[own].sum())
        if own.sum() >= options.min_object_tracks and share >= options.min_still_share:
            still.append(int(label))
    return still


def _from_unmasked(
    tracks: PointTracks, keyframes: I32, size_px: tuple[int, int], ways: Ways
) -> Solution | None:
    """Cameras from all tracks; or, where these do not agree, from those of the background.

    Cameras that explain nearly all of the picture's rim say what else belongs to the background.
    """
    sure = ways.background.sure_agreement
    found = _solve(tracks, keyframes, size_px, ways)
    if found and found.agreement.agrees.mean() >= sure:
        return found
    around = on_rim(tracks, *size_px)
    if around.all():
        return found
    rim = _solve(tracks_of(tracks, around), keyframes, size_px, ways)
    if rim is None:
        return found
    agreement = find_agreement(rim.cameras, tracks, *size_px)
    if agreement.border_share < sure:
        return found
    other = _solve(tracks_of(tracks, agreement.agrees), keyframes, size_px, ways)
    if other is None:
        return found
    other = other._replace(agreement=find_agreement(other.cameras, tracks, *size_px))
    if found is None or other.agreement.border_share > found.agreement.border_share:
        return other
    return found


def _solve(
    tracks: PointTracks,
    keyframes: I32,
    size_px: tuple[int, int],
    ways: Ways,
) -> Solution | None:
    """Keyframes first, by the best of several ways, then all frames; None: no way."""
    num_frames, num_tracks = tracks.visible.shape
    tests = held_out(tracks, ways.background)
    used = observations_of(tracks, ~tests)
    start = best_start(
        used,
        observations_of(tracks, tests),
        keyframes,
        num_tracks,
        num_frames,
        size_px,
        ways.mapping,
        ways.adjustment,
        ways.starts,
    )
    if start is None:
        return None
    cameras, structure = solve_all_frames(start, used, num_tracks, *size_px, ways.adjustment)
    return Solution(tracks, cameras, structure, find_agreement(cameras, tracks, *size_px))
