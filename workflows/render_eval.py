"""What generated views are good for: a scene fitted to a few views, with them and without.

As the paper's Table 4: the fits are rendered at views of a static scene that none has seen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from camvid.artifacts import F32
from camvid.errors import ConfigError
from camvid.genxd.checkpoint import Checkpoint
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.options import DataOptions
from camvid.genxd.data.sample import Sample
from camvid.genxd.diffusion import SamplerOptions
from camvid.genxd.metrics import Measure, Scorer
from camvid.genxd.protocols import Protocol, given_places
from camvid.genxd.radiance import FieldOptions, fit_field
from camvid.genxd.video_out import to_rgb, write_mp4
from camvid.plain import to_plain
from workflows.paper_tables import OnClip, ProtocolRun, generate, samples_of, true_images

KNOWN, GENERATED, TRUE = "known views", "generated views too", "true views in their place"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedLine:
    """What fits to one choice of views show, over all clips."""

    views: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderEval:
    """What is written to OUT/render-eval.json."""

    protocol: Protocol
    checkpoint: str
    shards: str
    sampler: SamplerOptions
    seed: int
    field: FieldOptions
    num_clips: int
    lines: tuple[RenderedLine, ...]
    failed: Mapping[str, str]  # clip -> why it could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Frames of a clip: known, generated, and those whose renderings are judged."""

    given: tuple[int, ...]
    generated: tuple[int, ...]
    judged: tuple[int, ...]


def split_frames(num_frames: int, num_given: int) -> Split:
    """Known views evenly from end to end; of the others every second one is judged."""
    given = given_places(num_given, num_frames)
    others = tuple(frame for frame in range(num_frames) if frame not in given)
    if len(others) < 2:
        raise ConfigError(
            f"num_frames must be {num_given + 2} or more, one to generate and one to judge,"
            f" got {num_frames}"
        )
    return Split(given=given, generated=others[::2], judged=others[1::2])


def evaluate_by_rendering(
    run: ProtocolRun,
    checkpoint: Checkpoint,
    field: FieldOptions,
    on_clip: OnClip | None = None,
) -> RenderEval:
    """Fits each clip of the protocol three times; videos and numbers go to `run.out`."""
    options = _in_scene_units(run.protocol.options(checkpoint.trained_on))
    split = split_frames(options.num_frames, run.protocol.num_given[0])
    scorers = {name: Scorer(run.weights) for name in (KNOWN, GENERATED, TRUE)}
    failed: dict[str, str] = {}
    num_clips = 0
    for sample in samples_of(ClipDataset(run.shards, options), run, failed):
        made = generate(sample, split.given, run, checkpoint)
        images = {n: to_rgb(rgb) for n, rgb in render_splits(sample, made, split, field).items()}
        true = to_rgb(true_images(sample)[list(split.judged)])
        shown = (slice(None), *sample.content)  # black bars are the same in both
        for name, rendered in images.items():
            scorers[name].add(rendered[shown], true[shown])
        side_by_side = np.concatenate([*images.values(), true], axis=2)
        write_mp4(run.out / "render-eval" / f"{sample.clip_id}.mp4", side_by_side)
        num_clips += 1
        if on_clip is not None:
            on_clip(num_clips)
    lines = tuple(
        RenderedLine(views=name, measures=_of_table(scorer, run))
        for name, scorer in scorers.items()
    )
    result = RenderEval(
        protocol=run.protocol,
        checkpoint=run.checkpoint,
        shards=run.shards,
        sampler=run.sampler,
        seed=run.seed,
        field=field,
        num_clips=num_clips,
        lines=lines,
        failed=failed,
    )
    text = json.dumps(to_plain(result), indent=1)
    (run.out / "render-eval.json").write_text(text, encoding="utf-8")
    return result


def render_splits(sample: Sample, made: F32, split: Split, field: FieldOptions) -> dict[str, F32]:
    """The judged frames as each fit shows them, [J, 3, H, W] in [-1, 1]."""
    true = true_images(sample)
    mixed = true.copy()
    mixed[list(split.generated)] = made[list(split.generated)]
    more = (*split.given, *split.generated)
    return {
        KNOWN: _rendered(sample, true, split.given, split, field),
        GENERATED: _rendered(sample, mixed, more, split, field),
        TRUE: _rendered(sample, true, more, split, field),
    }


def _rendered(
    sample: Sample, rgb: F32, fitted: Sequence[int], split: Split, options: FieldOptions
) -> F32:
    chosen, cameras, K = list(fitted), sample.cam_from_world, sample.K
    field = fit_field(rgb[chosen], cameras[chosen], K[chosen], options)
    image_hw = rgb.shape[2], rgb.shape[3]
    return np.stack([field.render(cameras[frame], K[frame], image_hw) for frame in split.judged])


def _in_scene_units(options: DataOptions) -> DataOptions:
    """With cameras in median depths, as the fit needs them; `scene_of` makes them the model's."""
    if options.scale_rule == "none":
        raise ConfigError("the model must be trained with data.scale_rule scene or cameras")
    return replace(options, scale_rule="scene")


def _of_table(scorer: Scorer, run: ProtocolRun) -> tuple[Measure, ...]:
    return tuple(m for m in scorer.measures() if m.name in run.protocol.measures)
