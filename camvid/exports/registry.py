"""The formats that there are. Naming one imports nothing; making one imports what it needs."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from camvid.errors import BackendUnavailable, ConfigError

if TYPE_CHECKING:
    from camvid.exports.format import Format
    from camvid.exports.options import ExportOptions

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "realestate10k": "camvid.exports.realestate10k:RealEstate10K",
        "colmap": "camvid.exports.colmap:Colmap",
        "nerfstudio": "camvid.exports.nerfstudio:Nerfstudio",
        "huggingface": "camvid.exports.huggingface:HuggingFace",
        "webdataset": "camvid.exports.webdataset:WebDataset",
        "rerun": "camvid.exports.rerun_recording:RerunRecording",
        "camvid30k": "camvid.exports.camvid30k:CamVid30K",
        "lerobot": "camvid.exports.lerobot:LeRobot",
    }
)


def make_format(name: str, options: "ExportOptions") -> "Format":
    """The format of this name.

    Raises:
        ConfigError: there is none.
        BackendUnavailable: the package that writes it is not installed.
    """
    from camvid.plain import did_you_mean

    if name not in FORMATS:
        choices = ", ".join(FORMATS)
        hint = did_you_mean(name, FORMATS)
        raise ConfigError(f"--to must be one of {choices}, got {name!r}{hint}")
    module_name, _, class_name = FORMATS[name].partition(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)(options)
    except ImportError as error:
        raise BackendUnavailable(
            f"the format {name} needs the package {error.name}",
            fix="pip install 'camvid[export]'",
        ) from error
