"""What a folder holds: videos, folders of numbered images, and what only looks like a video."""

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePath

from camvid.video.image_folder.file_names import is_image, names_maps, series_in
from camvid.video.names import writable

log = logging.getLogger(__name__)

# What FFmpeg's demuxers call their files, where those hold video and know their own
# size, and what cameras and discs call theirs.
VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .qt .mj2 .ism .ismv .psp .f4v .3gp .3g2 .insv .lrv .360"  # MP4, QuickTime
    " .mkv .mk3d .webm .avi .divx .flv .kux .asf .wmv .wtv .rm .rmvb .ogv .ogm .nut .mxf .gxf"
    " .mpg .mpeg .mpe .mpv .m1v .m2v .vob .evo .ts .mts .m2ts .m2t .trp .tod .ty .ty+"  # MPEG
    " .264 .avc .h264 .h26l .265 .h265 .hevc .266 .h266 .vvc .h261 .h263 .evc .apv .obu .av1 .ivf"
    " .avs2 .avs3 .cavs .vc1 .rcv .drc .dv .dif .y4m .mjpeg .mjpg"  # elementary streams
    " .gif .dav .ifv .ivr .usm .viv .xmv .moflex .bik .nsv .roq .smk".split()
)
# Video and frames that FFmpeg or OpenCV do not read here: they are passed over with a warning.
_UNREAD_SUFFIXES = frozenset(
    ".braw .r3d .ari .crm .swf .yuv .exr .dpx .cr2 .cr3 .nef .arw .dng .heic .heif .avif .jxl"
    " .tga".split()
)
_OTHER_SUFFIXES = frozenset(  # many beside videos, and never one: not opened
    ".json .jsonl .txt .csv .tsv .md .xml .yaml .yml .toml .html .pdf .py .npy .npz .parquet .pkl"
    " .pt .zip .gz .tar .srt .vtt .ass .wav .mp3 .m4a .m4b .mka .wma .aac .flac .opus .oga".split()
)
_SIGNATURES = re.compile(
    rb"....(?:ftyp(?!M4A|M4B|heic|heix|mif1|msf1|avi[fs]|crx)|moov|mdat|wide)"
    rb"|RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|GIF8|\.RMF|YUV4MPEG2"
    rb"|DKIF|DHAV|nut/multimedia|\x06\x0e\x2b\x34\x02\x05\x01\x01|OggS.{0,200}theora"
    rb"|\x00\x00\x01[\xba\xb3]|\x00\x00\x00\x01[\x09\x27\x40\x46\x67]"
    rb"|(?:.{4})?G.{187}G.{187}G|.{4}G.{191}G.{191}G",
    re.DOTALL,
)
_SIGNATURE_BYTES = 600
_RUN_FILES = frozenset({"run.toml", "clips"})  # of a run's folder


class Scan:
    """Searches folders, and remembers what it passed over."""

    def __init__(self) -> None:
        self._unread: list[str] = []
        self._maps: list[str] = []
        self._runs: list[str] = []

    def below(self, root: str, *, named: bool = True) -> Iterator[str]:
        """Known video files below the folder; a folder of numbered images is one video.

        Each folder is entered once, by its own name before any link to it. Runs of ours are passed
        over, since their reports hold videos, and so are folders of depth or masks, unless this
        one was `named` itself.
        """
        seen: set[tuple[int, int]] = set()
        folders = deque([(root, not named and names_maps(os.path.basename(root)))])
        links: deque[tuple[str, bool]] = deque()
        while folders or links:
            folder, maps = (folders or links).popleft()
            files: list[str] = []
            for entry in self._entries(folder, seen):
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, maps or names_maps(entry.name)))
                elif os.path.isdir(entry.path):
                    links.append((entry.path, maps or names_maps(entry.name)))
                else:
                    files.append(entry.path)
            yield from self._videos_among(files)
            yield from self._images_among(folder, files, maps, named and folder == root)

    def _entries(self, folder: str, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
        """What the folder shows, sorted; nothing the second time, and nothing of a run."""
        try:
            stat = os.stat(folder)
            if (stat.st_dev, stat.st_ino) in seen:
                return []
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            log.warning("%s: passed over, %s", writable(folder), error.strerror)
            return []
        if {entry.name for entry in entries} >= _RUN_FILES:
            self._runs.append(folder)
            return []
        return [entry for entry in entries if not entry.name.startswith(".")]

    def warn(self) -> None:
        """One line on each kind of what was passed over."""
        for found, what in (
            (self._unread, "files that may be videos (name one itself to have it read)"),
            (self._maps, "folders of masks, depth or thumbnails (name one itself to have it read)"),
            (self._runs, "folders that camvid wrote itself"),
        ):
            if found:
                named = writable(", ".join(found[:3])) + (", ..." if len(found) > 3 else "")
                log.warning("passed over %s, %d in all: %s", what, len(found), named)

    def _videos_among(self, files: list[str]) -> Iterator[str]:
        for path in files:
            if is_video(path):
                if os.path.isfile(path) or not os.path.exists(path):  # a dead link fails by name
                    yield path
            elif _may_be_video(path):
                self._unread.append(path)

    def _images_among(
        self, folder: str, files: list[str], maps: bool, named: bool
    ) -> Iterator[str]:
        videos = {PurePath(path).stem for path in files if is_video(path)}
        images = [
            path
            for path in map(Path, files)
            if is_image(path.name) and path.stem not in videos  # a video's poster
        ]
        series = [s for s in series_in(images, 1.0)[0] if len(s.paths) > 1]
        if not series:
            return
        if not named and (maps or all(names_maps(s.label) for s in series)):
            self._maps.append(folder)
            return
        yield folder


def is_video(path: str) -> bool:
    """Whether the name is that of a video that is not hidden."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith(".")


def _may_be_video(path: str) -> bool:
    """Whether a file of another name begins as videos do."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _UNREAD_SUFFIXES:
        return True
    if suffix in _OTHER_SUFFIXES or is_image(os.path.basename(path)):
        return False
    try:
        if not os.path.isfile(path):  # a pipe would wait for its writer
            return False
        with open(path, "rb") as file:
            return bool(_SIGNATURES.match(file.read(_SIGNATURE_BYTES)))
    except OSError:
        return False
