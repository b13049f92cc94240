"""The card of an exported dataset repository in the Hub's form, with the files that it shows."""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from camvid.columns import counted
from camvid.exports.format import Entry
from camvid.record import KEPT, MEANING
from camvid.report.card import (
    ARXIV,
    CITATION,
    LICENCE_FILE,
    LIMITATIONS,
    picture,
    size_category,
)
from camvid.report.card_plots import distribution_plots

_COLUMNS = """\
| column | meaning |
|---|---|
| `video` | H.264 |
| `timestamps_s` | time of each frame in the source video |
| `fx_fy_cx_cy` | intrinsics of each frame, px; the centre of the top-left pixel is (0.5, 0.5) |
| `cam_from_world` | x_cam = R x_world + t, 3x4 row by row; x right, y down, z forward |
| `camera_moves` | classes of camera motion, in order: `dolly_in`, `pan_left`, `static` |
| `motion_strength` | how far objects move in 1/12 s beyond the camera, as a share of the image |
| `length_unit` | what lengths were divided by; SfM knows no metres |

Null is what is not known."""

_LOADING = """\
```python
from datasets import load_dataset

preview = load_dataset("path/to/this/folder", split="train")  # some clips
clips = load_dataset("path/to/this/folder", "clips", split="train", streaming=True)
index = load_dataset("path/to/this/folder", "index", split="train")  # all but the videos
```"""


def card_files(entries: Sequence[Entry]) -> dict[str, str]:
    """README.md with the configurations that `load_dataset` finds, its pictures and licences."""
    plots = {f"card/{name}": svg for name, svg in _plots(entries).items()}
    kinds = Counter(entry["kind"] for entry in entries)
    sections = [
        _front_matter(entries),
        "# Clips with cameras",
        f"{counted(len(entries), 'clip')}, exported with [camvid](https://arxiv.org/abs/{ARXIV}).",
        "\n".join(f"- `{kind}`, {kinds[kind]}: {MEANING[kind]}" for kind in KEPT if kinds[kind]),
        *map(picture, plots),
        f"## Loading\n\n{_LOADING}",
        f"## Columns\n\n{_COLUMNS}",
        f"## Limitations\n\n{LIMITATIONS}",
        f"## Licence\n\n{_licences(entries)}",
        f"## Citation\n\n{CITATION}",
    ]
    licence = f"# Licences\n\n{_licences(entries)}\n"
    return {"README.md": "\n\n".join(sections) + "\n", LICENCE_FILE: licence, **plots}


def _front_matter(entries: Sequence[Entry]) -> str:
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
        "pretty_name": "Clips with cameras",
        "license": "other",
        "license_name": "per-clip",
        "license_link": LICENCE_FILE,
        "task_categories": ["image-to-video", "text-to-video", "image-to-3d"],
        "tags": ["video", "camera-pose", "4d", "camvid", f"arxiv:{ARXIV}"],
        "size_categories": [size_category(len(entries))],
        "configs": configs,
    }
    lines = (f"{key}: {json.dumps(value)}" for key, value in head.items())  # which is YAML, too
    return "\n".join(["---", *lines, "---"])


def _plots(entries: Sequence[Entry]) -> dict[str, str]:
    moves = Counter(m for e in entries for m in set(e["camera_moves"].split(", ")) if m)
    strengths = [e["motion_strength"] for e in entries]
    return distribution_plots(
        kinds=Counter(e["kind"] for e in entries),
        camera_moves=dict(moves.most_common()),
        strengths=np.array([np.nan if s is None else s for s in strengths], np.float64),
        seconds=np.array([e["end_s"] - e["start_s"] for e in entries]),
    )


def _licences(entries: Sequence[Entry]) -> str:
    licences = Counter(entry["licence"] or "not stated" for entry in entries)
    lines = (f"- {name}: {counted(count, 'clip')}" for name, count in licences.most_common())
    said = "The clips keep the licences of their source videos (`licence`):"
    return "\n".join([said, "", *lines])
