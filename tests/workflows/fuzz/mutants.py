"""Damaged copies of bytes and of what can be parsed, each named by its seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

Random = np.random.Generator
_EXTREMES = (b"\0", b"\xff", b"\x7f\xff", b"\x80\0", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff")


def mutant(data: bytes, seed: int) -> bytes:
    """One of the ways in which files get damaged, at a place of its own."""
    random = np.random.default_rng(seed)
    change = _CHANGES[random.integers(len(_CHANGES))]
    return change(bytearray(data), random)


def _flip_bits(data: bytearray, random: Random) -> bytes:
    for at in random.integers(len(data), size=2 ** random.integers(8)):
        data[at] ^= 1 << random.integers(8)
    return bytes(data)


def _flip_in_header(data: bytearray, random: Random) -> bytes:
    """Where containers keep sizes and counts: at one of their ends."""
    span = min(len(data), 512)
    start = random.choice([0, len(data) - span])
    for at in start + random.integers(span, size=random.integers(1, 9)):
        data[at] = random.integers(256)
    return bytes(data)


def _cut_off(data: bytearray, random: Random) -> bytes:
    return bytes(data[: random.integers(len(data))])


def _lose_a_block(data: bytearray, random: Random) -> bytes:
    start, end = sorted(random.integers(len(data) + 1, size=2))
    return bytes(data[:start] + data[end:])


def _zero_a_block(data: bytearray, random: Random) -> bytes:
    start, end = sorted(random.integers(len(data) + 1, size=2))
    data[start:end] = bytes(end - start)
    return bytes(data)


def _repeat_a_block(data: bytearray, random: Random) -> bytes:
    start, end = sorted(random.integers(len(data) + 1, size=2))
    return bytes(data[:end] + data[start:])


def _put_an_extreme(data: bytearray, random: Random) -> bytes:
    for at in random.integers(len(data), size=random.integers(1, 5)):
        extreme = _EXTREMES[random.integers(len(_EXTREMES))]
        data[at : at + len(extreme)] = extreme
    return bytes(data)


def _insert_noise(data: bytearray, random: Random) -> bytes:
    at, noise = random.integers(len(data) + 1), random.bytes(random.integers(1, 64))
    return bytes(data[:at] + noise + data[at:])


_CHANGES: tuple[Callable[[bytearray, Random], bytes], ...] = (
    _flip_bits,
    _flip_in_header,
    _cut_off,
    _lose_a_block,
    _zero_a_block,
    _repeat_a_block,
    _put_an_extreme,
    _insert_noise,
)


_STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**63,
    1e308,
    "",
    "x" * 300,
    "\\",
    "a\nb",
    [],
    {},
    [[]],
)


def strange_tables(tables: Any, seed: int) -> Any:
    """What JSON or TOML holds, with one value in it that is of another kind, or gone."""
    random = np.random.default_rng(seed)
    where, key = _any_place(tables, random)
    if random.random() < 0.2:
        del where[key]
    else:
        where[key] = _STRANGE[random.integers(len(_STRANGE))]
    return tables


def _any_place(tables: Any, random: Random) -> tuple[Any, Any]:
    """A table or list within, and a key of it."""
    while True:
        keys = list(tables) if isinstance(tables, dict) else list(range(len(tables)))
        key = keys[random.integers(len(keys))]
        below = tables[key]
        if not (isinstance(below, dict | list) and below) or random.random() < 0.2:
            return tables, key
        tables = below


def strange_table(table: pa.Table, seed: int) -> pa.Table:
    """A column is gone, empty, of another type, or twice as long as it was."""
    random = np.random.default_rng(seed)
    number = int(random.integers(table.num_columns))
    field = table.schema.field(number)
    texts = pa.array([str(value) for value in table.column(number).to_pylist()])
    change = random.integers(4)
    if change == 0:
        return table.remove_column(number)
    if change == 1:
        return table.set_column(number, field, pa.nulls(table.num_rows, field.type))
    if change == 2:
        return table.set_column(number, field.name, texts)
    return pa.concat_tables([table, table])
