"""The card of an exported dataset repository, in the Hub's form."""

import json
from collections import Counter
from collections.abc import Sequence

from camvid.exports.format import Entry
from camvid.record import MEANING

_COLUMNS = """\
| column | meaning |
|---|---|
| `video` | H.264 |
| `timestamps_s` | time of each frame in the source video |
| `fx_fy_cx_cy` | intrinsics of each frame, px; the centre of the top-left pixel is (0.5, 0.5) |
| `cam_from_world` | x_cam = R x_world + t, 3x4 row by row; x right, y down, z forward |
| `motion_strength` | how far objects move in 1/12 s beyond the camera, as a share of the image |
| `length_unit` | what lengths were divided by; SfM knows no metres |
"""


def hub_card(entries: Sequence[Entry]) -> str:
    """README.md with the configurations that `load_dataset` finds."""
    paths = {"preview": entries[0]["file"], "clips": "clips/*.parquet", "index": "index.parquet"}
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": path}],
            "default": name == "preview",
        }
        for name, path in paths.items()
    ]
    head = {
        "license": "other",
        "task_categories": ["image-to-video", "text-to-video", "image-to-3d"],
        "tags": ["video", "camera-poses", "4d", "camvid", "arxiv:2411.02319"],
        "size_categories": [_size(len(entries))],
        "configs": configs,
    }
    kinds = Counter(entry["kind"] for entry in entries)
    licences = sorted({entry["licence"] for entry in entries if entry["licence"]})
    said = ", ".join(licences) if licences else "not known: ask who holds the source videos"
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in head.items()),  # which is YAML, too
        "---",
        "# Clips with cameras",
        "",
        f"{len(entries)} clips, exported with [camvid](https://arxiv.org/abs/2411.02319).",
        "",
        *(f"- `{kind}`, {count}: {MEANING[kind]}" for kind, count in kinds.items()),
        "",
        "Licence of the source videos: " + said + ".",
        "",
        _COLUMNS,
    ]
    return "\n".join(lines)


def _size(count: int) -> str:
    """The Hub's word for a number of rows."""
    limits = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
    return next((word for limit, word in limits.items() if count < limit), "1M<n<10M")
