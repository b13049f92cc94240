"""How good the moving average is on clips it does not train on: loss, PSNR, images, videos."""

import logging
import math
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from torch import Tensor

from camvid.genxd.data.dataset import ClipDataset
from camvid.genxd.data.loader import Batch, collate
from camvid.genxd.diffusion import SamplerOptions, velocity_loss
from camvid.genxd.sampling import sample_images
from camvid.genxd.training.board import Board
from camvid.genxd.training.checkpoints import Training
from camvid.genxd.training.noise import draw_noise
from camvid.genxd.training.options import TrainConfig
from camvid.genxd.video_out import contact_sheet, to_rgb, write_mp4, write_png

log = logging.getLogger(__name__)

FOLDER = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over the validation samples."""

    loss: float
    psnr_db: float  # of sampled target frames against the clip's, the codec's own error included


class Validation:
    """The same samples every time, so that what changes is the model."""

    def __init__(self, dataset: ClipDataset, config: TrainConfig) -> None:
        """`dataset`: of the held-out clips where there are any; with images, unless packed."""
        order = dataset.order()
        picks = [order.pick(number) for number in range(config.validation.num_samples)]
        loaded = [(pick, *dataset.load(pick)) for pick in picks]
        # One at a time: a batch of validation must not need more memory than one of training.
        self._batches = [collate([one]) for one in loaded]
        self._config = config

    def run(self, training: Training, out: Path, board: Board, step: int) -> Scores:
        """All processes compute the same, as sharded weights need them all; the first one writes.

        OUT/validation/step-00001000/0.mp4 and 0.png: above what was made, below what is true.
        """
        with training.average.applied():
            found = [
                self._run_one(training, batch, out / FOLDER / f"step-{step:08d}", board, step)
                for batch in self._batches
            ]
        losses, psnrs = zip(*found, strict=True)
        scores = Scores(loss=_mean(losses), psnr_db=_mean(psnrs))
        board.numbers(step, {"validation/loss": scores.loss, "validation/psnr_db": scores.psnr_db})
        if training.accelerator.is_main_process:
            log.info("step %d: validation loss %.4f, PSNR %.2f dB", step, *astuple(scores))
        return scores

    @torch.no_grad()
    def _run_one(
        self, training: Training, batch: Batch, folder: Path, board: Board, step: int
    ) -> tuple[float, float]:
        accelerator, options = training.accelerator, self._config.validation
        latents = batch.encoded(training.codec, accelerator.device)
        conditions = batch.conditions(latents)
        noise, sigma = draw_noise(
            batch.numbers.tolist(), latents.shape[1:], self._config.noise, self._config.run.seed
        )
        number = int(batch.numbers[0])
        with training.autocast():
            loss = velocity_loss(
                training.unet, latents, noise.to(latents), sigma.to(latents), conditions
            )
            made = sample_images(
                training.unet,
                training.codec,
                conditions,
                seeds=[number],
                options=SamplerOptions(
                    num_steps=options.num_sampler_steps, guidance=options.guidance
                ),
            )
        true = batch.images(training.codec)[0]
        if accelerator.is_main_process:
            _write(folder / str(number), made[0], true, batch.is_given[0], board, step)
        return float(loss.mean()), psnr_db(made[0], true, ~batch.is_given[0])


def psnr_db(made_FCHW: Tensor, true_FCHW: Tensor, chosen_F: Tensor) -> float:
    """Of the chosen frames together; images in [-1, 1]."""
    error = (made_FCHW[chosen_F] - true_FCHW[chosen_F]).square().mean().item()
    return 10 * math.log10(4 / max(error, 1e-12))


def _write(
    path: Path, made: Tensor, true: Tensor, is_given: Tensor, board: Board, step: int
) -> None:
    frames = to_rgb(torch.cat([made, true], dim=-2).numpy())
    sheet = contact_sheet(frames, is_given.numpy())
    write_mp4(path.with_suffix(".mp4"), frames)
    write_png(path.with_suffix(".png"), sheet)
    board.image(step, f"validation/{path.name}", torch.from_numpy(sheet).movedim(-1, 0) / 255)


def _mean(values: tuple[float, ...]) -> float:
    return math.fsum(values) / len(values)
