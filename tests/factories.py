"""Small artifacts for tests."""

from pathlib import Path

import numpy as np

from camvid.artifacts import Clip, Video

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"
SIZE = (24, 32)  # height, width


def make_clip(clip_id: str, num_frames: int = 6, uri: str = "videos/a.mp4") -> Clip:
    video = Video(
        video_id="v" * 16,
        uri=uri,
        sha256="5" * 64,
        width_px=SIZE[1],
        height_px=SIZE[0],
        fps=24.0,
        num_frames=num_frames,
        duration_s=num_frames / 24,
        licence="CC0",
    )
    return Clip(
        clip_id=clip_id,
        video=video,
        start_s=0.0,
        end_s=num_frames / 24,
        timestamps_s=np.arange(num_frames) / 24,
        source_frame_index=np.arange(num_frames, dtype=np.int32),
        width_px=SIZE[1],
        height_px=SIZE[0],
        crop_px=(0, 0, SIZE[1], SIZE[0]),
    )
