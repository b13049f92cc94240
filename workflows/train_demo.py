"""The training demo: a small model learns one generated room, and what it then does.

Clips of the demo's room are curated as any videos are, and trained on as any shards are. Then: does
it show the room from where it never saw it, does that help a fit to few views, is a clip
reproduced, does the motion strength decide how much moves, does the view follow the cameras? A
model this small shows that all parts work; it says nothing about unseen scenes.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from camvid.artifacts import F32
from camvid.books.index import read_index
from camvid.errors import RunAborted
from camvid.genxd.checkpoint import Checkpoint, load_checkpoint
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.sample import Sample
from camvid.genxd.diffusion import SamplerOptions
from camvid.genxd.protocols import TABLE_4, given_places
from camvid.genxd.radiance import FieldOptions
from camvid.genxd.sampling import Scene, conditions_of, sample_images
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.video_out import contact_sheet, to_rgb, write_png
from camvid.outcome import Kind
from camvid.plain import to_plain
from camvid.scenes.movie import read_video
from camvid.store import ClipStore
from workflows.curate import CurateConfig, Executor, curate
from workflows.paper_tables import ProtocolRun
from workflows.render_eval import GENERATED, KNOWN, TRUE, evaluate_by_rendering
from workflows.train import train
from workflows.train_demo_scenes import (
    BACK,
    HELD_OUT,
    MOVERS,
    STILL,
    write_held_out_video,
    write_training_videos,
)

# What is known by heart needs no guidance. Two steps from high noise give nearly the mean of what
# the model holds possible. Each further step adds error of so small a model: the full sampler is
# measured beside it.
SAMPLER = SamplerOptions(num_steps=2, guidance=1.0, sigma_max=50.0, sigma_min=5.0)
FULL_SAMPLER = SamplerOptions(guidance=1.0)
_CAPTIONS = {
    "held_out": "A camera path that was never trained on; made from its first, middle and last"
    " frame in 25 steps of the sampler; the same in two steps.",
    "rendered": "Its middle as a radiance field shows it that was fitted to its two ends; to two"
    " generated views between them too; to two true ones instead; as it is.",
    "reproduced": "The clip; made from its first frame; made from its first, middle and last; the"
    " same with all 25 steps of the sampler.",
    "motion": "The room at rest; made with motion strength 0; made with the clip's; the clip.",
    "cameras": "The clip; made from its middle frame; the clip of the way back; made from the same"
    " middle frame with the cameras of the way back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoNumbers:
    """What the trained model does; PSNR in dB over target frames, departures in grey levels."""

    minutes_training: float  # less than all where an earlier call was stopped
    first_loss: float
    last_loss: float
    # A path never trained on, from its first, middle and last frame; what copies would reach.
    psnr_held_out_db: float  # in 25 steps down to no noise
    psnr_held_out_two_steps_db: float
    psnr_held_out_copy_db: float  # of the nearest given frame
    psnr_held_out_nearest_db: float  # of the most similar of all frames trained on
    # A field fitted to that path's ends, to two generated views between them too, or to those two
    # as they are: renderings of its middle.
    psnr_rendered_db: float
    psnr_rendered_generated_db: float
    psnr_rendered_true_db: float
    # The clip with movers, from its first frame alone, and from its first, middle and last.
    psnr_one_view_db: float
    psnr_three_views_db: float
    psnr_full_sampler_db: float  # the same from three views in 25 steps down to no noise
    psnr_codec_db: float  # the most that the codec lets through
    psnr_copy_db: float  # of the nearest of three given frames in place of each target
    # Mean difference from the same views of the room at rest, by the motion strength asked for.
    departure_motion_0: float
    departure_motion_high: float
    departure_true: float  # of the clip itself
    # From one middle frame along the clip's path and along the way back: dB by which the frames
    # are nearer to the clip of their own path than to that of the other.
    nearer_forward_db: float
    nearer_backward_db: float


def run_train_demo(out: Path, config: TrainConfig, execute: Executor) -> DemoNumbers:
    """Curates, trains and measures; leaves images, numbers.json and README.md in `out`."""
    videos = write_training_videos(out / "videos")
    curate(videos, str(out / "run"), CurateConfig(), execute)
    held_out = write_held_out_video(out / "videos")
    curate([held_out], str(out / "run_held_out"), CurateConfig(), execute)
    started_s = time.perf_counter()
    done = train(str(out / "run"), out / "train", config, resume=True)
    if done.stopped:
        raise RunAborted(f"training was stopped at step {done.step}: the same command goes on")
    minutes = (time.perf_counter() - started_s) / 60
    checkpoint = load_checkpoint(done.checkpoint)
    clips = load_clips(out / "run", config)
    unseen = load_clips(out / "run_held_out", config)[HELD_OUT]
    first_loss, last_loss = read_losses(out / "train")
    numbers = DemoNumbers(
        minutes_training=minutes,
        first_loss=first_loss,
        last_loss=last_loss,
        **show_held_out(checkpoint, unseen, [*clips.values()], out),
        **render_held_out(checkpoint, unseen, out),
        **reproduce(checkpoint, clips[MOVERS], out),
        **compare_motion(checkpoint, clips[MOVERS], clips[STILL], out),
        **compare_cameras(checkpoint, clips[MOVERS], clips[BACK], out),
    )
    write_numbers(out, numbers)
    return numbers


def load_clips(run: Path, config: TrainConfig) -> dict[str, Sample]:
    """Each clip as it was trained on, by its video's name."""
    dataset = ClipDataset(str(run), config.data)
    names = {
        record.clip_id: Path(record.source_uri).stem for record in read_index(ClipStore(str(run)))
    }
    places = {int(row): dataset.index.place(int(row)).clip_id for row in dataset.rows}
    return {names[clip_id]: dataset[row] for row, clip_id in places.items()}


