"""Objects of several parts: a person, a car, a worm; they move, or only look as if they could."""

from dataclasses import replace

from camvid.scenes.limbs import Limb, Squeezed
from camvid.scenes.motion import Motion, RigidMotion, Vector
from camvid.scenes.spec import Body, Shape
from camvid.scenes.textures import Colour, Texture

_SKIN: Colour = (206, 158, 128)
_TYRE: Colour = (46, 46, 50)


def vivid(seed: int, colour: Colour) -> Texture:
    """A surface of strong colour that trackers can hold on to."""
    return Texture(
        seed=seed, colour=colour, contrast=0.13, chroma=0.1, shapes_per_m2=90, px_per_m=192
    )


def person(
    name: str, root: RigidMotion, *, seed: int, colours: tuple[Colour, Colour], stride_hz: float
) -> tuple[Body, ...]:
    """A person 1.75 m tall in shirt and trousers; `root` is the place of the torso, facing +y.

    With a stride of 0 Hz the person stands, one foot before the other.
    """
    shirt, trousers = colours
    parts = [_part(f"{name}/torso", (0.19, 0.12, 0.3), root, "box", vivid(seed, shirt))]
    neck = Limb(parent=root, pivot_m=(0.0, 0.0, 0.32), centre_m=(0.0, 0.02, 0.13))
    parts.append(
        _part(f"{name}/head", (0.1, 0.12, 0.14), neck, "ellipsoid", vivid(seed + 1, _SKIN))
    )
    for side, way in (("left", -1.0), ("right", 1.0)):
        phase = 0.0 if side == "left" else 180.0
        arm = Limb(
            parent=root,
            pivot_m=(way * 0.25, 0.0, 0.26),
            centre_m=(0.0, 0.0, -0.16),
            swing_deg=32.0,
            swing_hz=stride_hz,
            phase_deg=phase + 180.0,
            rest_deg=way * 8.0 if stride_hz == 0 else 0.0,
        )
        thigh = replace(
            arm,
            pivot_m=(way * 0.1, 0.0, -0.28),
            centre_m=(0.0, 0.0, -0.22),
            swing_deg=28.0,
            phase_deg=phase,
            rest_deg=way * 10.0 if stride_hz == 0 else 0.0,
        )
        forearm = _below(arm, 0.16, 0.15, bend_deg=25.0, swing_deg=12.0)
        shin = _below(thigh, 0.22, 0.22, bend_deg=-24.0, swing_deg=22.0)
        limbs = (
            ("upper_arm", (0.055, 0.06, 0.17), arm, vivid(seed + 2, shirt)),
            ("forearm", (0.045, 0.05, 0.16), forearm, vivid(seed + 3, _SKIN)),
            ("thigh", (0.085, 0.09, 0.24), thigh, vivid(seed + 4, trousers)),
            ("shin", (0.065, 0.07, 0.24), shin, vivid(seed + 5, trousers)),
        )
        parts += [
            _part(f"{name}/{side}_{limb}", half, motion, "ellipsoid", texture)
            for limb, half, motion, texture in limbs
        ]
    return tuple(parts)


TORSO_HEIGHT_M = 1.17  # of the torso's centre when both feet are on the floor


def _below(upper: Limb, from_m: float, to_m: float, *, bend_deg: float, swing_deg: float) -> Limb:
    """The lower half of an arm or leg; a joint bends one way only."""
    return Limb(
        parent=upper,
        pivot_m=(0.0, 0.0, -from_m),
        centre_m=(0.0, 0.0, -to_m),
        rest_deg=bend_deg if upper.swing_hz else bend_deg / 6,
        swing_deg=swing_deg,
        swing_hz=upper.swing_hz,
        phase_deg=upper.phase_deg + 70.0,
    )


def car(name: str, root: RigidMotion, *, seed: int, colour: Colour) -> tuple[Body, ...]:
    """A small car, 2.2 m long; `root` is the place on the floor under its middle, facing +x."""

    def on(place_m: Vector) -> Limb:
        return Limb(parent=root, pivot_m=place_m, centre_m=(0.0, 0.0, 0.0))

    paint, glass = vivid(seed, colour), vivid(seed + 1, (70, 84, 100))
    parts = [
        _part(f"{name}/hull", (1.1, 0.45, 0.22), on((0.0, 0.0, 0.42)), "box", paint),
        _part(f"{name}/cabin", (0.55, 0.4, 0.2), on((-0.1, 0.0, 0.84)), "box", glass),
    ]
    for number, (x, y) in enumerate((x, y) for x in (-0.7, 0.7) for y in (-0.42, 0.42)):
        wheel = on((x, y, 0.22))
        texture = vivid(seed + 2, _TYRE)
        parts.append(
            _part(f"{name}/wheel_{number}", (0.22, 0.09, 0.22), wheel, "ellipsoid", texture)
        )
    return tuple(parts)


def worm(name: str, root: RigidMotion, *, seed: int, colour: Colour) -> tuple[Body, ...]:
    """A chain of six beads that wriggles; `root` is the place of its head."""
    parts: list[Body] = []
    motion: Motion = root
    for bead in range(6):
        half = (0.2, 0.17 - 0.012 * bead, 0.17 - 0.012 * bead)
        texture = vivid(seed + bead, colour)
        parts.append(_part(f"{name}/bead_{bead}", half, motion, "ellipsoid", texture))
        motion = Limb(
            parent=motion,
            pivot_m=(-0.14, 0.0, 0.0),
            centre_m=(-0.14, 0.0, 0.0),
            axis=(0.0, 0.0, 1.0),
            swing_deg=24.0,
            swing_hz=0.9,
            phase_deg=-60.0 * bead,
        )
    return tuple(parts)


def jelly(name: str, root: RigidMotion, *, seed: int, colour: Colour, half_m: Vector) -> Body:
    """An ellipsoid that is squeezed and stretched as it goes."""
    motion = Squeezed(base=root, stretch=(0.22, 0.22, 0.22), stretch_hz=1.1)
    return _part(name, half_m, motion, "ellipsoid", vivid(seed, colour))


def _part(name: str, half_m: Vector, motion: Motion, shape: Shape, texture: Texture) -> Body:
    return Body(name=name, half_size_m=half_m, texture=texture, motion=motion, shape=shape)
