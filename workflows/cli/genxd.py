"""`camvid genxd`: measure what a model makes, by itself or by the tables of the paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflows.cli.console import number, print_json, table
from workflows.cli.options import JsonOption

if TYPE_CHECKING:
    from workflows.paper_tables import ProtocolResult
    from workflows.render_eval import RenderEval

app = typer.Typer(
    help="Measure what a GenXD model makes.", no_args_is_help=True, rich_markup_mode=None
)

LpipsOption = Annotated[
    str, typer.Option("--lpips-weights", metavar="PATH", help="TorchScript VGG16 with LPIPS heads.")
]
FidOption = Annotated[
    str, typer.Option("--fid-weights", metavar="PATH", help="TorchScript Inception, 2048 features.")
]
FvdOption = Annotated[
    str, typer.Option("--fvd-weights", metavar="PATH", help="TorchScript I3D, 400 logits.")
]
ClipOption = Annotated[
    str, typer.Option("--clip-weights", metavar="PATH", help="TorchScript image encoder of CLIP.")
]
DeviceOption = Annotated[str, typer.Option(help="cuda, cpu, ... [cuda where there is one].")]


@app.callback()
def genxd() -> None:
    """Measure what a GenXD model makes."""


@app.command("metrics")
def metrics(
    made: Annotated[str, typer.Argument(metavar="MADE", help="Videos, or folders of images.")],
    truth: Annotated[str, typer.Option("--truth", metavar="DIR", help="The same, as they are.")],
    lpips: LpipsOption = "",
    clip: ClipOption = "",
    fid: FidOption = "",
    fvd: FvdOption = "",
    device: DeviceOption = "",
    as_json: JsonOption = False,
) -> None:
    """PSNR, SSIM; with weights LPIPS, CLIP-I, FID, FVD: generated clips against true ones."""
    from workflows.cli.extras import require_train_extra

    require_train_extra()
    from camvid.genxd.device import choose_device
    from camvid.genxd.metrics import NetworkWeights
    from workflows.metrics import score_folders

    weights = NetworkWeights(lpips=lpips, clip=clip, fid=fid, fvd=fvd)
    measures = score_folders(made, truth, weights, choose_device(device))
    if as_json:
        print_json(measures)
    else:
        rows = [[m.name, number(m.value, 3), str(m.count), m.note] for m in measures]
        print(table(["measure", "mean", "of", ""], rows))


@app.command("table")
def table_of_paper(
    tables: Annotated[
        str,
        typer.Argument(
            metavar="TABLES",
            help="With commas. 2: 4D scenes; 4: few views in 3D; 5, 7: both, for ablations.",
        ),
    ],
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="Of `camvid train`, or a released GenXD.")
    ],
    shards: Annotated[str, typer.Argument(metavar="SHARDS", help="A run, or its shards.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="For videos and numbers.")],
    clips: Annotated[int | None, typer.Option(min=1, help="The first N alone [all].")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Of the sampler.")] = 25,
    guidance: Annotated[float, typer.Option(help="1: the conditions alone.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and frames.")] = 0,
    lpips: LpipsOption = "",
    clip: ClipOption = "",
    fid: FidOption = "",
    fvd: FvdOption = "",
    codec: Annotated[
        str | None, typer.Option(metavar="PATH", help="A VAE's folder [the checkpoint's own].")
    ] = None,
    device: DeviceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sample the clips of SHARDS as tables of the paper do, and measure."""
    from workflows.cli.extras import require_train_extra

    require_train_extra()
    from camvid.genxd.diffusion import SamplerOptions
    from camvid.genxd.metrics import NetworkWeights
    from camvid.genxd.protocols import protocols_of
    from workflows.cli.steps import steps_bar
    from workflows.paper_tables import ProtocolRun, num_samples, run_protocol
    from workflows.sample import load

    protocols = protocols_of(tables)
    loaded = load(checkpoint, codec, device)
    results: list[ProtocolResult] = []
    for protocol in protocols:
        run = ProtocolRun(
            protocol=protocol,
            checkpoint=checkpoint,
            shards=shards,
            out=Path(out),
            weights=NetworkWeights(lpips=lpips, clip=clip, fid=fid, fvd=fvd),
            sampler=SamplerOptions(num_steps=steps, guidance=guidance),
            seed=seed,
            max_clips=clips,
        )
        with steps_bar(num_samples(run, loaded.trained_on), "samples") as on_clip:
            results.append(run_protocol(run, loaded, on_clip))
        if not as_json:
            print(protocol_table(results[-1]))
    if as_json:
        print_json(results)
    raise typer.Exit(1 if any(result.failed for result in results) else 0)


