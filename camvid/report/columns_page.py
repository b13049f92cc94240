"""docs/COLUMNS.md: what every column and every reason means, as they are declared (`make docs`)."""

from collections.abc import Sequence

import pyarrow as pa

from camvid.columns import Column, columns_of
from camvid.reasons import Why
from camvid.record import ClipRecord, ObjectRecord
from camvid.shards.columns import EVIDENCE_COLUMNS, SHARD_COLUMNS
from camvid.shards.schema import CONVENTIONS, SCHEMA_VERSION

_STORED = {"x100": "fraction", "%": "fraction", "count": ""}
_IN_SHARDS = {"": "", "column": "yes", "quality": "in `quality`"}


def columns_page() -> str:
    """The page's Markdown."""
    return f"""# Columns and reasons

Written by `make docs` from the declarations in [camvid/record.py](../camvid/record.py),
[camvid/shards/columns.py](../camvid/shards/columns.py) and
[camvid/reasons.py](../camvid/reasons.py); schema {SCHEMA_VERSION}.

{conventions()}

## index.parquet: a clip per row, or a video that gave none

{_index_columns()}

## Shards: a clip per row

{shard_columns()}

### objects: an entry each

{_object_columns()}

## Reasons

{_reasons()}
"""


def conventions() -> str:
    """What holds of all columns, as a list."""
    return "\n".join(f"- {name}: {text}" for name, text in CONVENTIONS.items())


def shard_columns() -> str:
    """The columns of the shards as a table, with what a training read takes."""
    head = ("column", "type", "meaning", "read for training")
    rows = [
        (f"`{known.name}`", _type(known.arrow), known.meaning, _training(known))
        for known in SHARD_COLUMNS
    ]
    return markdown_table([head, *rows])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of Markdown, the first of them the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _index_columns() -> str:
    head = ("column", "type", "unit", "meaning", "in shards")
    rows = [
        (f"`{c.name}`", _type(c.arrow), _unit(c), c.meaning, _IN_SHARDS[c.shard])
        for c in columns_of(ClipRecord)
    ]
    return markdown_table([head, *rows])


def _object_columns() -> str:
    rows = [(f"`{c.name}`", _unit(c), c.meaning) for c in columns_of(ObjectRecord)]
    return markdown_table([("field", "unit", "meaning"), *rows])


def _reasons() -> str:
    head = ("reason", "what must hold, or what is so", "what to do")
    rows: list[tuple[str, str, str]] = [head]
    for why in Why:
        rule = why.rule
        says = rule.label if rule.is_fact else f"{rule.label} {rule.bound} the limit"
        rows.append((f"`{why}`", says, rule.remedy))
    return markdown_table(rows)


def _training(known: Column) -> str:
    if known.name in EVIDENCE_COLUMNS:
        return "never: evidence"
    return "yes" if known.training or known.name == "frames" else ""


def _unit(known: Column) -> str:
    return _STORED.get(known.unit, known.unit)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"list of {_type(kind.value_type)}"
    return str(kind)
