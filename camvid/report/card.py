"""The dataset card: README.md of a run in the Hugging Face form (YAML front matter, Markdown)."""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from camvid.arrow import pc
from camvid.books.clip_table import ClipTable
from camvid.columns import counted
from camvid.record import KEPT, MEANING, ClipRecord, Outcome
from camvid.report.columns_page import conventions, markdown_table, shard_columns
from camvid.report.funnel import Funnel
from camvid.shards.schema import SCHEMA_VERSION
from camvid.weights import NON_COMMERCIAL

_MARKDOWN = re.compile(r"([\\`*_\[\]|~$]|^[#+>=-])")  # inside a line, or where one begins
_UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)

LICENCE_FILE = "LICENSE.md"
ARXIV = "2411.02319"
BIBTEX = """\
@inproceedings{zhao2025genxd,
  title={GenXD: Generating Any 3D and 4D Scenes},
  author={Zhao, Yuyang and Lin, Chung-Ching and Lin, Kevin and Yan, Zhiwen and Li, Linjie and
    Yang, Zhengyuan and Wang, Jianfeng and Lee, Gim Hee and Wang, Lijuan},
  booktitle={ICLR},
  year={2025}
}"""
CITATION = f"""\
The curation is that of GenXD (arXiv {ARXIV}), section 3:

```bibtex
{BIBTEX}
```"""
LIMITATIONS = """\
- Scale is each clip's own: nothing is metric.
- The lens is a pinhole; clips of lenses that distort are refused.
- Masks are greedy: they may hold static things, merge neighbours or split one body.
- Depth on what moves is a guess, and motion along the camera's own path is hard to see.
- Captions are made of labels: they say how the camera and objects move, not what the scene is."""

_INTRODUCTION = """\
Video clips with camera poses, sparse points, aligned depth, object masks and a camera-compensated
motion strength per object, curated by camvid."""


def dataset_card(
    run_name: str,
    funnel: Funnel,
    index: Iterable[ClipRecord],
    provenance: Mapping[str, object],
    plots: Sequence[str] = (),
) -> str:
    """The card's text.

    Args:
        provenance: versions, weights and licences, listed as they are given.
        plots: files of pictures of distributions, as seen from the card.
    """
    rows = ClipTable.of(index)
    marked = [w for w in _texts(provenance.get("weights")) if w.endswith(NON_COMMERCIAL)]
    kept: list[Outcome] = [kind for kind in KEPT if funnel.counts[kind]]
    sections = [
        _front_matter(run_name, funnel, kept, marked),
        f"# {_inline(run_name)}\n\n{_INTRODUCTION}",
        f"## What is in it\n\n{_counts(funnel, rows)}{_pictures(plots)}",
        f"## Loading\n\n{_loading(kept)}",
        f"## Conventions\n\n{_conventions()}",
        f"## How it was made\n\n{_how(funnel)}",
        f"## Limitations\n\n{LIMITATIONS}",
        f"## Licence\n\n{licence_text(rows, provenance)}",
        f"## Citation\n\n{CITATION}",
        f"## Provenance\n\n{_provenance(provenance)}",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(
    run_name: str, funnel: Funnel, kept: Sequence[Outcome], non_commercial: Sequence[str]
) -> str:
    total = sum(funnel.counts[kind] for kind in kept)
    tags = ["4d", "camera-pose", "depth", "video", "camvid", f"arxiv:{ARXIV}"]
    tags += ["non-commercial"] if non_commercial else []
    lines = [
        "---",
        f"pretty_name: {_yaml(run_name)}",
        "license: other",
        'license_name: "per-clip"',
        f"license_link: {_yaml(LICENCE_FILE)}",
        "task_categories:",
        '- "image-to-video"',
        '- "image-to-3d"',
        "tags:",
        *(f"- {_yaml(tag)}" for tag in tags),
        "size_categories:",
        f"- {_yaml(size_category(total))}",
    ]
    if kept:  # a configuration without files would fail to load
        lines.append("configs:")
    for n, kind in enumerate(kept):
        lines += [
            f"- config_name: {_yaml(kind)}",
            f"  data_files: {_yaml(f'shards/{kind}-*.parquet')}",
        ]
        lines += ["  default: true"] if n == 0 else []
    return "\n".join([*lines, "---"])


def size_category(num_clips: int) -> str:
    """The Hub's word for a number of rows."""
    return next((name for limit, name in _SIZES if num_clips < limit), "10M<n<100M")


def _counts(funnel: Funnel, rows: ClipTable) -> str:
    table = [("kind", "clips", "seconds", "motion strength x100, median", "meaning")]
    strength = rows.numbers("motion_strength")
    outcome = rows.outcome.to_numpy()
    for kind in KEPT:
        known = strength[(outcome == kind) & np.isfinite(strength)]
        median = f"{100 * np.median(known):.2f}" if len(known) else "-"
        count, seconds = funnel.counts[kind], funnel.duration_s[kind]
        table.append((f"`{kind}`", str(count), f"{seconds:.1f}", median, MEANING[kind]))
    return markdown_table(table)


def _loading(kept: Sequence[Outcome]) -> str:
    if not kept:
        return "This run kept no clip: there are no shards."
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'clips = load_dataset("path/to/this/folder", "{kept[0]}", split="train", streaming=True)\n'
        "clip = next(iter(clips))  # its frames are PIL images\n```\n\n"
        "pandas, DuckDB and Ray Data open the shards as any Parquet files."
    )


