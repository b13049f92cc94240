"""Motions that are not rigid: limbs that swing from a body, and bodies that are squeezed."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from camvid.artifacts import F64
from camvid.scenes.motion import STILL, Motion, RigidMotion, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Limb:
    """A part that swings about a pivot of its parent."""

    parent: Motion
    pivot_m: Vector  # in the parent's axes
    centre_m: Vector  # of the limb, from the pivot, in the limb's own axes
    axis: Vector = (1.0, 0.0, 0.0)
    rest_deg: float = 0.0
    swing_deg: float = 0.0
    swing_hz: float = 0.0
    phase_deg: float = 0.0

    @property
    def moves(self) -> bool:
        return self.parent.moves or (self.swing_deg != 0 and self.swing_hz != 0)

    def __call__(self, times_s: F64) -> F64:
        """world_from_limb [T, 4, 4]."""
        t = np.asarray(times_s, np.float64)
        wave = np.sin(2 * np.pi * self.swing_hz * t + np.radians(self.phase_deg))
        angle = np.radians(self.rest_deg + self.swing_deg * wave)
        turn = Rotation.from_rotvec(angle[:, None] * np.array(self.axis)).as_matrix()
        parent_from_limb = np.tile(np.eye(4), (len(t), 1, 1))
        parent_from_limb[:, :3, :3] = turn
        parent_from_limb[:, :3, 3] = np.array(self.pivot_m) + turn @ np.array(self.centre_m)
        return self.parent(times_s) @ parent_from_limb


@dataclass(frozen=True, slots=True, kw_only=True)
class Squeezed:
    """A body that is stretched and squeezed along its own axes as it goes, all but its volume."""

    base: RigidMotion
    stretch: Vector = STILL  # amplitudes, as shares of the size
    stretch_hz: float = 1.0

    @property
    def moves(self) -> bool:
        return self.base.moves or any(self.stretch)

    def __call__(self, times_s: F64) -> F64:
        """world_from_object [T, 4, 4], affine."""
        t = np.asarray(times_s, np.float64)
        phases = 2 * np.pi * (self.stretch_hz * t[:, None] + np.array([0.0, 1 / 3, 2 / 3]))
        world_from_object = self.base(times_s)
        world_from_object[:, :3, :3] *= (1 + np.array(self.stretch) * np.sin(phases))[:, None]
        return world_from_object
