"""For mkdocs: links to files of the repository that are no pages become their names."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[[^\]]*\]\(\.\./([^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    return _OUTSIDE.sub(r"`\1`", markdown)
