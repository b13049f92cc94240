"""`camvid sample`: new views and instants for given images."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="Of `camvid train`, or a released GenXD.")
    ],
    image: Annotated[
        list[str], typer.Option("--image", metavar="FILE", help="A known view; may be repeated.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="F.mp4", help="The video.")],
    at: Annotated[
        list[int] | None,
        typer.Option("--at", metavar="INDEX", help="The frame of each image [evenly apart]."),
    ] = None,
    camera: Annotated[
        str,
        typer.Option(
            help="orbit, forward, pan, dolly_zoom, spiral or static, each with :AMOUNT if wanted;"
            " cameras.json; a TUM trajectory; SHARDS#CLIP."
        ),
    ] = "orbit",
    kind: Annotated[
        Literal["4d", "3d", "video"],
        typer.Option(help="4d; 3d: nothing moves; video: no camera."),
    ] = "4d",
    motion: Annotated[float, typer.Option(min=0, help="Motion strength x100.")] = 0.5,
    frames: Annotated[int | None, typer.Option(min=2, help="How many [as trained].")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Multiples of 64 [as trained].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same video.")] = 0,
    steps: Annotated[int, typer.Option(min=2, help="Of the sampler.")] = 25,
    guidance: Annotated[float, typer.Option(help="1: the conditions alone.")] = 3.0,
    group: Annotated[
        int, typer.Option(metavar="N", help="Frames made together, near each other [0: all].")
    ] = 0,
    video: Annotated[
        str, typer.Option(metavar="FILE", help="Start from this video, noised, not from noise.")
    ] = "",
    strength: Annotated[
        float, typer.Option(help="How much of a video is made anew: 1: all of it.")
    ] = 1.0,
    scene_scale: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Depth of the scene in the unit of a camera file [1]."),
    ] = None,
    codec: Annotated[
        str | None, typer.Option(metavar="PATH", help="A VAE's folder [the checkpoint's own].")
    ] = None,
    device: Annotated[str, typer.Option(help="cuda, cpu, ... [cuda where there is one].")] = "",
) -> None:
    """Sample a video along a camera path.

    From images or a video, at a motion strength.
    """
    from workflows.cli.extras import require_train_extra

    require_train_extra()
    from camvid.genxd.diffusion import SamplerOptions
    from workflows.cli.steps import steps_bar
    from workflows.sample import (
        SampleRequest,
        load,
        parse_size,
        places,
        sample,
        write_sample,
    )

    request = SampleRequest(
        images=tuple(image),
        at=tuple(at or ()),
        camera=camera,
        kind=kind,
        motion=motion,
        num_frames=frames,
        size_hw=parse_size(size) if size else None,
        scene_scale=scene_scale,
        seeds=(seed,),
        group=group,
        video=video,
    )
    loaded = load(checkpoint, codec, device)
    with steps_bar(steps) as on_step:
        options = SamplerOptions(num_steps=steps, guidance=guidance, strength=strength)
        made = sample(loaded, request, options, on_step)
    given = places(request, len(made[0]))
    for path in write_sample(Path(out), made[0], given):
        print(f"written to {path}")
