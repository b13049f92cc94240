"""The paper's tables as what can be run: which clips, which known views, what is reported."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from camvid.errors import BackendUnavailable, ConfigError
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.sample import Sample, scale_cameras
from camvid.genxd.sampling import Scene
from camvid.outcome import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A table; the clips are all of one kind in the shards."""

    name: str
    kind: Kind
    num_given: tuple[int, ...]  # known views, a line for each
    measures: tuple[str, ...]  # those of the table; the others are measured too
    about: str
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by known views

    def options(self, trained_on: DataOptions) -> DataOptions:
        """As trained, with whole clips of the kind and nothing random but the frames."""
        shares = {f"share_{kind}": float(kind == self.kind) for kind in trained_on.shares()}
        return replace(
            trained_on,
            fit="pad" if trained_on.fit == "pad" else "centre_crop",
            dropout=0.0,
            held_out_fraction=0.0,
            **shares,
        )


_SCENES_4D = "4D scenes along their true cameras. The paper: Cam-DAVIS, 20 curated videos of DAVIS"
_SCENES_3D = (
    "Static scenes from 3 views, by the generated views themselves. The paper: 10 scenes of Re10K,"
    " all 8 of LLFF, by renderings of Zip-NeRF or 3D Gaussians fitted to known and generated views:"
    " `camvid genxd render-eval` does so with a small radiance field"
)
TABLE_2 = Protocol(
    name="table2",
    kind="4d",
    num_given=(1, 3),
    measures=("FID", "FVD"),
    about=_SCENES_4D,
    paper={"1": {"FID": 101.78, "FVD": 1208.93}, "3": {"FID": 55.64, "FVD": 490.50}},
)
TABLE_4 = Protocol(
    name="table4",
    kind="3d",
    num_given=(3,),
    measures=("PSNR", "SSIM", "LPIPS"),
    about=_SCENES_3D,
)


# The paper's tables 5 and 7 are of generated views, not of renderings. They name no number of known
# views in 3D; 3, as in its table 4, in 4D the first one.
_AS_USUAL_3D = {"PSNR": 22.96, "SSIM": 0.774, "LPIPS": 0.341}
_NETWORK = "without alpha-fusing 20.75 and 1488.47 (model.disentangled = false)"
_INPUTS = (
    "cameras by cross attention 21.73 and 1331.62 (model.camera = cross_attention: tokens of rays"
    " here, one of pose and focal length there), without 3D data 16.38 and 1262.12, without 4D"
    " data 20.74 and 1240.57 (data.share_*)"
)


def _ablation(table: str, changed: str) -> tuple[Protocol, ...]:
    """Both kinds of scenes, by one checkpoint: trained as usual, or with a part changed."""
    about = (
        "Ablation. The paper, PSNR on Re10K (on LLFF too: 17.94 as usual) and FVD on Cam-DAVIS:"
        f" as usual 22.96 and 1208.93, {changed}"
    )
    scenes_3d = replace(TABLE_4, name=f"{table}-3d", about=about, paper={"3": _AS_USUAL_3D})
    scenes_4d = replace(
        TABLE_2, name=f"{table}-4d", about=about, num_given=(1,), paper={"1": TABLE_2.paper["1"]}
    )
    return scenes_3d, scenes_4d


TABLES: Mapping[str, tuple[Protocol, ...]] = {
    "2": (TABLE_2,),
    "4": (TABLE_4,),
    "5": _ablation("table5", _NETWORK),
    "7": _ablation("table7", _INPUTS),
}
LACKING: Mapping[str, str] = {
    "3": "needs images of single objects and 4D Gaussians fitted to orbits around them (CLIP-I of"
    " renderings, and minutes): shards hold scenes",
    "6": "needs images of single objects and 3D Gaussians fitted to orbits around them (CLIP-I of"
    " 7 renderings, and minutes): shards hold scenes",
}


def protocols_of(tables: str) -> tuple[Protocol, ...]:
    """Those of tables by number, with commas; ConfigError where one is unknown.

    Raises:
        BackendUnavailable: what a table needs cannot be had from shards.
    """
    names = [name.strip() for name in tables.split(",")]
    for name in names:
        if name in LACKING:
            raise BackendUnavailable(f"table {name} {LACKING[name]}")
        if name not in TABLES:
            known = ", ".join(TABLES)
            raise ConfigError(f"TABLE must be of {known}, with commas, got {name!r}")
    return tuple(protocol for name in names for protocol in TABLES[name])


def given_places(num_given: int, num_frames: int) -> tuple[int, ...]:
    """Where the released evaluation puts known views: evenly, from the first frame to the last."""
    return tuple(int(place) for place in np.linspace(0, num_frames - 1, num_given))


def scene_of(sample: Sample, kind: Kind, at: tuple[int, ...], options: DataOptions) -> Scene:
    """A training sample of which only the frames `at` are known."""
    assert sample.rgb is not None  # read without cached latents
    cameras = sample.cam_from_world
    if options.scale_rule == "cameras":  # the unit depends on the first known view
        cameras = scale_cameras(cameras, None, min(at), "cameras")
    return Scene(
        images=sample.rgb[list(at)],
        at=at,
        cam_from_world=cameras,
        K=sample.K,
        kind=kind,
        motion_id=sample.motion_id,
    )
