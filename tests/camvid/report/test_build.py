"""The report of a small made-up run: hostile names, links, determinism, missing evidence."""

import math
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from camvid.artifacts import (
    NAN,
    Clip,
    DepthMaps,
    Frames,
    MaskedObject,
    MotionReport,
    ObjectMasks,
    ObjectMotion,
    PointTracks,
    Reconstruction,
    ReconstructionQuality,
    Verdict,
    Video,
)
from camvid.errors import StoreError
from camvid.outcome import Reason
from camvid.record import ClipRecord, Measures
from camvid.report.build import build_report
from camvid.report.evidence import ClipEvidence
from camvid.report.funnel import funnel_from_index

HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
HOSTILE_NAME = "<img src=x onerror=alert(1)>.mp4"
HOSTILE_URI = f"s3://bucket/javascript:alert(1)/{HOSTILE_NAME}"
T, H, W = 24, 90, 160
KIND_OF = {"aa01": "4d", "aa02": "3d", "aa03": "video", "aa04": "none", "aa05": "failed"}


def index_row(clip_id: str, kind: str, *reasons: Reason, **changes: Any) -> ClipRecord:
    status: Any = {"none": "rejected", "failed": "failed"}.get(kind, "ok")
    known: Any = "" if kind == "failed" else kind
    values: dict[str, Any] = {
        "source_uri": HOSTILE_URI,
        "start_s": 1.5,
        "end_s": 4.5,
        "stopped_at": {"none": "filter", "failed": "track"}.get(kind, ""),
        "measures": MEASURED,
    }
    return ClipRecord(
        clip_id=clip_id,
        video_id=f"v{clip_id}",
        licence=HOSTILE,
        status=status,
        kind=known,
        reasons=reasons,
        seconds=12.5,
        **values | changes,
    )


MEASURED = Measures(
    camera="moving", motion_strength=0.0279, motion_background=0.00025, registered_fraction=1.0
)


def run_rows() -> list[ClipRecord]:
    still, fixed = Reason("min_motion_strength", 0.0002, 0.003), Reason("camera_fixed")
    static, unmoved = replace(MEASURED, motion_strength=0.0002), replace(MEASURED, camera="fixed")
    short = Reason("min_clip_s", 0.5, 1.5)
    return [
        index_row("aa01", "4d"),
        index_row("aa02", "3d", still, measures=static),
        index_row("aa03", "video", fixed, measures=unmoved),
        index_row("aa04", "none", fixed, Reason(HOSTILE), still, measures=unmoved),
        index_row("aa05", "failed", error=HOSTILE, measures=Measures()),
        index_row("", "none", short, start_s=math.nan),
        index_row("", "failed", error=f"VideoError: cannot decode {HOSTILE}", start_s=math.nan),
    ]


def moving_reconstruction(camera: str) -> Reconstruction:
    quality = ReconstructionQuality(registered_fraction=1.0, num_points=300, solver=HOSTILE)
    if camera != "moving":
        return Reconstruction.without_trajectory(
            "fixed", T, quality=quality, reasons=(Reason(f"camera_{camera}"),)
        )
    rng = np.random.default_rng(1)
    cam_from_world = np.tile(np.eye(3, 4), (T, 1, 1))
    cam_from_world[:, 0, 3] = -np.linspace(-0.5, 0.5, T)
    points = rng.uniform((-2, -1, 3), (2, 1, 6), (300, 3)).astype(np.float32)
    return Reconstruction(
        camera="moving",
        K=np.array([[150.0, 0, W / 2], [0, 150.0, H / 2], [0, 0, 1]]),
        cam_from_world=cam_from_world,
        registered=np.ones(T, bool),
        points_world=points,
        point_rgb=np.full((300, 3), 128, np.uint8),
        observation_frame=np.repeat(np.arange(T, dtype=np.int32), 300),
        observation_point=np.tile(np.arange(300, dtype=np.int32), T),
        observation_xy_px=np.zeros((300 * T, 2), np.float32),
        quality=quality,
    )


