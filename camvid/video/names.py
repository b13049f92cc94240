"""A video's name: the text that stands in every record, and the local path behind it.

File systems hold names that no text file, JSON or Parquet can: bytes that are not UTF-8, line
breaks. Such a name is spelled as a `file://` URI with percent-escapes, in this one place; every
other local name stays as it was given.
"""

import os
import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from camvid.video.addresses import without_secrets

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:/ is a drive
_FILE_URI = re.compile(r"^file:(?://(?:localhost)?)?(?=/)", re.IGNORECASE)  # RFC 8089
# Control characters, surrogates (how Python holds stray bytes), line and paragraph separators.
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_file_uri(uri: str) -> bool:
    """Whether this is a local path spelled as a URI; `file:x.mp4` is a plain relative name."""
    return bool(_FILE_URI.match(uri))


def is_remote(uri: str) -> bool:
    """Whether the URI has a scheme other than file://."""
    return bool(_SCHEME.match(uri)) and not is_file_uri(uri)


def name_of(path: str) -> str:
    """The local path as text that every record can hold and that `local_path` opens again."""
    if is_file_uri(path) or is_remote(path):  # a folder may be named `s3:`
        path = absolute(path)
    return path if writable(path) == path else "file://" + writable(absolute(path), also="%")


def source_name(uri: str) -> str:
    """The name of a video, be it a local path or a URI, as every record has it: no secrets."""
    if is_remote(uri):
        return without_secrets(writable(uri))
    return writable(uri) if is_file_uri(uri) else name_of(uri)


def writable(text: str, also: str = "") -> str:
    """The text on one line of valid Unicode: what cannot be written becomes percent-escapes."""
    if not also and text.isprintable():  # nearly every name, and in a hundredth of the time
        return text
    return "".join(
        quote(os.fsencode(char), safe="")
        if char in also or unicodedata.category(char) in _UNWRITABLE
        else char
        for char in text
    )


def local_path(uri: str) -> str:
    """The absolute path behind a local name.

    Absolute, so that no library takes the part before a colon (`10:30 clip.mp4`, `concat:y.mp4`)
    for a protocol.
    """
    match = _FILE_URI.match(uri)
    if not match:
        return absolute(uri)
    spelled = uri[match.end() :]
    path = os.fsdecode(unquote_to_bytes(os.fsencode(spelled)))
    # Tools that merely put file:// before a path leave its percent signs as they are.
    return spelled if os.path.exists(spelled) and not os.path.exists(path) else path


def absolute(path: str) -> str:
    """The absolute path; `..` stays, since behind a link it does not undo the step before."""
    return os.path.join(os.getcwd(), path)