def read_losses(out: Path) -> tuple[float, float]:
    """Means of the first and the last five lines of the log."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    values = [event.value for event in events.Scalars("train/loss")]
    return float(np.mean(values[:5])), float(np.mean(values[-5:]))


def show_held_out(
    checkpoint: Checkpoint, clip: Sample, trained_on: Sequence[Sample], out: Path
) -> dict[str, float]:
    """A clip that was not trained on, from three of its frames."""
    true = _images(clip)
    given = given_places(3, len(true))
    in_full = _sample(checkpoint, clip, given, kind="3d", options=FULL_SAMPLER)
    in_two = _sample(checkpoint, clip, given, kind="3d")
    _write_rows(out / "held_out.png", [true, in_full, in_two], given)
    seen = np.concatenate([_images(other) for other in trained_on])
    errors = [np.square(seen - frame).mean(axis=(1, 2, 3)).argmin() for frame in true]
    return {
        "psnr_held_out_db": _psnr_db(in_full, true, given),
        "psnr_held_out_two_steps_db": _psnr_db(in_two, true, given),
        "psnr_held_out_copy_db": _psnr_db(_nearest_given(true, given), true, given),
        "psnr_held_out_nearest_db": _psnr_db(seen[errors], true, given),
    }


def render_held_out(checkpoint: Checkpoint, clip: Sample, out: Path) -> dict[str, float]:
    """What two generated views are good for, between the two ends of the same clip."""
    run = ProtocolRun(
        protocol=replace(TABLE_4, num_given=(2,)),
        checkpoint="train",
        shards=str(out / "run_held_out"),
        out=out,
        sampler=FULL_SAMPLER,
    )
    lines = evaluate_by_rendering(run, checkpoint, FieldOptions()).lines
    renderings = read_video(out / "render-eval" / f"{clip.clip_id}.mp4")[0]
    write_png(out / "rendered.png", cv2.resize(renderings, None, fx=3, fy=3))
    psnr_db = {line.views: line.measures[0].value or 0.0 for line in lines}
    return {
        "psnr_rendered_db": psnr_db[KNOWN],
        "psnr_rendered_generated_db": psnr_db[GENERATED],
        "psnr_rendered_true_db": psnr_db[TRUE],
    }


def reproduce(checkpoint: Checkpoint, clip: Sample, out: Path) -> dict[str, float]:
    """A clip that was trained on, from some of its frames."""
    true = _images(clip)
    one, three = (0,), given_places(3, len(true))
    from_one = _sample(checkpoint, clip, one)
    from_three = _sample(checkpoint, clip, three)
    in_full = _sample(checkpoint, clip, three, options=FULL_SAMPLER)
    coded = checkpoint.codec.decode(checkpoint.codec.encode(torch.from_numpy(true)[None]))[0]
    _write_rows(out / "reproduced.png", [true, from_one, from_three, in_full], three)
    return {
        "psnr_one_view_db": _psnr_db(from_one, true, one),
        "psnr_three_views_db": _psnr_db(from_three, true, three),
        "psnr_full_sampler_db": _psnr_db(in_full, true, three),
        "psnr_codec_db": _psnr_db(coded.numpy(), true, three),
        "psnr_copy_db": _psnr_db(_nearest_given(true, three), true, three),
    }


def compare_motion(
    checkpoint: Checkpoint, clip: Sample, still: Sample, out: Path
) -> dict[str, float]:
    """The same first frame and cameras with motion strength 0 and with the clip's own."""
    at_rest = _images(still)
    none = _sample(checkpoint, clip, (0,), motion_id=0.0)
    high = _sample(checkpoint, clip, (0,))
    _write_rows(out / "motion.png", [at_rest, none, high, _images(clip)], (0,))
    return {
        "departure_motion_0": _departure(none, at_rest),
        "departure_motion_high": _departure(high, at_rest),
        "departure_true": _departure(_images(clip), at_rest),
    }


