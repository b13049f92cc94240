"""Motion field and motion strength: what the camera does not explain."""

from camvid.motion.measure import MotionOptions, measure_motion

__all__ = ["MotionOptions", "measure_motion"]
