"""Figures of a Markdown file that a measurement writes: the lines between two marks."""

Marks = tuple[str, str]


def marks(name: str) -> Marks:
    """What stands before and after the figures of that name."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def with_figures(text: str, around: Marks, lines: str) -> str:
    """A Markdown text whose part between the marks is `lines`."""
    for mark in around:
        if text.count(mark) != 1:
            raise ValueError(f"the file must hold {mark} once, got {text.count(mark)} times")
    before, _, rest = text.partition(around[0])
    _, _, after = rest.partition(around[1])
    return f"{before}{around[0]}\n{lines}\n{around[1]}{after}"
