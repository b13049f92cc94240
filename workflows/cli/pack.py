"""`camvid pack`: a run's shards, lean, for training."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workflows.cli.console import print_json
from workflows.cli.options import JsonOption, RayOption, WorkersOption

if TYPE_CHECKING:
    from workflows.pack import Packed


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, a folder of shards, a shard, or a URI.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="New, or of the same pack.")],
    side: Annotated[
        int, typer.Option(metavar="PIXELS", help="Images with a shorter side of so many.")
    ] = 0,
    square: Annotated[
        bool, typer.Option("--square", help="Of those the middle alone, as a centre crop has it.")
    ] = False,
    quality: Annotated[int, typer.Option(help="Of those images as JPEG.")] = 90,
    latents: Annotated[
        bool, typer.Option("--latents", help="Latents in place of images, in bfloat16.")
    ] = False,
    codec: Annotated[
        str, typer.Option(metavar="PATH", help="What encodes: a VAE's folder [fitted and packed].")
    ] = "",
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Of the images that are encoded.")
    ] = "256x256",
    fit: Annotated[
        Literal["centre_crop", "pad"], typer.Option(help="How they are brought to that size.")
    ] = "centre_crop",
    ray: RayOption = None,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Pack shards for training: small images or latents.

    `camvid train` reads them in place of a run.
    """
    from camvid.errors import ConfigError
    from camvid.exports.options import parse_size
    from camvid.genxd.data.packing import PackOptions
    from workflows.cli.steps import steps_bar
    from workflows.cli.stopping import stoppable
    from workflows.execution.parts import choose_writer
    from workflows.pack import Pack, pack_shards

    if latents == (side > 0):
        raise ConfigError("camvid pack needs either --side PIXELS or --latents")
    if latents:
        from workflows.cli.extras import require_train_extra

        require_train_extra()
    width_px, height_px = parse_size(size)
    options = PackOptions(
        side_px=side,
        square=square,
        jpeg_quality=quality,
        height_px=height_px,
        width_px=width_px,
        fit=fit,
        codec=codec,
    )
    write = choose_writer(ray, workers, with_gpu=latents)
    pack = Pack(uri=run, out=out, options=options).start()
    num_clips = sum(len(shard.clip_ids) for shard in pack.shards())
    with stoppable(), steps_bar(num_clips, "clips") as on_done:
        packed = pack_shards(pack, write=write, on_done=on_done)
    if as_json:
        print_json(packed)
    else:
        print(_summary(packed, out))
    raise typer.Exit(1 if any(each.failed for each in packed) else 0)


def _summary(packed: "list[Packed]", out: str) -> str:
    shards = [each.shard for each in packed if each.shard]
    num_clips = sum(shard.num_rows for shard in shards)
    mb_a_clip = sum(shard.size_bytes for shard in shards) / num_clips / 1e6
    lines = [f"{out}: {num_clips} clips, {mb_a_clip:.2f} MB each"]
    lines += [f"failed: clip {c.clip_id}: {c.why}" for each in packed for c in each.failed]
    return "\n".join(lines)
