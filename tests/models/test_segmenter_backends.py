"""The segmenters with weights: the contract of all, and where each one's pixels lie.

The weights are small and random: shapes, loading and conventions are proven here, not quality.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from camvid.artifacts import U8, Frames, MaskedObject, ObjectMasks
from camvid.errors import BackendUnavailable
from camvid.models.protocols import Segmenter
from camvid.models.registry import backend_class, build_backend
from camvid.models.segmenters.labelled import logits_at
from camvid.models.segmenters.moving import moving_objects
from camvid.models.segmenters.options import (
    Mask2FormerOptions,
    RfDetrSegOptions,
    Sam2Options,
    SegmentAnythingOptions,
)
from camvid.models.segmenters.prompts import Prompt, prompts_of
from camvid.models.segmenters.sam2 import _Walk, prompt_places
from camvid.objects import Origin
from stages.segment import SegmentConfig
from tests.models import tiny_segmenters, torchvision_standin
from tests.models.crossing_scene import (
    BLUE,
    FPS,
    RED,
    ColourNetwork,
    clip_of,
    crossing,
    ids_are_true,
    wrong_versions,
)
from tests.models.segmenter_contract import assert_contract, segment

BACKENDS = ("saliency_motion", "segment_anything", "sam2", "mask2former", "rf_detr_seg")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Saves a backend's small checkpoint, once."""
    saved: dict[str, str] = {}

    def save(name: str) -> str:
        if name not in saved:
            folder = tmp_path_factory.mktemp("weights") / name
            saved[name] = str(getattr(tiny_segmenters, name)(folder))
        return saved[name]

    return save


@pytest.fixture
def build(
    checkpoint: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Segmenter]]:
    """A backend by name, with weights that know nothing, told to take all masks for good."""
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("CAMVID_THREADS", "1")  # small networks: threads would only wait
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def options(name: str, path: str, device: str) -> Any:
        where = {"checkpoint": path, "device": device}
        return {
            "segment_anything": lambda: SegmentAnythingOptions(
                **where,
                points_per_side=2,
                min_predicted_iou=-9.0,
                min_stability=-1.0,
                min_moving_share=0.0,
                max_area_fraction=1.0,
            ),
            "sam2": lambda: Sam2Options(**where),
            "mask2former": lambda: Mask2FormerOptions(**where, min_score=0.0),
            "rf_detr_seg": lambda: RfDetrSegOptions(**where, min_score=0.0),
        }[name]()

    with ExitStack() as stack:

        def make(name: str, weights: Path | None = None, device: str = "cpu") -> Segmenter:
            if name == "segment_anything":
                stack.enter_context(torchvision_standin.installed())
            config = SegmentConfig(backend=name)
            if name == "saliency_motion":
                chosen = config.options
            else:
                chosen = options(name, str(weights or checkpoint(name)), device)
            return backend_class(config)(chosen)

        yield make
    torch.set_num_threads(num_threads)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_contract(name: str, build: Callable[..., Segmenter]) -> None:
    rgb, _ = crossing(5)
    masks = assert_contract(build(name), rgb)
    assert masks.objects, "random or not, the path from mask to id must have been walked"


