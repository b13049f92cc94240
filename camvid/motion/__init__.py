"""Motion field and motion strength: what the camera does not explain."""

from camvid.motion.measure import measure_motion

__all__ = ["measure_motion"]
