"""A model of the camera's sensor: gain, flicker, vignetting and noise."""

from dataclasses import dataclass

import numpy as np

from camvid.artifacts import F32, F64, U8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """How images are exposed; the defaults are a good camera in even light."""

    noise: float = 1.0  # standard deviation, in grey levels
    gain: tuple[float, float] = (1.0, 1.0)  # at the clip's start and end
    hunting: float = 0.0  # amplitude of a slow wave of the gain: auto-exposure that cannot settle
    flicker: float = 0.0  # amplitude by which lamps flicker
    flicker_hz: float = 7.3  # as the frame rate shows it
    bands: float = 0.0  # flicker periods between the top row's exposure and the bottom row's
    vignette: float = 0.0  # share of the light that the corners lose
    shutter: float = 0.0  # time that it is open, as a share of the time between frames

    def expose(self, light: F32, progress: float, time_s: float, seed: list[int]) -> U8:
        """Grey levels [H, W, 3] of colours [H, W, 3] `progress` (0 to 1) of the way through."""
        start, end = self.gain
        gain = (start + (end - start) * progress) * (1 + self.hunting * np.sin(9 * progress))
        rows = np.linspace(0.0, self.bands, len(light))[:, None]
        lamps = 1 + self.flicker * np.sin(2 * np.pi * (self.flicker_hz * time_s + rows))
        kept = gain * lamps * self._corners(*light.shape[:2])
        exposed = light * kept.astype(np.float32)[..., None]
        if self.noise > 0:
            rng = np.random.default_rng(seed)
            exposed += np.float32(self.noise) * rng.standard_normal(light.shape, np.float32)
        return np.clip(exposed + np.float32(0.5), 0, 255).astype(np.uint8)

    def _corners(self, height: int, width: int) -> F64:
        """Light kept, [H, W]; [1, 1] where it is all of it everywhere."""
        if self.vignette == 0:
            return np.ones((1, 1))
        x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
        return 1 - self.vignette * (x * x + y * y) / 2
