"""The reconstruction of a camera that does not travel: fixed, rotating in place, or zooming."""

from dataclasses import replace

import numpy as np

from camvid.artifacts import NAN, Reconstruction, ReconstructionQuality
from camvid.outcome import Reason
from camvid.sfm.camera_motion import CameraMotion


def reconstruct_in_place(
    motion: CameraMotion,
    num_frames: int,
    *,
    quality: ReconstructionQuality,
    reasons: tuple[Reason, ...],
) -> Reconstruction:
    """All that can be known of a camera that was found to have no path, for these `reasons`."""
    if motion.camera == "fixed":
        still = np.tile(np.eye(3), (num_frames, 1, 1))
        K, zoom = np.full((3, 3), NAN), np.ones(num_frames)  # nothing shows the lens
        quality = replace(quality, registered_fraction=1.0)
        return Reconstruction.rotation_only(
            "fixed", still, K=K, zoom=zoom, quality=quality, reasons=reasons
        )
    found = motion.rotating
    if found is None:
        return Reconstruction.without_trajectory(
            "unknown", num_frames, quality=quality, reasons=reasons
        )
    quality = replace(
        quality,
        registered_fraction=float(found.solved.mean()),
        mean_reprojection_error_px=found.error_px,
        focal_px=float(found.K[0, 0]),
        focal_uncertainty=found.focal_uncertainty,
    )
    return Reconstruction.rotation_only(
        motion.camera, found.rotation, K=found.K, zoom=found.zoom, quality=quality, reasons=reasons
    )
