"""Sizes and change times of a video, to notice that it changed without reading it."""

import os
import zlib

import fsspec

from camvid.video.image_folder.series import images_at, is_image_source
from camvid.video.names import is_remote, local_path


def stat_key(uri: str) -> str:
    """Size and time of change of a file, or of all images of a folder; "" where nothing is."""
    if is_remote(uri):
        try:
            filesystem, path = fsspec.core.url_to_fs(uri)
            info = filesystem.info(path)
        except Exception:  # noqa: BLE001  (of any filesystem; reading it will say what is wrong)
            return ""
        return f"{info.get('size')}:{info.get('mtime') or info.get('LastModified') or ''}"
    path = local_path(uri)
    try:
        if not is_image_source(path):
            stat = os.stat(path)
            return f"1:{stat.st_size}:{stat.st_mtime}"
        images = images_at(path)
        stats = [image.stat() for image in images]
    except OSError:
        return ""
    names = zlib.crc32(b"\0".join(os.fsencode(image.name) for image in images))
    latest = max((stat.st_mtime for stat in stats), default=0)
    return f"{len(stats)}:{sum(stat.st_size for stat in stats)}:{latest}:{names:08x}"
