"""Croissant: what a dataset holds, for machines (mlcommons.org/croissant, version 1.0)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

import camvid
from camvid.exports.format import Entry
from camvid.report.card import ARXIV, BIBTEX

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"string": "sc:Text", "double": "sc:Float", "int32": "sc:Integer"}
_PARQUET = "application/x-parquet"


def croissant(
    entries: Sequence[Entry], columns: Mapping[str, pa.DataType], index: bytes
) -> dict[str, Any]:
    """The description of an export; `index` is index.parquet, `columns` those of the clips."""
    licences = sorted({entry["licence"] for entry in entries if entry["licence"]})
    fields = [_field("clips", "clip-files", name, kind) for name, kind in columns.items()]
    indexed = [
        _field("index", "index-file", name, kind)
        for name, kind in columns.items()
        if name in entries[0]
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "camvid-export",
        "description": f"{len(entries)} video clips with cameras and motion strength.",
        "url": f"https://arxiv.org/abs/{ARXIV}",
        "citeAs": BIBTEX,
        "license": licences or "not known",
        "version": camvid.__version__,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "index-file",
                "name": "index.parquet",
                "contentUrl": "index.parquet",
                "encodingFormat": _PARQUET,
                "sha256": hashlib.sha256(index).hexdigest(),
            },
            {
                "@type": "cr:FileSet",
                "@id": "clip-files",
                "name": "clips",
                "includes": "clips/*.parquet",
                "encodingFormat": _PARQUET,
            },
        ],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": "clips", "name": "clips", "field": fields},
            {"@type": "cr:RecordSet", "@id": "index", "name": "index", "field": indexed},
        ],
    }


def _field(record_set: str, files: str, name: str, kind: pa.DataType) -> dict[str, Any]:
    files_as = "fileObject" if files == "index-file" else "fileSet"
    said: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "dataType": "sc:VideoObject" if name == "video" else _TYPES[str(_innermost(kind))],
        "source": {files_as: {"@id": files}, "extract": {"column": name}},
    }
    return said | ({"repeated": True} if pa.types.is_list(kind) else {})


def _innermost(kind: pa.DataType) -> pa.DataType:
    while pa.types.is_list(kind):
        kind = kind.value_type
    return kind
