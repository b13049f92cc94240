"""Five scenes, one for every verdict and the two degenerate cameras, in one furnished room."""

from dataclasses import replace

from camvid.scenes.furnish import crate, room
from camvid.scenes.motion import Orbit, Pan, RigidMotion, fixed
from camvid.scenes.spec import Body, SceneSpec
from camvid.scenes.textures import Texture

_RED = Body(
    name="red_box",
    half_size_m=(0.35, 0.31, 0.37),
    texture=Texture(
        seed=31, colour=(214, 62, 40), contrast=0.12, chroma=0.10, shapes_per_m2=90, px_per_m=192
    ),
    motion=RigidMotion(
        position_m=(-1.25, -0.2, 0.37),
        yaw_deg=20,
        velocity_m_per_s=(0.75, -0.1, 0.0),
        spin_deg_per_s=(0, 0, 40),
    ),
)
_BLUE = Body(
    name="blue_ball",
    shape="ellipsoid",
    half_size_m=(0.42, 0.42, 0.42),
    texture=Texture(
        seed=32, colour=(48, 104, 226), contrast=0.14, chroma=0.10, shapes_per_m2=90, px_per_m=192
    ),
    motion=RigidMotion(
        position_m=(1.35, 0.1, 1.05),
        swing_m=(0.1, 0.0, 0.45),
        swing_hz=0.9,
        spin_deg_per_s=(10, 25, 30),
    ),
)


def _furniture() -> tuple[Body, ...]:
    return (
        crate("cupboard", (-2.9, 3.4), (1.6, 0.7, 2.1), seed=11, colour=(112, 92, 72)),
        crate("shelf", (0.6, 3.9), (2.2, 0.6, 1.5), seed=12, colour=(140, 132, 112)),
        crate("chest", (3.1, 2.4), (0.9, 1.3, 0.9), seed=13, yaw_deg=25),
        crate("plinth", (0.3, 1.5), (0.7, 0.7, 0.8), seed=14, yaw_deg=40, colour=(150, 146, 140)),
        crate("crate", (-2.3, 1.2), (0.8, 0.8, 0.7), seed=15, yaw_deg=-15),
        crate("low_box", (2.5, -0.9), (0.8, 0.6, 0.45), seed=16, yaw_deg=60, colour=(96, 104, 98)),
    )


def demo_scenes() -> tuple[SceneSpec, ...]:
    """Scenes whose verdicts are 4d, 3d, video (fixed), video (rotating) and none; 2 s each."""
    orbit = Orbit(
        target_m=(0.0, 0.4, 0.8), radius_m=4.3, height_m=(1.5, 1.9), angle_deg=(-108.0, -72.0)
    )
    tripod = fixed((0.6, -3.9, 1.6), (0.0, 0.5, 0.8))
    pan = Pan(eye_m=(0.0, -3.9, 1.6), yaw_deg=(101.0, 79.0), pitch_deg=(-10.0, -8.0))
    base = SceneSpec(
        name="orbit_movers",
        seed=1,
        path=orbit,
        room=room(1),
        objects=(_RED, _BLUE),
        furniture=_furniture(),
        width_px=480,
        height_px=270,
    )
    still = tuple(replace(b, motion=_stopped(b)) for b in base.objects)
    return (
        base,
        replace(base, name="orbit_still", seed=2, objects=still),
        replace(base, name="fixed_mover", seed=3, path=tripod, objects=(_RED,)),
        replace(base, name="pan_mover", seed=4, path=pan, objects=(_RED,)),
        replace(base, name="nothing_moves", seed=5, path=tripod, objects=still),
    )


def _stopped(body: Body) -> RigidMotion:
    assert isinstance(body.motion, RigidMotion)
    return RigidMotion(position_m=body.motion.position_m, yaw_deg=body.motion.yaw_deg)