def moving_tracks() -> tuple[ObjectMasks, PointTracks]:
    """Object 1 crosses the image with 30 keypoints; 30 more lie on the background."""
    rng = np.random.default_rng(2)
    object_id = np.zeros((T, H, W), np.uint16)
    xy_px = np.tile(rng.uniform((0, 0), (W, H), (60, 2)).astype(np.float32), (T, 1, 1))
    for t in range(T):
        object_id[t, 30:60, 10 + 4 * t : 40 + 4 * t] = 1
        xy_px[t, :30] = np.stack(
            [12 + 4 * t + np.arange(30) % 6 * 4, 32 + np.arange(30) // 6 * 5], 1
        )
    masks = ObjectMasks(object_id=object_id, objects=(MaskedObject(1, HOSTILE, 0.9),))
    visible = rng.uniform(size=(T, 60)) < 0.95
    owner = np.repeat(np.array([1, 0], np.uint16), 30)
    query = np.zeros(60, np.int32)
    return masks, PointTracks(xy_px=xy_px, visible=visible, object_id=owner, query_frame=query)


def motion_report() -> MotionReport:
    frames = np.stack([np.arange(T - 3), np.arange(3, T)], axis=1).astype(np.int32)
    strength = np.stack([np.full(T - 3, 2e-4), 0.02 + 0.01 * np.sin(np.arange(T - 3) / 3)], axis=1)
    strength[4:6, 1] = NAN
    item = ObjectMotion(
        object_id=1,
        label=HOSTILE,
        motion_strength=0.0279,
        lower_bound=0.021,
        low=0.025,
        high=0.03,
        num_tracks=30,
        num_pairs=T - 3,
        area_fraction=0.06,
    )
    return MotionReport(
        motion_strength=0.0279,
        lower_bound=0.021,
        background=2e-4,
        confidence=0.99,
        pair_gap_s=0.25,
        method="depth",
        per_object=(item,),
        pair_frames=frames,
        pair_strength=strength,
        num_tracks=60,
        reasons=(),
    )


def clip_and_frames(clip_id: str) -> tuple[Clip, Frames]:
    video = Video(
        video_id="v" + clip_id,
        uri=HOSTILE_URI,
        sha256="ab" * 32,
        width_px=W,
        height_px=H,
        fps=12.0,
        num_frames=100,
        duration_s=8.0,
        licence=HOSTILE,
    )
    clip = Clip(
        clip_id=clip_id,
        video=video,
        start_s=1.5,
        end_s=1.5 + T / 12,
        timestamps_s=1.5 + np.arange(T) / 12,
        source_frame_index=np.arange(T, dtype=np.int32),
        width_px=W,
        height_px=H,
        crop_px=(0, 0, W, H),
    )
    ramp = np.linspace(40, 160, W, dtype=np.uint8)
    rgb = np.broadcast_to(ramp[None, None, :, None], (T, H, W, 3)).copy()
    return clip, Frames(rgb=rgb)


def full_evidence(clip_id: str) -> ClipEvidence:
    clip, frames = clip_and_frames(clip_id)
    masks, tracks = moving_tracks()
    kind: Any = KIND_OF[clip_id]
    camera = "fixed" if clip_id in ("aa03", "aa04") else "moving"
    return ClipEvidence(
        clip=clip,
        frames=frames,
        masks=masks,
        reconstruction=moving_reconstruction(camera),
        tracks=tracks,
        motion=motion_report(),
        verdict=Verdict(
            kind="none" if kind == "failed" else kind,
            reasons=(Reason(HOSTILE),) if kind == "none" else (),
            measured={"motion_strength": 0.0279, "registered_fraction": 0.5},
            limits={"min_motion_strength": 0.003, "min_registered_fraction": 0.8},
        ),
        depth=DepthMaps(
            depth=np.full((T, H, W), 4.0, np.float32),
            valid=np.ones((T, H, W), bool),
            confidence=np.full((T, H, W), 255, np.uint8),
            scale=np.ones(T),
            shift=np.zeros(T),
            residual=np.zeros(T),
            source="geometric",
        ),
    )


def bare_evidence(clip_id: str) -> ClipEvidence:
    clip, frames = clip_and_frames(clip_id)
    return ClipEvidence(clip=clip, frames=frames)


def missing_evidence(clip_id: str) -> ClipEvidence:
    raise StoreError(f"clip {clip_id}: no frames")


def build(
    rows: list[ClipRecord], load: Callable[[str], ClipEvidence | None], name: str = HOSTILE
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}

    def write(path: str, data: bytes) -> None:
        assert path not in files
        files[path] = data

    assert build_report(name, rows, funnel_from_index(rows), load, write) == "report/index.html"
    return files


class _Page(HTMLParser):
    """Collects the elements, the links and the text outside style and script."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(data.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        keys = ("href", "src", "poster")
        return [a[k] or "" for _, a in self.elements for k in keys if k in a]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return build(run_rows(), full_evidence)


def pages(files: dict[str, bytes]) -> dict[str, _Page]:
    return {path: _Page(data) for path, data in files.items() if path.endswith(".html")}


def test_every_clip_has_a_page_with_animation_poster_and_thumbnail(files: dict[str, bytes]) -> None:
    for clip_id in KIND_OF:
        assert f"report/clips/{clip_id}.html" in files
        assert files[f"report/clips/{clip_id}.jpg"][:2] == b"\xff\xd8"
        assert files[f"report/clips/{clip_id}.poster.jpg"][:2] == b"\xff\xd8"
        assert f"report/clips/{clip_id}.mp4" in files or f"report/clips/{clip_id}.webp" in files
    assert max(len(data) for data in files.values()) < 3_000_000


def test_hostile_names_make_no_elements_and_no_handlers(files: dict[str, bytes]) -> None:
    for path, page in pages(files).items():
        tags = [tag for tag, _ in page.elements]
        assert tags.count("script") == 1, path
        assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)], path
        assert not [a for tag, a in page.elements if tag == "img" and a.get("src") == "x"], path
        assert "onerror=alert(1)" in page.text, "the name is shown, as text"
        for link in page.links():
            assert not urlsplit(link).scheme, (path, link)
            assert not link.startswith("/"), (path, link)


def test_links_resolve_to_written_files(files: dict[str, bytes]) -> None:
    for path, page in pages(files).items():
        for link in page.links():
            parts: list[str] = []
            for part in (PurePosixPath(path).parent / link).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in files, (path, link)


def test_clips_are_chained_in_index_order(files: dict[str, bytes]) -> None:
    page = pages(files)["report/clips/aa02.html"]
    chain = {a["rel"]: a["href"] for _, a in page.elements if "rel" in a}
    assert chain == {"prev": "aa01.html", "next": "aa03.html"}


def test_the_script_runs_only_by_its_hash(files: dict[str, bytes]) -> None:
    text = files["report/index.html"].decode()
    assert "script-src 'sha256-" in text
    assert "script-src 'unsafe-inline'" not in text


def test_same_run_same_bytes(files: dict[str, bytes]) -> None:
    assert build(run_rows(), full_evidence) == files


def test_verdict_is_said_in_plain_words(files: dict[str, bytes]) -> None:
    index = " ".join(pages(files)["report/index.html"].text.split())
    assert "motion strength 0.02 is below the limit 0.30 (\N{MULTIPLICATION SIGN}100)" in index
    assert "7 entered = 1 4d + 1 3d + 1 video + 2 none + 2 failed" in index
    assert "VideoError" in index
    assert "Kept as 4d" in pages(files)["report/clips/aa01.html"].text


def test_missed_thresholds_are_marked(files: dict[str, bytes]) -> None:
    page = pages(files)["report/clips/aa01.html"]
    missed = [a for tag, a in page.elements if tag == "tr" and a.get("class") == "missed"]
    assert len(missed) == 1
    assert "50 %" in page.text
    assert "at least 80 %" in page.text


def test_a_clip_that_ended_early_still_has_a_page() -> None:
    files = build([index_row("aa01", "failed", error="BackendError: no flow")], bare_evidence)
    text = pages(files)["report/clips/aa01.html"].text
    assert "Failed: BackendError: no flow" in text
    assert "Motion was not measured" in text


def test_a_clip_without_artifacts_has_a_page_without_images() -> None:
    files = build([index_row("aa01", "failed")], missing_evidence)
    assert sorted(files) == ["report/clips/aa01.html", "report/index.html"]
    assert not [t for t, _ in pages(files)["report/index.html"].elements if t == "img"]


def test_a_clip_without_evidence_is_listed_without_a_page() -> None:
    rows = [index_row("aa01", "4d"), index_row("aa02", "3d"), index_row("aa03", "video")]
    files = build(rows, lambda clip_id: None if clip_id == "aa02" else bare_evidence(clip_id))
    assert "report/clips/aa02.html" not in files
    found = pages(files)
    assert "aa02" in found["report/index.html"].text
    assert "clips/aa02.html" not in found["report/index.html"].links()
    assert "aa03.html" in found["report/clips/aa01.html"].links()


def test_an_empty_run_has_a_report() -> None:
    files = build([], missing_evidence)
    assert list(files) == ["report/index.html"]
    assert "No clip was cut from any video" in pages(files)["report/index.html"].text


@pytest.mark.parametrize("clip_id", ["../aa", "a/b", "a b", ".hidden", "a\nb", '"'])
def test_a_clip_id_that_is_no_file_name_is_refused(clip_id: str) -> None:
    with pytest.raises(ValueError, match="clip_id must be letters"):
        index_row(clip_id, "4d")


def test_a_clip_listed_twice_is_refused() -> None:
    rows = [index_row("aa01", "4d"), index_row("aa01", "4d")]
    with pytest.raises(StoreError, match="clip_id must be unique"):
        build_report("run", rows, funnel_from_index(rows), bare_evidence, _no)


def test_pages_stay_small_for_five_hundred_clips() -> None:
    rows = [index_row(f"{n:016x}", "4d", *[Reason("camera_fixed")] * 2) for n in range(500)]
    files = build(rows, missing_evidence)
    assert len(files["report/index.html"]) < 3_000_000


def test_templates_refer_to_nothing_outside() -> None:
    folder = Path(__file__).parents[3] / "camvid" / "report" / "templates"
    for file in folder.iterdir():
        assert "http" not in file.read_text().replace("http-equiv", ""), file.name


def _no(path: str, data: bytes) -> None:
    raise AssertionError(f"nothing must be written, got {path} with {len(data)} bytes")
