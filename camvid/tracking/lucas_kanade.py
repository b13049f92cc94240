"""Corners followed by pyramidal Lucas-Kanade, each held to the patch in which it was first seen.

A track is predicted from the frame in which it was last seen, then refined against its *template*,
the patch cut out where it was first seen, which may turn, stretch and change its light. Prediction
alone adds up a small error per frame; the template takes that drift away, and a refinement that
runs off, or ends on what does not look like it, says that the track is lost.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, U16, Bool, PointTracks
from camvid.parallel import map_threads
from camvid.tracking.patches import Found, cut_patches, find_patches
from camvid.tracking.tracks import MIN_OBSERVATIONS

NEVER_SEED = 65535  # the last of 16 bits, which no object has
"""Region label of pixels on which no track is put."""

_BLOCK_PX = 5  # over which the structure tensor of a corner is taken
_CHUNK = 600  # tracks per task: fixed, so that results do not depend on the number of threads
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)  # the template makes it exact
_TRACK = np.dtype(
    [
        ("label", np.uint16),
        ("query_frame", np.int32),
        ("query_xy", np.float32, 2),
        ("warp", np.float32, (2, 2)),  # linear part of the affine map from its template
        ("last_frame", np.int32),  # of the last observation
        ("last_xy", np.float32, 2),
        ("alive", np.bool_),
    ]
)
Index = NDArray[np.intp]

_MIN_OBJECT_DISTANCE_PX = 3.0  # between tracks
_OBJECT_MARGIN_PX = 2  # a patch on the silhouette sees two things that move apart
_MIN_CORNER_STRENGTH = 3e-5  # absolute: in flat areas, noise looks like corners
# Smaller over larger eigenvalue of a corner's structure tensor: along an edge nothing holds a
# track. Of static tracks in 16 scenes, 19 and 11 % stray that begin below .01 and .02, 6 % up to
# .04, and 3 % of all others. At .04 a dull room has too few left for its cameras.
_MIN_ROUNDNESS = 0.02
_SEED_EVERY_FRAMES = 2  # limbs are thin, and fast ones soon lost
_NUM_PYRAMID_LEVELS = 4  # at an eighth of the size, half a window is a step of 68 px
_MAX_FORWARD_BACKWARD_PX = 0.5  # error of tracking forward and back again
_MAX_TEMPLATE_SHIFT_PX = 1.0  # refinement against the template must confirm the prediction
_MAX_LAST_STEP_PX = 0.05  # of that refinement: else it did not come to rest
_MIN_NCC = 0.8  # normalised cross-correlation with the template
_MAX_STRETCH = 2.5  # of the template, or shrinking, in any direction
# Of a frame's tracks; where templates confirm fewer, tracks count where they were followed to. The
# share was .72 and more in each frame of ten scenes, some of them blurred evenly, and .03 to .55 in
# most frames of one shaken so that every other frame is blurred.
_MIN_CONFIRMED_SHARE = 0.5
_MAX_GAP_FRAMES = 2  # a track out of sight is looked for in this many more frames


@dataclass(frozen=True, slots=True, kw_only=True)
class LucasKanadeOptions:
    """How many tracks are kept alive, and on what they are put.

    With these the worst of 29 clips of 48 frames takes 78,000 steps of a track from frame to frame.
    """

    max_background_tracks: int = 1300  # alive at once
    max_object_tracks: int = 150  # alive at once, per object
    min_background_distance_px: float = 6.0  # nearer, they crowd where texture is strongest
    min_corner_quality: float = 0.0003  # corner strength against the region's strongest
    window_px: int = 17  # 13 gave no more on fast limbs


def track_regions(gray: U8, region: U16, options: LucasKanadeOptions) -> PointTracks:
    """Follows corners of every region through gray [T, H, W].

    `region` [T, H, W] labels pixels: 0 background, 65535 never to be seeded, else an object id.
    A track carries the label of the pixel it was put on as `object_id`. Where its region ends is
    no concern of it: masks flicker, and err.
    """
    if gray.shape != region.shape:
        raise ValueError(f"gray and region must agree in shape, got {gray.shape}, {region.shape}")
    tracker = _Tracker(gray, region, options)
    for frame_index in range(len(gray)):
        tracker.advance(frame_index)
        if frame_index % _SEED_EVERY_FRAMES == 0:
            tracker.seed(frame_index)
    return tracker.tracks()


class _Tracker:
    """All tracks so far. Positions are in OpenCV's pixels (first centre at 0) until `tracks()`."""

    def __init__(self, gray: U8, region: U16, options: LucasKanadeOptions) -> None:
        self._gray, self._region, self._options = gray, region, options
        self._state = np.zeros(0, _TRACK)
        self._observations: list[tuple[int, Index, F32]] = []  # frame, tracks, xy
        self._template_tracks = np.zeros(0, np.intp)  # tracks whose templates are kept, in order
        self._templates = cut_patches(self._image(0), np.zeros((0, 2), np.float32))

    def advance(self, frame_index: int) -> None:
        """Looks for every live track in this frame."""
        state = self._state
        live = np.flatnonzero(state["alive"])
        xy, seen = self._predict(frame_index, live)
        live, xy = live[seen], xy[seen]
        refined, confirmed = self._refine(frame_index, live, xy)
        if len(live) and confirmed.mean() < _MIN_CONFIRMED_SHARE:
            # It is the image that has changed, not the tracks: blur that comes and goes.
            refined[~confirmed], confirmed[:] = xy[~confirmed], True
        self._record(frame_index, live[confirmed], refined[confirmed])
        gap = frame_index - state["last_frame"]
        state["alive"] &= gap <= _MAX_GAP_FRAMES

    def seed(self, frame_index: int) -> None:
        """Puts tracks on corners, away from the live ones, up to each region's budget."""
        labels = [int(i) for i in np.unique(self._region[frame_index]) if i != NEVER_SEED]
        corners = map_threads(lambda label: self._new_corners(frame_index, label), labels)
        xy = np.concatenate([np.zeros((0, 2), np.float32), *corners])
        new = np.zeros(len(xy), _TRACK)
        new["label"], new["alive"] = np.repeat(labels, [len(c) for c in corners]), True
        new["query_frame"], new["query_xy"] = frame_index, xy
        index = len(self._state) + np.arange(len(xy))
        self._state = np.concatenate([self._state, new])
        self._add_templates(frame_index, index, xy)
        self._record(frame_index, index, xy)

    def tracks(self) -> PointTracks:
        """Every track that was seen often enough, with our pixel centres."""
        state, num_frames = self._state, len(self._gray)
        xy_px = np.empty((num_frames, len(state), 2), np.float32)
        xy_px[:] = state["query_xy"]
        visible = np.zeros((num_frames, len(state)), bool)
        for frame_index, index, xy in self._observations:
            visible[frame_index, index] = True
            xy_px[frame_index:, index] = xy
        keep = visible.sum(axis=0) >= MIN_OBSERVATIONS
        return PointTracks(
            xy_px=xy_px[:, keep] + np.float32(0.5),
            visible=visible[:, keep],
            object_id=state["label"][keep],
            query_frame=state["query_frame"][keep],
        )

    def _add_templates(self, frame_index: int, index: Index, xy: F32) -> None:
        """Cuts templates of new tracks from this frame; drops those of tracks that ended."""
        stays = self._state["alive"][self._template_tracks]
        new = cut_patches(self._image(frame_index), xy)
        self._templates = self._templates.take(np.flatnonzero(stays)).followed_by(new)
        self._template_tracks = np.concatenate([self._template_tracks[stays], index])
        self._state["warp"][index] = np.eye(2)

    def _image(self, frame_index: int) -> F32:
        return self._gray[frame_index].astype(np.float32)

    def _record(self, frame_index: int, index: Index, xy: F32) -> None:
        """Records observations."""
        self._state["last_frame"][index], self._state["last_xy"][index] = frame_index, xy
        self._observations.append((frame_index, index, xy))

    def _predict(self, frame_index: int, live: Index) -> tuple[F32, Bool]:
        """Where each live track went since it was last seen, forward and back in agreement."""
        tasks = _tasks(live, self._state["last_frame"][live])

        def follow(task: tuple[int, Index]) -> tuple[F32, Bool]:
            source, target = self._gray[task[0]], self._gray[frame_index]
            start = self._state["last_xy"][task[1]]
            there, found = self._lucas_kanade(source, target, start)
            back, found_back = self._lucas_kanade(target, source, there)
            error_px = np.linalg.norm(back - start, axis=1)
            return there, found & found_back & (error_px <= _MAX_FORWARD_BACKWARD_PX)

        return _gather(live, tasks, map_threads(follow, tasks))

    def _refine(self, frame_index: int, index: Index, predicted: F32) -> tuple[F32, Bool]:
        """Predictions corrected against each track's template, where it confirms them."""
        state, image = self._state, self._image(frame_index)
        chunks = [np.arange(i, min(i + _CHUNK, len(index))) for i in range(0, len(index), _CHUNK)]

        def refine(chunk: Index) -> Found:
            patches = self._templates.take(np.searchsorted(self._template_tracks, index[chunk]))
            return find_patches(image, patches, predicted[chunk], state["warp"][index[chunk]])

        if not chunks:
            return predicted, np.zeros(0, bool)
        found = Found(*map(np.concatenate, zip(*map_threads(refine, chunks), strict=True)))
        shift_px = np.linalg.norm(found.xy - predicted, axis=1)
        stretch = np.linalg.svd(np.nan_to_num(found.warp), compute_uv=False)
        confirmed = (
            (found.ncc >= _MIN_NCC)
            & (shift_px <= _MAX_TEMPLATE_SHIFT_PX)
            & (found.last_step_px <= _MAX_LAST_STEP_PX)
            & (stretch[:, 0] <= _MAX_STRETCH)
            & (stretch[:, 1] >= 1 / _MAX_STRETCH)
            & self._within(found.xy)
        )
        state["warp"][index[confirmed]] = found.warp[confirmed]
        return found.xy, confirmed

    def _lucas_kanade(self, source: U8, target: U8, start: F32) -> tuple[F32, Bool]:
        """(xy [n, 2], found [n]) of `start` in the target image."""
        window = (self._options.window_px, self._options.window_px)
        levels, near = _NUM_PYRAMID_LEVELS - 1, start[:, None].copy()
        there, status, _ = cv2.calcOpticalFlowPyrLK(
            source, target, start[:, None], near, None, None, window, levels, _STOP
        )
        xy = np.asarray(there, np.float32)[:, 0]
        return xy, (np.asarray(status)[:, 0] == 1) & self._within(xy)

    def _within(self, xy: F32) -> Bool:
        """Far enough [n] from the border: nearer to it, much of a patch is made up."""
        height, width = self._gray.shape[1:]
        margin = self._options.window_px // 4
        high = np.array([width, height], np.float32) - 1 - margin
        return np.asarray(((xy >= margin) & (xy <= high)).all(axis=1))

    def _new_corners(self, frame_index: int, label: int) -> F32:
        """The strongest corners [n, 2] of a region that keep their distance from live tracks."""
        options, state = self._options, self._state
        budget = options.max_object_tracks if label else options.max_background_tracks
        distance = _MIN_OBJECT_DISTANCE_PX if label else options.min_background_distance_px
        live = state["alive"] & (state["label"] == label)
        free = (self._region[frame_index] == label).astype(np.uint8)
        if label:
            free = _shrunk(free)
        x, y, width, height = cv2.boundingRect(free)
        for column, row in np.rint(state["last_xy"][live]).astype(int):
            cv2.circle(free, (int(column), int(row)), round(distance), 0, -1)
        margin = options.window_px // 4
        free[:margin], free[-margin:], free[:, :margin], free[:, -margin:] = 0, 0, 0, 0
        crop = np.s_[max(y - 4, 0) : y + height + 4, max(x - 4, 0) : x + width + 4]
        missing = budget - int(live.sum())
        if missing <= 0:
            return np.zeros((0, 2), np.float32)
        image, allowed = self._gray[frame_index][crop], free[crop]
        offset = np.array([crop[1].start, crop[0].start], np.float32)
        found = _corners(image, allowed, missing, distance, options.min_corner_quality)
        return found + offset