@app.command("render-eval")
def render_eval(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="Of `camvid train`, or a released GenXD.")
    ],
    shards: Annotated[str, typer.Argument(metavar="SHARDS", help="A run, or its shards.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="For videos and numbers.")],
    clips: Annotated[int | None, typer.Option(min=1, help="The first N alone [all].")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Of the sampler.")] = 25,
    guidance: Annotated[float, typer.Option(help="1: the conditions alone.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Of noise and frames.")] = 0,
    lpips: LpipsOption = "",
    codec: Annotated[
        str | None, typer.Option(metavar="PATH", help="A VAE's folder [the checkpoint's own].")
    ] = None,
    device: DeviceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Fit a small radiance field to 3 views of each 3D clip, with generated views and without.

    What is measured are renderings of views that no fit has seen, as in the paper's Table 4. The
    third line, with true views in place of the generated ones, is what the best model could reach.
    """
    from workflows.cli.extras import require_train_extra

    require_train_extra()
    from camvid.genxd.diffusion import SamplerOptions
    from camvid.genxd.metrics import NetworkWeights
    from camvid.genxd.protocols import TABLE_4
    from camvid.genxd.radiance import FieldOptions
    from workflows.cli.steps import steps_bar
    from workflows.paper_tables import ProtocolRun, num_samples
    from workflows.render_eval import evaluate_by_rendering
    from workflows.sample import load

    loaded = load(checkpoint, codec, device)
    run = ProtocolRun(
        protocol=TABLE_4,
        checkpoint=checkpoint,
        shards=shards,
        out=Path(out),
        weights=NetworkWeights(lpips=lpips),
        sampler=SamplerOptions(num_steps=steps, guidance=guidance),
        seed=seed,
        max_clips=clips,
    )
    with steps_bar(num_samples(run, loaded.trained_on), "clips") as on_clip:
        result = evaluate_by_rendering(run, loaded, FieldOptions(), on_clip)
    if as_json:
        print_json(result)
    else:
        print(rendered_table(result))
    raise typer.Exit(1 if result.failed else 0)


def rendered_table(result: "RenderEval") -> str:
    """A line per choice of views and measure."""
    rows = [
        [line.views, m.name, number(m.value, 3), str(m.count), m.note]
        for line in result.lines
        for m in line.measures
    ]
    failed = [f"failed: clip {clip}: {cause}" for clip, cause in result.failed.items()]
    return "\n".join([table(["fitted to", "measure", "mean", "of", ""], rows), *failed])


def protocol_table(result: "ProtocolResult") -> str:
    """A line per number of known views and measure, the paper's number beside it."""
    rows: list[list[str]] = []
    for line in result.lines:
        paper = result.protocol.paper.get(str(line.num_given), {})
        for measure in line.measures:
            published = number(paper.get(measure.name), 2)
            mean = number(measure.value, 3)
            views = str(line.num_given)
            rows.append([views, measure.name, mean, published, str(measure.count), measure.note])
    failed = [f"failed: clip {clip}: {cause}" for clip, cause in result.failed.items()]
    header = ["views", "measure", "mean", "paper", "of", ""]
    return "\n".join([result.protocol.about, "", table(header, rows), *failed])
