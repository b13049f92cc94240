"""The dataset card: front matter that parses, counts that agree, text that stays text."""

import json
import re
from typing import Any, cast

from camvid.record import ClipRecord, Measures
from camvid.report.card import dataset_card
from camvid.report.funnel import funnel_from_index

HOSTILE = "<script>alert(1)</script>\n---\nlicense: mit\n| [x](javascript:alert(2)) `"


def rows(**kinds: int) -> list[ClipRecord]:
    return [
        ClipRecord(
            clip_id=f"{kind}{n}",
            video_id="v",
            status="ok",
            kind=cast(Any, kind.removeprefix("k")),
            start_s=0.0,
            end_s=2.5,
            licence=HOSTILE,
            measures=Measures(motion_strength=0.02),
        )
        for kind, count in kinds.items()
        for n in range(count)
    ]


def card(name: str, index: list[ClipRecord], **provenance: object) -> str:
    return dataset_card(name, funnel_from_index(index), index, provenance)


def front_matter(text: str) -> list[tuple[int, str, str]]:
    """(indent, key, value) of a small YAML subset; anything else fails the test."""
    lines = text.split("\n")
    assert lines[0] == "---"
    found: list[tuple[int, str, str]] = []
    for line in lines[1 : lines.index("---", 1)]:
        match = re.fullmatch(r'( *)(- )?(?:([a-z_]+):)?(?: ?("(?:.*)"|[a-z]+))?', line)
        assert match, f"not YAML: {line!r}"
        value = match[4] or ""
        value = json.loads(value) if value.startswith('"') else value
        found.append((len(match[1]) + len(match[2] or ""), match[3] or "", value))
    return found


def test_one_configuration_per_kind_that_has_shards() -> None:
    fields = front_matter(card("run", rows(k4d=2, kvideo=1)))
    configs = [value for _, key, value in fields if key == "config_name"]
    files = [value for _, key, value in fields if key == "data_files"]
    assert configs == ["4d", "video"]
    assert files == ["shards/4d-*.parquet", "shards/video-*.parquet"]
    assert (0, "size_categories", "") in fields


def test_an_empty_run_names_no_configuration() -> None:
    text = card("run", [])
    assert not [key for _, key, _ in front_matter(text) if key == "configs"]
    assert "This run kept no clip" in text


def test_hostile_text_stays_text() -> None:
    text = card(HOSTILE, rows(k4d=1), source=HOSTILE, nested={HOSTILE: [HOSTILE]})
    names = [value for _, key, value in front_matter(text) if key == "pretty_name"]
    assert names == [HOSTILE]
    assert [v for _, k, v in front_matter(text) if k == "license"] == ["other"]
    body = text.split("\n---\n", 1)[1]
    assert "<script" not in body
    assert not re.search(r"(?<!\\)\]\(", body)
    assert "\n---\n" not in body
    tables = [line for line in body.split("\n") if "alert" in line and line.startswith("|")]
    assert tables
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in tables)


def test_numbers_are_those_of_the_funnel() -> None:
    text = card("run", rows(k4d=2, k3d=1))
    assert "| `4d` | 2 | 5.0 | 2.00 |" in text
    assert "3 entered = 2 4d + 1 3d + 0 video + 0 none + 0 failed." in text


def test_non_commercial_weights_mark_the_card() -> None:
    free, bound = "u2netp 1 sha256:00 Apache-2.0", "big 2 sha256:11 CC-BY-NC-4.0 (non-commercial)"
    text = card("run", rows(k4d=1), weights=[free, bound])
    assert '- "non-commercial"' in text
    assert "Not for commercial use" in text
    assert "big 2 sha256:11" in text[text.index("## Licence") : text.index("## Provenance")]
    assert "ommercial" not in card("run", rows(k4d=1), weights=[free])


def test_provenance_is_listed_in_order() -> None:
    text = card("run", [], camvid="1.2", weights=["u2netp 00ff Apache-2.0"], packages={"av": "18"})
    listed = text[text.index("## Provenance") :]
    assert listed.split("\n")[2:] == [
        "- camvid: 1.2",
        "- weights: u2netp 00ff Apache-2.0",
        "- packages",
        "  - av: 18",
        "",
    ]