def compare_cameras(
    checkpoint: Checkpoint, clip: Sample, back: Sample, out: Path
) -> dict[str, float]:
    """The same middle frame, where the two ways cross, with the cameras of one and of the other."""
    there, other = _images(clip), _images(back)
    middle = (len(there) // 2,)
    forward = _sample(checkpoint, clip, middle)
    way_back = replace(clip, cam_from_world=back.cam_from_world, K=back.K)
    backward = _sample(checkpoint, way_back, middle)
    _write_rows(out / "cameras.png", [there, forward, other, backward], middle)
    return {
        "nearer_forward_db": _psnr_db(forward, there, middle) - _psnr_db(forward, other, middle),
        "nearer_backward_db": _psnr_db(backward, other, middle) - _psnr_db(backward, there, middle),
    }


def write_numbers(out: Path, numbers: DemoNumbers) -> None:
    """numbers.json for programs, README.md for people."""
    values = to_plain(numbers)
    (out / "numbers.json").write_text(json.dumps(values, indent=2))
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in values.items())
    images = "\n\n".join(
        f"![{caption}]({name}.png)\n\n{caption}" for name, caption in _CAPTIONS.items()
    )
    (out / "README.md").write_text(f"# Training demo\n\n| | |\n|---|---|\n{rows}\n\n{images}\n")


def _sample(
    checkpoint: Checkpoint,
    clip: Sample,
    given: tuple[int, ...],
    *,
    kind: Kind = "4d",
    motion_id: float | None = None,
    options: SamplerOptions = SAMPLER,
) -> F32:
    """All frames [F, 3, H, W], made from the given ones."""
    scene = Scene(
        images=_images(clip)[list(given)],
        at=given,
        cam_from_world=clip.cam_from_world,
        K=clip.K,
        kind=kind,
        motion_id=clip.motion_id if motion_id is None else motion_id,
    )
    conditions = conditions_of([scene], checkpoint.codec)
    made = sample_images(checkpoint.model, checkpoint.codec, conditions, seeds=[0], options=options)
    return made[0].numpy()


def _images(clip: Sample) -> F32:
    assert clip.rgb is not None  # latents are not cached here
    return clip.rgb


def _nearest_given(true: F32, given: Sequence[int]) -> F32:
    return true[[min(given, key=lambda g: abs(g - i)) for i in range(len(true))]]


def _psnr_db(made: F32, true: F32, given: Sequence[int]) -> float:
    """Over the frames that were not given; images in [-1, 1]."""
    targets = [i for i in range(len(true)) if i not in given]
    return float(10 * np.log10(4 / np.square(made[targets] - true[targets]).mean()))


def _departure(made: F32, at_rest: F32) -> float:
    """Mean absolute difference in grey levels, the first frame left out: it is given."""
    return float(127.5 * np.abs(made[1:] - at_rest[1:]).mean())


def _write_rows(path: Path, rows: Sequence[F32], given: Sequence[int]) -> None:
    """A row per clip; given frames have a border."""
    num_frames = len(rows[0])
    is_given = np.tile(np.isin(np.arange(num_frames), given), len(rows))
    sheet = contact_sheet(to_rgb(np.concatenate(rows)), is_given, num_columns=num_frames)
    write_png(path, np.kron(sheet, np.ones((2, 2, 1), np.uint8)))
