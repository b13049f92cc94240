"""The training demo: a small model learns a few generated clips by heart, and what it then does.

Clips of the demo's room are curated as any videos are, and trained on as any shards are. Then:
is a clip reproduced, does the motion strength decide how much moves, does the view follow the
cameras? A model this small shows that all parts work; it says nothing about unseen scenes.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from camvid.artifacts import F32
from camvid.books.index import read_index
from camvid.errors import RunAborted
from camvid.genxd.checkpoint import Checkpoint, load_checkpoint
from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.sample import Sample
from camvid.genxd.diffusion import SamplerOptions
from camvid.genxd.sampling import Scene, conditions_of, sample_images
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.video_out import contact_sheet, to_rgb, write_png
from camvid.outcome import Kind
from camvid.plain import to_plain
from camvid.scenes.demo import demo_scenes
from camvid.scenes.files import write_scene
from camvid.scenes.motion import Orbit, RigidMotion
from camvid.scenes.render import render
from camvid.scenes.spec import Body, SceneSpec
from camvid.store import ClipStore
from workflows.curate import CurateConfig, Executor, curate
from workflows.train import train

SLOWER = 0.25  # of the movers' speed in the clip from which the model learns what less motion is
WAY, NUM_FRAMES = 0.5, 36  # of the demo's orbits; half the way in three quarters of the time
MOVERS, STILL, BACK = "orbit_movers", "orbit_still", "back_movers"
# What is known by heart needs no guidance. Two steps from high noise give nearly the mean of what
# the model holds possible. Each further step adds error of so small a model: the full sampler is
# measured beside it.
SAMPLER = SamplerOptions(num_steps=2, guidance=1.0, sigma_max=50.0, sigma_min=5.0)
FULL_SAMPLER = SamplerOptions(guidance=1.0)
_CAPTIONS = {
    "reproduced": "The clip; made from its first frame; made from its first, middle and last; the"
    " same with all 25 steps of the sampler.",
    "motion": "The room at rest; made with motion strength 0; made with the clip's; the clip.",
    "cameras": "The clip; made from its middle frame; the clip of the way back; made from the same"
    " middle frame with the cameras of the way back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoNumbers:
    """What the trained model does; PSNR in dB over target frames, departures in grey levels."""

    minutes_training: float
    first_loss: float
    last_loss: float
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


def write_training_videos(folder: Path) -> list[str]:
    """The demo's orbits, cut short: with movers, without, with slower ones, and the ways back.

    As many go there as back: else the network learns where most go, not to heed the cameras.
    """
    movers, still = (_shorter(scene) for scene in demo_scenes()[:2])
    slow = replace(
        movers, name="orbit_slow", objects=tuple(_slower(body) for body in movers.objects)
    )
    scenes = [movers, still, slow, _backwards(movers, BACK), _backwards(slow, "back_slow")]
    return [_write(scene, folder) for scene in scenes]


def run_train_demo(out: Path, config: TrainConfig, execute: Executor) -> DemoNumbers:
    """Curates, trains and measures; leaves images, numbers.json and README.md in `out`."""
    videos = write_training_videos(out / "videos")
    curate(videos, str(out / "run"), CurateConfig(), execute)
    started_s = time.perf_counter()
    done = train(str(out / "run"), out / "train", config, resume=True)
    if done.stopped:
        raise RunAborted(f"training was stopped at step {done.step}: the same command goes on")
    minutes = (time.perf_counter() - started_s) / 60
    checkpoint = load_checkpoint(done.checkpoint)
    clips = load_clips(out / "run", config)
    first_loss, last_loss = read_losses(out / "train")
    numbers = DemoNumbers(
        minutes_training=minutes,
        first_loss=first_loss,
        last_loss=last_loss,
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


def reproduce(checkpoint: Checkpoint, clip: Sample, out: Path) -> dict[str, float]:
    """A clip that was trained on, from some of its frames."""
    true = _images(clip)
    last = len(true) - 1
    one, three = (0,), (0, (last - 2) // 2 + 1, last)
    from_one = _sample(checkpoint, clip, one)
    from_three = _sample(checkpoint, clip, three)
    in_full = _sample(checkpoint, clip, three, options=FULL_SAMPLER)
    coded = checkpoint.codec.decode(checkpoint.codec.encode(torch.from_numpy(true)[None]))[0]
    nearest = [min(three, key=lambda given: abs(given - i)) for i in range(len(true))]
    _write_rows(out / "reproduced.png", [true, from_one, from_three, in_full], three)
    return {
        "psnr_one_view_db": _psnr_db(from_one, true, one),
        "psnr_three_views_db": _psnr_db(from_three, true, three),
        "psnr_full_sampler_db": _psnr_db(in_full, true, three),
        "psnr_codec_db": _psnr_db(coded.numpy(), true, three),
        "psnr_copy_db": _psnr_db(true[nearest], true, three),
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


def _write(scene: SceneSpec, folder: Path) -> str:
    path = folder / f"{scene.name}.mp4"
    if not path.exists():
        shutil.copyfile(write_scene(render(scene), folder / "truth" / scene.name), path)
    return str(path)


def _shorter(scene: SceneSpec) -> SceneSpec:
    """The middle of the way: so that less comes into view, which is less to learn."""
    path = scene.path
    assert isinstance(path, Orbit)
    (low_m, high_m), (start_deg, end_deg) = (
        _middle(ends, WAY) for ends in (path.height_m, path.angle_deg)
    )
    part = replace(path, height_m=(low_m, high_m), angle_deg=(start_deg, end_deg))
    return replace(scene, path=part, num_frames=NUM_FRAMES)


def _middle(ends: tuple[float, float], share: float) -> tuple[float, float]:
    centre, half = (ends[0] + ends[1]) / 2, share * (ends[1] - ends[0]) / 2
    return centre - half, centre + half


def _slower(body: Body) -> Body:
    motion = body.motion
    assert isinstance(motion, RigidMotion)
    slow = {
        name: tuple(SLOWER * value for value in getattr(motion, name))
        for name in ("velocity_m_per_s", "swing_m", "spin_deg_per_s")
    }
    return replace(body, motion=replace(motion, **slow))


def _backwards(scene: SceneSpec, name: str) -> SceneSpec:
    path = scene.path
    assert isinstance(path, Orbit)
    (low_m, high_m), (start_deg, end_deg) = path.height_m, path.angle_deg
    back = replace(path, height_m=(high_m, low_m), angle_deg=(end_deg, start_deg))
    return replace(scene, name=name, path=back)