def _corners(gray: U8, allowed: U8, max_corners: int, distance: float, min_quality: float) -> F32:
    """The strongest corners [n, 2] of an image where `allowed` is not 0."""
    gray = np.ascontiguousarray(gray)
    eigenvalues = np.sort(cv2.cornerEigenValsAndVecs(gray, _BLOCK_PX, 3)[..., :2], axis=2)
    round_enough = eigenvalues[..., 0] >= _MIN_ROUNDNESS * eigenvalues[..., 1]
    found: Any = cv2.goodFeaturesToTrackWithQuality(  # (None, None) where there is no corner
        gray,
        max_corners,
        min_quality,
        distance,
        np.where(round_enough, allowed, np.uint8(0)),
        blockSize=_BLOCK_PX,
    )
    if found[0] is None:
        return np.zeros((0, 2), np.float32)
    strong = found[1].reshape(-1) >= _MIN_CORNER_STRENGTH
    return np.asarray(found[0].reshape(-1, 2)[strong], np.float32)


def _tasks(index: Index, source_frame: NDArray[np.int32]) -> list[tuple[int, Index]]:
    """Tracks grouped by the frame they are followed from, in chunks."""
    tasks: list[tuple[int, Index]] = []
    for frame_index in np.unique(source_frame):
        group = index[source_frame == frame_index]
        tasks += [(int(frame_index), group[i : i + _CHUNK]) for i in range(0, len(group), _CHUNK)]
    return tasks


def _gather(
    index: Index, tasks: list[tuple[int, Index]], results: list[tuple[F32, Bool]]
) -> tuple[F32, Bool]:
    """Results of the tasks in the order of `index` (which is sorted)."""
    xy, found = np.zeros((len(index), 2), np.float32), np.zeros(len(index), bool)
    for (_, group), (group_xy, group_found) in zip(tasks, results, strict=True):
        at = np.searchsorted(index, group)
        xy[at], found[at] = group_xy, group_found
    return xy, found


def _shrunk(region: U8) -> U8:
    """The region without its border; a region too thin to lose one is left as it is."""
    side_px = 2 * _OBJECT_MARGIN_PX + 1
    inner = cv2.erode(region, np.ones((side_px, side_px), np.uint8))
    return np.asarray(inner if inner.any() else region, np.uint8)
