"""Lists of videos: text files of one input a line, as any system writes them."""

import codecs
from pathlib import Path

from camvid.errors import ConfigError
from camvid.video.names import writable

_MARKS = {  # byte-order marks; the longer ones first, since UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(head: bytes) -> str:
    """The encoding that a file's first bytes speak of; UTF-8 where they say nothing."""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")


def read_list(path: str) -> list[str]:
    """The lines that name something: no blank ones and no `# comments`.

    Encoded as the byte-order mark says, else as file names are: bytes that are not UTF-8 stay the
    bytes of a name. ConfigError where it cannot be read.
    """
    try:
        data = Path(path).read_bytes()
        encoding = encoding_of(data)
        text = data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
        if "\0" in text:
            raise ValueError("it holds zero bytes, so it is no text; save it as UTF-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{writable(path)} must be a readable list of videos: {reason}"
        ) from error
    lines = (line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]
