"""What is known of a source video before anything is decoded for keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A source video as probed, before anything is cut from it."""

    video_id: str
    uri: str
    sha256: str
    width_px: int  # as displayed: rotation metadata applied
    height_px: int
    fps: float
    num_frames: int
    duration_s: float
    licence: str = ""
    # What the list that named it says of it:
    caption: str = ""
    calibration: tuple[float, ...] = ()  # fx, fy, cx, cy in pixels as displayed; or nothing
    listed: str = ""  # other columns, as a JSON object