def _conventions() -> str:
    return (
        f"{conventions()}\n\nThe columns of the shards, schema {SCHEMA_VERSION}, as each file's"
        f" metadata has them, too:\n\n{shard_columns()}\n\n`index.parquet` has one row per clip,"
        " kept or not, with its kind, its reasons and all measures."
    )


def _how(funnel: Funnel) -> str:
    stages = [("stage", "in", "out", "rejected", "failed", "why")]
    stages += [(_inline(s.name), *map(str, s.numbers), _inline(s.why)) for s in funnel.stages]
    parts = " + ".join(f"{count} {outcome}" for outcome, count in funnel.counts.items())
    return (
        f"{counted(funnel.num_videos, 'video')} gave {counted(funnel.num_clips, 'clip')}. Every"
        " clip, and every video"
        " without one, is counted once, in the stage that decided.\n\n"
        f"{markdown_table(stages)}\n\n{funnel.entered} entered = {parts}."
    )


def _pictures(plots: Sequence[str]) -> str:
    return "".join(f"\n\n{picture(name)}" for name in plots)


def picture(name: str) -> str:
    """A file of a picture in Markdown."""
    return f"![{_title(name)}]({name})"


def _title(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0].replace("_", " ")


def licence_text(rows: ClipTable, provenance: Mapping[str, object]) -> str:
    """Which licences hold for the clips and for what was made of them."""
    marked = [w for w in _texts(provenance.get("weights")) if w.endswith(NON_COMMERCIAL)]
    return f"{_licences(rows)}{_non_commercial(marked)}"


def _licences(rows: ClipTable) -> str:
    note = (
        "The clips keep the licences of their source videos; each shard row names it in `licence`,"
        " and its source in `source_uri` and `source_sha256`. Check them before you publish."
    )
    licence = pc.fill_null(rows.table["licence"], "")
    named = pc.if_else(pc.equal(licence, ""), "not stated", licence)
    kept = named.filter(pc.is_in(rows.outcome, pa.array(KEPT)))
    counts = {c["values"]: c["counts"] for c in pc.value_counts(kept).to_pylist()}
    if set(counts) <= {"not stated"}:
        return note
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    table = markdown_table([("licence", "clips"), *((_inline(k), str(n)) for k, n in ordered)])
    return f"{note}\n\n{table}"


def _texts(value: object) -> list[str]:
    return [str(item) for item in cast(list[object], value)] if isinstance(value, list) else []


def _non_commercial(weights: Sequence[str]) -> str:
    """What the annotations owe to weights that forbid commercial use."""
    if not weights:
        return ""
    lines = "\n".join(f"- {_inline(weight)}" for weight in weights)
    return (
        "\n\n**Not for commercial use.** The annotations were made with weights whose licence"
        f" forbids it, accepted with `--accept-noncommercial`:\n\n{lines}"
    )


def _provenance(provenance: Mapping[str, object]) -> str:
    lines = list(_items(provenance, depth=0))
    return "\n".join(lines) or "Not recorded."


def _items(values: Mapping[str, object], depth: int) -> Iterable[str]:
    """A nested list of names and values, in the order given."""
    for key, value in values.items():
        lead = "  " * depth + f"- {_inline(str(key))}"
        if isinstance(value, Mapping):
            yield lead
            yield from _items(cast(Mapping[str, object], value), depth + 1)
        elif isinstance(value, (list, tuple)):
            items = cast(Sequence[object], value)
            if any(isinstance(v, Mapping) for v in items):
                yield lead
                yield from _items({str(n + 1): v for n, v in enumerate(items)}, depth + 1)
            else:
                yield f"{lead}: {', '.join(_inline(str(v)) for v in items)}"
        else:
            yield f"{lead}: {_inline(str(value))}"


def _inline(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line."""
    one_line = " ".join(_UNPRINTABLE.sub("?", text).split())
    return _MARKDOWN.sub(r"\\\1", html.escape(one_line, quote=False))


def _yaml(text: str) -> str:
    """A double-quoted YAML string: JSON's are, once unprintable characters are gone."""
    return json.dumps(_UNPRINTABLE.sub("?", text), ensure_ascii=False)