@pytest.mark.parametrize("name", ["sam2", "mask2former", "rf_detr_seg"])
def test_half_precision_runs_through(name: str, build: Callable[..., Segmenter]) -> None:
    """As on a GPU: no two dtypes meet on the way."""
    segmenter: Any = build(name)
    segmenter._model.to(torch.bfloat16)
    segment(segmenter, crossing(3)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", BACKENDS[1:])
def test_on_a_gpu(name: str, build: Callable[..., Segmenter]) -> None:
    segment(build(name, device="cuda"), crossing(5)[0])


@pytest.mark.parametrize("name", ["mask2former", "rf_detr_seg"])
def test_ids_are_true_to_the_pixel_where_the_network_knows(
    name: str, build: Callable[..., Segmenter]
) -> None:
    segmenter: Any = build(name)
    segmenter._model = ColourNetwork(name)
    if name == "mask2former":
        segmenter._settings = SimpleNamespace(
            size={"shortest_edge": 460, "longest_edge": 640},
            mean=segmenter._settings.mean,
            std=segmenter._settings.std,
        )
    else:
        segmenter._side_px = 560
    rgb, truth = crossing()
    masks = segmenter.segment(clip_of(rgb), Frames(rgb=rgb))
    assert ids_are_true(masks.object_id, truth)
    assert {item.label for item in masks.objects} == {"person", "car"}  # the wall may not move
    for mistake, ids in wrong_versions(masks).items():
        assert not ids_are_true(ids, truth), mistake


class ColourGenerator:
    """Stands for SAM that outlines all there is: the objects, a part of one, and the ground."""

    points_per_batch = 64

    def generate(self, rgb: U8) -> list[dict[str, Any]]:
        r, g, b = rgb.astype(int).transpose(2, 0, 1)
        red, blue = r - np.maximum(g, b) > 94, b - np.maximum(r, g) > 94
        part = red & (np.arange(rgb.shape[0]) > 60)[:, None]
        ground = ~(red | blue)
        tile = ground & (np.indices(red.shape).sum(axis=0) % 80 < 40)
        return [
            {"segmentation": mask, "predicted_iou": 0.9} for mask in (ground, part, tile, red, blue)
        ]


def test_sam_keeps_what_moves_as_a_whole(build: Callable[..., Segmenter]) -> None:
    segmenter: Any = build("segment_anything")
    segmenter._generator = ColourGenerator()
    segmenter._options = SegmentAnythingOptions()
    rgb, truth = crossing()
    masks = segmenter.segment(clip_of(rgb), Frames(rgb=rgb))
    assert ids_are_true(masks.object_id, truth)
    assert [item.origin for item in masks.objects] == [Origin.MOVING, Origin.MOVING]


def test_sam_asks_about_fewer_points_where_memory_ends(build: Callable[..., Segmenter]) -> None:
    class Small(ColourGenerator):
        def generate(self, rgb: U8) -> list[dict[str, Any]]:
            if self.points_per_batch > 16:
                raise torch.OutOfMemoryError
            return super().generate(rgb)

    segmenter: Any = build("segment_anything")
    segmenter._generator = Small()
    assert len(segmenter._look(crossing(1)[0][0])) == 5
    assert segmenter._generator.points_per_batch == 16


def test_sam_is_built_as_its_weights_say(checkpoint: Callable[[str], str]) -> None:
    with torchvision_standin.installed():
        from segment_anything import build_sam_vit_b

        from camvid.models.segmenters.sam_loading import _build

        with torch.device("meta"):
            whole = build_sam_vit_b()
            ours = _build(whole.state_dict())
        assert str(ours) == str(whole)
        assert [b.window_size for b in ours.image_encoder.blocks] == [
            b.window_size for b in whole.image_encoder.blocks
        ]


def test_sam_without_torchvision_says_what_to_install() -> None:
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed")
    with pytest.raises(
        BackendUnavailable, match=r"`segment_anything` needs the package torchvision.*pip install"
    ):
        backend_class(SegmentConfig(backend="segment_anything"))


@pytest.mark.parametrize("name", ["segment_anything", "sam2"])
def test_weights_of_another_model_are_refused(
    name: str, build: Callable[..., Segmenter], checkpoint: Callable[[str], str]
) -> None:
    other = Path(checkpoint("mask2former"))
    with pytest.raises(BackendUnavailable, match="must hold") as refused:
        build(name, other / "model.safetensors" if name == "segment_anything" else other)
    assert "\n" not in str(refused.value)


def test_sam2_takes_prompts_where_the_frame_shows_them(build: Callable[..., Segmenter]) -> None:
    """A point on the middle of a cell of features is encoded as the network encodes that cell."""
    model: Any = build("sam2")._model  # type: ignore[attr-defined]
    cells = model.get_image_wide_positional_embeddings()[0]  # [C, rows, columns]
    rows, columns = cells.shape[1:]
    width_px, height_px = 200, 120
    for row, column in ((0, 0), (5, 2), (7, 7)):
        x, y = (column + 0.5) * width_px / columns, (row + 0.5) * height_px / rows
        prompt = Prompt(
            item=MaskedObject(1, "", 1.0), frame=0, box_px=(x, y, x, y), inside_px=(x, y)
        )
        places = prompt_places(prompt, (width_px, height_px), tiny_segmenters.SIDE_PX)
        encoded = model.shared_image_embedding(
            torch.from_numpy(places)[None, None] + 0.5, (tiny_segmenters.SIDE_PX,) * 2
        )
        torch.testing.assert_close(
            encoded[0, 0], cells[:, row, column].expand(3, -1), atol=1e-4, rtol=0
        )


def test_sam2_fed_frame_by_frame_sees_what_a_whole_session_sees(
    build: Callable[..., Segmenter],
) -> None:
    segmenter: Any = build("sam2")
    rgb, truth = crossing(18)  # from 16 frames on the two count object pointers alike
    item = MaskedObject(1, "moving", 1.0)
    masks = ObjectMasks(object_id=(truth == 1).astype(np.uint16), objects=(item,))
    prompts = prompts_of(masks, 0.8)
    start = prompts[0].frame
    drawn: dict[int, np.ndarray] = {}
    canvas = SimpleNamespace(draw=lambda t, number, logits: drawn.update({t: logits}))
    walk = _Walk(segmenter._model, segmenter._settings, rgb, prompts, canvas, 1)
    with torch.inference_mode():
        for t in range(len(rgb)):
            walk.look([t])
        session = Sam2VideoInferenceSession(
            video=torch.stack([walk._pixels(t) for t in range(len(rgb))]),
            video_height=rgb.shape[1],
            video_width=rgb.shape[2],
            dtype=torch.float32,
        )
        places = prompt_places(prompts[0], (rgb.shape[2], rgb.shape[1]), tiny_segmenters.SIDE_PX)
        inputs = {
            "point_coords": torch.from_numpy(places)[None, None],
            "point_labels": torch.tensor([[[2, 3, 1]]]),
        }
        session.add_point_inputs(session.obj_id_to_idx(1), start, inputs)
        session.obj_with_new_inputs = [1]
        segmenter._model(session, frame_idx=start)
        for seen in segmenter._model.propagate_in_video_iterator(session, start_frame_idx=start):
            theirs = logits_at(seen.pred_masks[:, 0], rgb.shape[1:3])[0].numpy()
            np.testing.assert_allclose(drawn[seen.frame_idx], theirs, atol=1e-4)


def test_sam2_outlines_what_a_detector_names(
    build: Callable[..., Segmenter], checkpoint: Callable[[str], str]
) -> None:
    detector = RfDetrSegOptions(checkpoint=checkpoint("rf_detr_seg"), min_score=0.0)
    options = Sam2Options(checkpoint=checkpoint("sam2"), detector=detector)
    segmenter = build_backend(SegmentConfig(backend="sam2", options=options))
    masks = segment(segmenter, crossing(3)[0])
    assert masks.objects
    assert {item.label for item in masks.objects} <= {"person", "car"}
    assert [weight.name for weight in segmenter.weights] == ["sam2", "rf_detr_seg"]


def test_motion_shows_sam2_where_the_objects_are() -> None:
    rgb, truth = crossing()
    prompts = prompts_of(moving_objects(rgb, FPS, 320), 0.8)
    for number in (RED, BLUE):
        boxes = {p.frame: _box(truth[p.frame] == number) for p in prompts}
        inside = [p for p in prompts if _at(truth, p) == number]
        assert inside
        assert min(np.abs(np.array(p.box_px) - boxes[p.frame]).max() for p in inside) <= 2


def _at(truth: np.ndarray, prompt: Prompt) -> int:
    x, y = (int(v) for v in prompt.inside_px)
    return int(truth[prompt.frame, y, x])


def _box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]]) + 0.5
