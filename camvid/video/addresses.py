"""Addresses of videos elsewhere: which are read at all, and what of them may be written down.

Lists come from anywhere. An address may name a program (`ssh://`), another file inside a local one
(`zip://`), or hold what opens an account: a password, or a signature that is as good as one. Such
parts are needed to read the video, and stand in no record, report, shard or log line.
"""

import re

from camvid.errors import VideoError

SCHEMES = (
    *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "http", "https"),
    "memory",  # fsspec's own, of this process
)
_ADDRESS = re.compile(r"\b(?!file:)([A-Za-z][A-Za-z0-9+.-]+)://([^\s'\"<>]+)", re.IGNORECASE)
_SECRET = re.compile(
    r"sig|token|secret|passw|pwd|auth|cred|key|expires|policy|^x-(amz|goog)-|^s[a-z]{1,4}$",
    re.IGNORECASE,
)  # the last: Azure's sv, se, sp, sr, spr, skoid, ...


def without_secrets(text: str) -> str:
    """The text with every address in it stripped of its user, password and signature."""
    return _ADDRESS.sub(_stripped, text) if "://" in text else text


def _stripped(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    host, path = re.match(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
    path, mark, query = path.partition("?")
    query, hash_, fragment = query.partition("#")
    kept = [part for part in query.split("&") if not _SECRET.search(part.partition("=")[0])]
    mark = mark if any(kept) else ""
    return f"{scheme}://{host.rpartition('@')[2]}{path}{mark}{'&'.join(kept)}{hash_}{fragment}"


def check_address(uri: str) -> None:
    """VideoError unless the address is of a kind that is read."""
    scheme = uri.partition("://")[0].lower()
    if scheme not in SCHEMES or "::" in uri:
        allowed = ", ".join(f"{name}://" for name in SCHEMES[:-1])
        raise VideoError(
            f"{without_secrets(uri)}: must be a local path or begin with one of {allowed}; copy the"
            " file to one of these"
        )
