"""Tracks through a clip of any length, by a model that follows given points through a few frames.

Points are put on every object and on the background, again and again, so that what comes late is
tracked too. A long clip is shown in windows that overlap: a track goes on into the next window
from where it was last seen in the overlap, so that nothing jumps at the seam.
"""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camvid.artifacts import F32, U8, U16, Bool, PointTracks
from camvid.models.trackers.options import FollowOptions
from camvid.models.trackers.seeding import new_points

Index = NDArray[np.intp]
Follow = Callable[[U8, F32], tuple[F32, Bool]]
"""(xy_px [T, N, 2], visible [T, N]) of queries [N, 3] = (frame, x_px, y_px) in rgb [T, H, W, 3].

What comes before a query's frame is not used.
"""


def follow_regions(
    rgb: U8, region: U16, follow: Follow, options: FollowOptions, *, window_frames: int
) -> PointTracks:
    """Tracks of every object and of the background through rgb [T, H, W, 3].

    `region` [T, H, W] labels pixels: 0 background, else an object id.
    """
    tracks = _Tracks(rgb, region, options)
    if len(rgb) >= options.min_track_frames:
        for begin, fresh, end in _windows(len(rgb), window_frames, options.overlap_frames):
            tracks.follow_window(follow, begin, fresh, end)
    return tracks.finished()


def _windows(num_frames: int, size: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """(first frame, first frame not seen before, end) of each; all but a short clip's are full."""
    end = min(size, num_frames)
    yield 0, 0, end
    while end < num_frames:
        fresh = end
        begin = max(min(end - overlap, num_frames - size), 0)
        end = min(begin + size, num_frames)
        yield begin, fresh, end


class _Tracks:
    """All tracks so far."""

    def __init__(self, rgb: U8, region: U16, options: FollowOptions) -> None:
        self._rgb, self._region, self._options = rgb, region, options
        self._xy_px = np.zeros((len(rgb), 0, 2), np.float32)
        self._visible = np.zeros((len(rgb), 0), np.bool_)  # by the model's word alone
        self._label = np.zeros(0, np.uint16)
        self._query_frame = np.zeros(0, np.int32)

    def follow_window(self, follow: Follow, begin: int, fresh: int, end: int) -> None:
        """Carries tracks on from the overlap [begin, fresh), then starts those that are missing."""
        if fresh == 0:
            self._follow(follow, self._start([0]), begin, fresh, end)
        else:
            self._follow(follow, self._carried(begin, fresh), begin, fresh, end)
        every = self._options.seed_every_frames
        late = range(max(fresh, 1), end + 1 - self._options.min_track_frames)
        new = self._start([frame for frame in late if frame % every == 0])
        self._follow(follow, new, begin, fresh, end)

    def finished(self) -> PointTracks:
        """Every track that was seen often enough."""
        visible, _, last_inside = self._within_regions()
        visible &= np.arange(len(visible))[:, None] <= last_inside
        keep = visible.sum(axis=0) >= self._options.min_track_frames
        visible, query_frame = visible[:, keep], self._query_frame[keep]
        frame = np.arange(len(visible))[:, None]
        shown = np.maximum(np.maximum.accumulate(np.where(visible, frame, 0), axis=0), query_frame)
        return PointTracks(
            xy_px=np.take_along_axis(self._xy_px[:, keep], shown[:, :, None], axis=0),
            visible=visible,
            object_id=self._label[keep],
            query_frame=query_frame,
        )

    def _carried(self, begin: int, fresh: int) -> tuple[Index, F32]:
        """The tracks seen in the overlap, and the queries [n, 3] that go on with them."""
        visible, ended, _ = self._within_regions()
        seen = visible[begin:fresh]
        index = np.flatnonzero(seen.any(axis=0) & ~ended)
        frame = fresh - 1 - seen[::-1, index].argmax(axis=0)
        return index, _queries(frame, self._xy_px[frame, index])

    def _start(self, frames: list[int]) -> tuple[Index, F32]:
        """New tracks in these frames where regions lack some; the queries [n, 3] to follow."""
        visible, _, _ = self._within_regions()
        first = len(self._label)
        placed = np.zeros((0, 2), np.float32)
        for frame in frames:
            seen = visible[frame, :first]
            live_xy_px = np.concatenate([self._xy_px[frame, :first][seen], placed])
            live_label = np.concatenate([self._label[:first][seen], self._label[first:]])
            gray = cv2.cvtColor(self._rgb[frame], cv2.COLOR_RGB2GRAY)
            xy_px, label = new_points(
                np.asarray(gray), self._region[frame], live_xy_px, live_label, self._options
            )
            placed = np.concatenate([placed, xy_px])
            self._label = np.concatenate([self._label, label])
            started = np.full(len(label), frame, np.int32)
            self._query_frame = np.concatenate([self._query_frame, started])
        self._xy_px = np.concatenate(
            [self._xy_px, np.repeat(placed[None], len(self._xy_px), 0)], axis=1
        )
        unseen = np.zeros((len(self._visible), len(placed)), np.bool_)
        self._visible = np.concatenate([self._visible, unseen], axis=1)
        index = np.arange(first, len(self._label))
        self._visible[self._query_frame[index], index] = True
        return index, _queries(self._query_frame[index], placed)

    def _follow(
        self, follow: Follow, tracks: tuple[Index, F32], begin: int, fresh: int, end: int
    ) -> None:
        """Notes where the model sees tracks in the frames [fresh, end), after their queries."""
        index, queries = tracks
        if len(index) == 0:
            return
        query_frame = queries[:, 0].astype(int)
        shifted = queries - np.array([begin, 0, 0], np.float32)
        xy_px, visible = follow(self._rgb[begin:end], shifted)
        height, width = self._region.shape[1:]
        visible = visible & ((xy_px >= 0) & (xy_px < [width, height])).all(axis=2)
        for frame in range(fresh, end):
            later = frame > query_frame
            self._xy_px[frame, index[later]] = xy_px[frame - begin, later]
            self._visible[frame, index[later]] = visible[frame - begin, later]

    def _within_regions(self) -> tuple[Bool, Bool, NDArray[np.intp]]:
        """(seen and not ended [T, N], ended [N], last frame [N] within the own region).

        A track ends when it has left its region for too long: an object's mask may flicker, but
        what a mover hides of the background is gone at once.
        """
        frame = np.arange(len(self._xy_px))[:, None]
        height, width = self._region.shape[1:]
        column = np.clip(np.floor(self._xy_px[..., 0]).astype(int), 0, width - 1)
        row = np.clip(np.floor(self._xy_px[..., 1]).astype(int), 0, height - 1)
        inside = self._visible & (self._region[frame, row, column] == self._label)
        last_inside = np.maximum.accumulate(np.where(inside, frame, -1), axis=0)
        allowed = np.where(self._label == 0, 0, self._options.max_frames_outside)
        lost = np.logical_or.accumulate(self._visible & (frame - last_inside > allowed), axis=0)
        until = np.where(lost, -1, last_inside).max(axis=0, initial=-1)
        return self._visible & ~lost, np.asarray(lost.any(axis=0)), until


def _queries(frame: NDArray[Any], xy_px: F32) -> F32:
    """[n, 3] of frames [n] and positions [n, 2]."""
    return np.column_stack([frame, xy_px]).astype(np.float32)
