"""Split: a video into clips of one shot each, at the working frame rate and size."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from camvid.known import load_known
from camvid.models.protocols import ShotDetector
from camvid.models.registry import BackendConfig, build_backend, weights_of
from camvid.models.shots.options import TransNetV2Options
from camvid.models.shots.pyscenedetect import PySceneDetectOptions
from camvid.settings import setting, table
from camvid.stage import Resources, fingerprint
from camvid.video.container import local_copy
from camvid.video.cut import CutClip, CutOptions, find_and_cut
from camvid.video.probe import probe
from camvid.video.source import Source
from camvid.weights import Weight

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig(BackendConfig):
    """Where shots end, and what a clip must be."""

    role: ClassVar[str] = "shot detector"

    known: ClassVar[Mapping[str, Any]] = {
        "pyscenedetect": PySceneDetectOptions(),
        "transnetv2": TransNetV2Options(),
    }

    cut: CutOptions = table(CutOptions())
    licence: str = setting("", "text", "Licence of the videos, copied into every clip and shard.")
    image_fps: float = setting(24.0, "frames/s", "Frame rate of folders of numbered images.")
    resources: Resources = Resources(cpus=0.5)
    known_clips: str = ""  # file of other runs' clips, of which copies are taken no further

    def build(self) -> "Split":
        return Split(self)


class Split:
    """Video -> clips, one after another."""

    name: ClassVar[str] = "split"
    version: ClassVar[int] = 2

    def __init__(self, config: SplitConfig) -> None:
        self.config = config
        self._detector: ShotDetector = build_backend(config)
        self.weights: tuple[Weight, ...] = weights_of(self._detector)
        self.known = load_known(config.known_clips)

    def fingerprint(self, *inputs: str) -> str:
        """Identity of what comes of these inputs, cut so and with these weights."""
        used = [weight.sha256 for weight in self.weights]
        return fingerprint(self.name, self.version, self.config, [*inputs, *used])

    def __call__(self, source: Source) -> Iterator[CutClip]:
        config = self.config
        with local_copy(source.uri) as path:
            video = replace(
                probe(source.uri, image_fps=config.image_fps, local=path),
                uri=source.name,
                licence=source.licence or config.licence,
                caption=source.caption,
                calibration=source.calibration,
                listed=source.listed,
            )
            within = source.start_s, source.end_s
            detect = self._detector.detect
            yield from find_and_cut(video, detect, config.cut, path=path, within=within)
