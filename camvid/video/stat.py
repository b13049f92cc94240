"""Has this video changed since we last saw it? Answered without reading it."""

import fsspec

from camvid.video.find import is_remote


def stat_key(uri: str) -> str:
    """Size and time of change of a file, or of all files of a folder; "" where nothing is."""
    if is_remote(uri):
        filesystem, path = fsspec.core.url_to_fs(uri)
        try:
            info = filesystem.info(path)
        except OSError:
            return ""
        return f"{info.get('size')}:{info.get('mtime') or info.get('LastModified') or ''}"
    filesystem = fsspec.filesystem("file")
    try:
        listing = filesystem.find(uri.removeprefix("file://"), detail=True, maxdepth=1)
    except OSError:
        return ""
    return f"{len(listing)}:{sum(i['size'] for i in listing.values())}:" + str(
        max((i["mtime"] for i in listing.values()), default=0)
    )
