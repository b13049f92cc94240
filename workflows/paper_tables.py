"""A checkpoint by a table of the paper: samples along the clips of shards, measured."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from camvid.artifacts import F32
from camvid.errors import ConfigError
from camvid.genxd.checkpoint import Checkpoint
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.order import Pick
from camvid.genxd.data.sample import Sample
from camvid.genxd.diffusion import SamplerOptions
from camvid.genxd.metrics import Measure, NetworkWeights, Scorer
from camvid.genxd.protocols import Protocol, given_places, scene_of
from camvid.genxd.sampling import conditions_of, sample_images
from camvid.genxd.video_out import to_rgb, write_mp4
from camvid.plain import to_plain

OnClip = Callable[[int], None]  # called with how many samples are done


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLine:
    """All clips with one number of known views."""

    num_given: int
    num_clips: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolResult:
    """What is written to OUT/<name>.json."""

    protocol: Protocol
    checkpoint: str
    shards: str
    sampler: SamplerOptions
    seed: int
    lines: tuple[ProtocolLine, ...]
    failed: Mapping[str, str]  # clip -> why it could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolRun:
    """Where a protocol is run, on what, and how."""

    protocol: Protocol
    checkpoint: str  # its name in the result
    shards: str
    out: Path
    weights: NetworkWeights = NetworkWeights()
    sampler: SamplerOptions = SamplerOptions()
    seed: int = 0
    max_clips: int | None = None


def run_protocol(
    run: ProtocolRun, checkpoint: Checkpoint, on_clip: OnClip | None = None
) -> ProtocolResult:
    """Samples every clip of the protocol's kind and measures; videos and numbers go to `out`."""
    options = run.protocol.options(checkpoint.trained_on)
    dataset = ClipDataset(run.shards, options)
    lines: list[ProtocolLine] = []
    failed: dict[str, str] = {}
    num_done = 0
    for num_given in run.protocol.num_given:
        scorer = Scorer(run.weights, checkpoint.model.device)
        num_clips = 0
        at = given_places(num_given, options.num_frames)
        for sample in samples_of(dataset, run, failed):
            made = to_rgb(generate(sample, at, run, checkpoint))
            true = to_rgb(true_images(sample))
            rows, columns = sample.content  # black bars are the same in both
            shown = (slice(None), rows, columns)
            scorer.add(made[shown], true[shown], ~np.isin(np.arange(len(made)), at))
            side_by_side = np.concatenate([made, true], axis=2)
            folder = run.out / f"{run.protocol.name}-views-{num_given}"
            write_mp4(folder / f"{sample.clip_id}.mp4", side_by_side)
            num_clips, num_done = num_clips + 1, num_done + 1
            if on_clip is not None:
                on_clip(num_done)
        measures = tuple(scorer.measures())
        lines.append(ProtocolLine(num_given=num_given, num_clips=num_clips, measures=measures))
    return _write(run, tuple(lines), failed)


def num_samples(run: ProtocolRun, trained_on: DataOptions) -> int:
    """How many a protocol makes."""
    dataset = ClipDataset(run.shards, run.protocol.options(trained_on))
    return len(run.protocol.num_given) * len(_rows(dataset, run))


def samples_of(dataset: ClipDataset, run: ProtocolRun, failed: dict[str, str]) -> Iterator[Sample]:
    """Each clip of the kind once, by itself; those that cannot be read are named."""
    for row in _rows(dataset, run):
        clip_id = dataset.index.place(row).clip_id
        sample, skipped = dataset.load(Pick(run.seed, row))
        if skipped:  # another clip stands in for it: right in training, not here
            failed[clip_id] = skipped[0].cause
        else:
            yield sample


def generate(
    sample: Sample, given: tuple[int, ...], run: ProtocolRun, checkpoint: Checkpoint
) -> F32:
    """All frames of a clip from its given ones, [F, 3, H, W] in [-1, 1]."""
    scene = scene_of(sample, run.protocol.kind, given, checkpoint.trained_on)
    made = sample_images(
        checkpoint.model,
        checkpoint.codec,
        conditions_of([scene], checkpoint.codec),
        seeds=[run.seed],
        options=run.sampler,
    )
    return made[0].numpy()


def true_images(sample: Sample) -> F32:
    """All frames as they are, [F, 3, H, W] in [-1, 1]."""
    assert sample.rgb is not None  # read without cached latents
    return sample.rgb


def _rows(dataset: ClipDataset, run: ProtocolRun) -> list[int]:
    groups = dataset.index.row_groups().get(run.protocol.kind, [])
    rows = [int(row) for group in groups for row in group][: run.max_clips]
    if not rows:
        raise ConfigError(
            f"{run.shards} must hold clips of kind {run.protocol.kind} for {run.protocol.name}"
        )
    return rows


def _write(
    run: ProtocolRun, lines: tuple[ProtocolLine, ...], failed: Mapping[str, str]
) -> ProtocolResult:
    result = ProtocolResult(
        protocol=run.protocol,
        checkpoint=run.checkpoint,
        shards=run.shards,
        sampler=run.sampler,
        seed=run.seed,
        lines=lines,
        failed=failed,
    )
    run.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_plain(result), indent=1)
    (run.out / f"{run.protocol.name}.json").write_text(text, encoding="utf-8")
    return result
