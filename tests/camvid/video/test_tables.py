"""Lists with columns: what each row says, and what is said of rows and lists that are wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from camvid.errors import ConfigError, VideoError
from camvid.video.source import Source
from camvid.video.sources import Sources, find_sources

COLUMNS = ("uri", "licence", "caption", "start_s", "end", "n", "calibration")
ROWS = (
    ("a.mp4", "CC-BY-4.0", "a dog", 1.5, 4, "7", None),
    ("s3://bucket/b.mp4", None, None, None, None, None, "500,510,320,180"),
    ("sub/c.mp4", "MIT", None, None, None, None, None),
)


def write_list(path: Path, rows: tuple[tuple[object, ...], ...] = ROWS) -> str:
    tables = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(tables), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in tables))
    else:
        fields = [["" if v is None else f'"{v}"' for v in row] for row in (COLUMNS, *rows)]
        path.write_text("\r\n".join(map(",".join, fields)), encoding="utf-16")
    return str(path)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_row_says_what_its_columns_say(kind: str, tmp_path: Path) -> None:
    sources = find_sources([write_list(tmp_path / f"list.{kind}")])
    first, second, third = sources
    assert first == Source(
        uri=str(tmp_path / "a.mp4"),
        start_s=1.5,
        end_s=4.0,
        licence="CC-BY-4.0",
        caption="a dog",
        listed='{"n": "7"}',
    )
    assert first.name == f"{tmp_path}/a.mp4#t=1.500,4.000"
    assert second == Source(uri="s3://bucket/b.mp4", calibration=(500, 510, 320, 180))
    assert third == Source(uri=str(tmp_path / "sub/c.mp4"), licence="MIT")
    assert abs(sources.count() - 3) <= 1
    assert list(sources) == [first, second, third], "they may be iterated over again"


def test_a_matrix_and_columns_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    rows = [
        {"uri": "a.mp4", "K": [[500, 0, 320], [0, 510, 180], [0, 0, 1]]},
        {"uri": "b.mp4", "fx": 500, "fy": 510, "cx": 320, "cy": 180},
        {"uri": "c.mp4", "fx": 500, "deep": {"key": [1, float("nan")]}},
    ]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    *known, unknown = find_sources([f"@{path}"])
    assert [source.calibration for source in known] == [(500, 510, 320, 180)] * 2
    assert (unknown.calibration, unknown.listed) == ((), '{"deep": {"key": [1, null]}, "fx": 500}')


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ('{"uri": "a.mp4"', "no JSON"),
        ('["a.mp4"]', "must be a JSON object"),
        ('{"url": "a.mp4"}', "`uri` must be a text, got None"),
        ('{"uri": "a.mp4", "start_s": "soon"}', "`start_s` must be seconds, got 'soon'"),
        ('{"uri": "a.mp4", "start_s": 4, "end_s": 4}', "below `end_s`, got 4.0, 4.0"),
        ('{"uri": "a.mp4", "start_s": NaN}', "must be 0 or more"),
        ('{"uri": "a.mp4", "calibration": [1, 2, 3]}', "must be fx, fy, cx, cy or a K"),
        ('{"uri": "a.mp4", "caption": 3}', "`caption` must be a text, got 3"),
    ],
)
def test_a_bad_row_is_one_fault_with_its_line(row: str, wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"uri": "first.mp4"}\n' + row + '\n{"uri": "last.mp4"}\n')
    first, bad, last = find_sources([str(path)])
    assert (first.uri, last.uri) == (str(tmp_path / "first.mp4"), str(tmp_path / "last.mp4"))
    assert bad.name == f"{path}:2"
    with pytest.raises(VideoError, match=f"list.jsonl:2: the row must name a video: .*{wrong}"):
        bad.stat()


def test_fields_that_a_csv_row_lacks_or_has_beyond_the_header(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('uri,caption\n"a.mp4","two\nlines"\nb.mp4\nc.mp4,c,more\nd.mp4,\n')
    found = list(find_sources([str(path)]))
    assert [Path(source.uri).name for source in found] == [
        "a.mp4",
        "list.csv:4",
        "list.csv:5",
        "d.mp4",
    ]
    assert found[0].caption == "two\nlines"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"url,caption\na.mp4,a\n"),
        ("a.jsonl", b"no JSON\n"),
        ("a.parquet", b"PAR1"),
        ("a.jsonl", b"\xff\xfea"),
    ],
)
def test_a_bad_list_is_refused_before_any_work(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{name} must "):
        find_sources([str(tmp_path / name)])


def test_a_video_that_is_named_again_comes_once(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    rows = (ROWS[0], ROWS[0], ("a.mp4", *ROWS[2][1:]), ROWS[1])
    path = write_list(tmp_path / "list.jsonl", rows)
    named = [str(video), f"{video}#t=1.500,4.000", "s3://bucket/b.mp4"]
    assert [source.name for source in find_sources([str(video), path])] == named
    *_, remote = find_sources([path], local_only=True)
    assert "--local-only" in remote.fault


def test_what_a_list_holds_that_opens_an_account_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    row = {"uri": "https://me:pw@host/a.mp4?sig=1", "page": "https://me:pw@host/a?token=1"}
    path.write_text(json.dumps(row))
    (source,) = find_sources([str(path)])
    assert source.uri == row["uri"], "it is needed to read the video"
    assert (source.name, source.listed) == ("https://host/a.mp4", '{"page": "https://host/a"}')


_READ = """
import resource, sys, time
from camvid.video.sources import find_sources
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
videos = iter(find_sources([sys.argv[1]]))
next(videos)
first_s = time.perf_counter() - start
count = 1 + sum(1 for _ in videos)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(count, first_s, time.perf_counter() - start, grown / 1024)
"""


def test_rows_are_not_all_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    line = '{{"uri": "s3://bucket/{}.mp4", "caption": "' + "a word " * 200 + '"}}\n'
    with path.open("w") as file:
        file.writelines(line.format(n) for n in range(20_000))  # 30 MB
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True
    )
    count, first_s, _, grown_mb = map(float, done.stdout.split())
    assert count == 20_000
    assert first_s < 1
    assert grown_mb < 10


def test_names_alone_are_sources_too() -> None:
    sources = Sources.of(["b.mp4", "a.mp4"])
    assert [source.uri for source in sources] == ["b.mp4", "a.mp4"]
    assert Sources.of(sources) is sources
    assert all(source.identity == "" for source in sources)
