"""Point tracks against hand-marked joints of animals (BADJA): PCK within 0.2 sqrt(mask area).

Biggs et al., ACCV 2018 (benjiebob/BADJA), for the data and the threshold. What is
measured is the tracks as the dataset holds them: a joint is carried from the first frame in which
it was marked by the track of an object that is nearest to it, and by the next nearest once that
one ends. A joint that no track carries on is lost, and counts as wrong from then on.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camvid.artifacts import F64, I32, NAN, Bool, Clip, PointTracks
from camvid.errors import ConfigError

_WIDTH_PX, _HEIGHT_PX = 1920, 1080  # of the images that the joints were marked in
_REACH = 0.2  # of the square root of the animal's area


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joints:
    """Joints marked in some frames of a source."""

    source_frame_index: I32  # [A], increasing
    xy: F64  # [A, J, 2] as fractions of the image's width and height
    visible: Bool  # [A, J]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointScores:
    """Share of joints within reach of where they were marked; NaN where none was."""

    num_joints: int = 0  # over all frames but the first that shows each
    pck: float = NAN
    pck_at_rest: float = NAN  # of joints that stay where they were first: what no tracking reaches


def read_joints(path: Path) -> Joints:
    """Reads a BADJA file: a list of frames; each joint is (row, column) at 1920x1080.

    The frame's number is in its file's name.
    """
    try:
        frames = json.loads(path.read_text())
        frames = sorted(frames, key=lambda frame: _number(frame["image_path"]))
        marked = np.array([frame["joints"] for frame in frames], np.float64)
        visible = np.array([frame["visibility"] for frame in frames], np.bool_)
        index = np.array([_number(frame["image_path"]) for frame in frames], np.int32)
        xy = marked[:, :, ::-1] / (_WIDTH_PX, _HEIGHT_PX)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"{path} must be a list of frames with joints: {error}") from error
    return Joints(source_frame_index=index, xy=xy, visible=visible)


def _number(image_path: str) -> int:
    return int(Path(image_path).stem)


def joint_scores(
    joints: Joints, clip: Clip, tracks: PointTracks, area_px: dict[int, float]
) -> JointScores:
    """Carries every joint along the tracks of objects.

    Args:
        joints: the truth.
        clip: the tracks' clip.
        tracks: as the dataset holds them.
        area_px: of the animal in frames of the source, in pixels of the source.
    """
    frame_of = {int(s): t for t, s in enumerate(clip.source_frame_index)}
    rows = [a for a, s in enumerate(joints.source_frame_index) if s in frame_of and s in area_px]
    size = np.array([clip.video.width_px, clip.video.height_px])
    on_objects = tracks.object_id > 0
    xy_px = _at_source(tracks.xy_px[:, on_objects], clip)
    visible = tracks.visible[:, on_objects]
    hits: list[bool] = []
    at_rest: list[bool] = []
    for joint in range(joints.xy.shape[1]):
        seen = [a for a in rows if joints.visible[a, joint]]
        if len(seen) < 2:
            continue
        indices = [int(joints.source_frame_index[a]) for a in seen]
        marked = joints.xy[seen, joint] * size
        carried = carry(marked[0], frame_of[indices[0]], xy_px, visible)
        reach_px = _REACH * np.sqrt([area_px[s] for s in indices[1:]])
        off = np.linalg.norm(carried[[frame_of[s] for s in indices[1:]]] - marked[1:], axis=1)
        hits += (off <= reach_px).tolist()  # NaN, a lost joint, is no hit
        at_rest += (np.linalg.norm(marked[0] - marked[1:], axis=1) <= reach_px).tolist()
    if not hits:
        return JointScores()
    return JointScores(
        num_joints=len(hits), pck=float(np.mean(hits)), pck_at_rest=float(np.mean(at_rest))
    )


def carry(start: F64, frame_index: int, xy_px: F64, visible: Bool) -> F64:
    """Where a point [2] is in every frame [T, 2], moved by the tracks [T, N]; NaN where lost."""
    places = np.full((len(xy_px), 2), NAN)
    places[frame_index] = start
    track = -1
    for t in range(frame_index, len(xy_px) - 1):
        on = visible[t] & visible[t + 1]
        if track < 0 or not on[track]:
            if not on.any():
                break
            away = np.linalg.norm(xy_px[t] - places[t], axis=1)
            track = int(np.where(on, away, np.inf).argmin())
        places[t + 1] = places[t] + xy_px[t + 1, track] - xy_px[t, track]
    return places


def _at_source(xy_px: np.ndarray, clip: Clip) -> F64:
    """Points in the clip's frames [..., 2] in pixels of the source."""
    x, y, width, height = clip.crop_px
    scale = np.array([width / clip.width_px, height / clip.height_px])
    return np.asarray(xy_px * scale + (x, y), np.float64)
