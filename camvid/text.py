"""Names of files as text that every format can hold."""


def printable(name: str) -> str:
    """The name, with bytes that are no UTF-8 as `\\xNN`: Parquet, HTML and consoles take no others.

    Paths are bytes; Python passes on what it cannot decode as surrogates. What opens a file needs
    the name as it came; whatever is written down takes this.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
