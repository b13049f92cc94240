"""Folders that a command writes into, and goes on with when it is given again."""

import json
from collections.abc import Mapping
from typing import Any

from camvid.errors import ConfigError
from camvid.store import ClipStore


def claim(out: str, note: str, asked: Mapping[str, Any], *, owner: str) -> None:
    """Makes the folder `out` the command's, by the file `note` in it, which says what was asked.

    `owner`: what such a folder is, "an export". ConfigError where it is another's, or of another
    request.
    """
    target = ClipStore(out)
    if target.exists(note):
        before = json.loads(target.read_bytes(note))
        changed = [f"{key} {before.get(key)}" for key in asked if before.get(key) != asked[key]]
        if changed:
            raise ConfigError(
                f"--out {out} must be of the same {owner.split()[-1]}, but was made with"
                f" {', '.join(changed)}: ask for that, or name another folder"
            )
        return
    names = ["a file"] if target.is_file("") else target.list_names("")
    if names:
        raise ConfigError(
            f"--out must be a new or empty folder, or {owner}'s: {out} holds"
            f" {', '.join(names[:3])}; name another"
        )
    target.write_bytes(note, json.dumps(asked, indent=1).encode())
