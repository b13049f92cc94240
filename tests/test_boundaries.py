"""The layers, and how light an import is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["camvid", "camvid.models", "stages", "workflows", "workflows.cli"]
HEAVY = {"ray", "torch", "pycolmap", "cv2", "typer"}


def layer(module: str) -> int:
    return max(
        (i for i, name in enumerate(LAYERS) if module == name or module.startswith(name + ".")),
        default=-1,
    )


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


SOURCES = sorted(
    path for top in ("camvid", "stages", "workflows") for path in (ROOT / top).rglob("*.py")
)


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_imports_a_layer_above_it(path: Path) -> None:
    mine = layer(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    above = [name for name in imports(path) if layer(name) > mine]
    assert not above


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_special_imports_have_one_home(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = imports(path)
    if name != "camvid/sfm/colmap.py":
        assert "pycolmap" not in found, "its import order matters: use camvid.sfm.colmap"
    on_ray = ("on_ray", "parts_on_ray", "ray_cluster", "ray_stall")
    if name not in [f"workflows/execution/{module}.py" for module in on_ray]:
        assert not {"ray", "ray.data"} & found
    assert "__future__" not in found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_import_camvid_is_light() -> None:
    code = "import sys, camvid, camvid.artifacts; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not HEAVY & set(loaded)


def test_help_loads_no_model_package() -> None:
    code = (
        "import sys; sys.argv = ['camvid', '--help']\n"
        "from workflows.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not (HEAVY - {"typer"} | {"numpy", "pyarrow"}) & set(loaded)


def test_stages_declare_what_their_call_takes() -> None:
    import inspect

    from camvid.outcome import Rejected
    from workflows.curate import CurateConfig

    for config in CurateConfig().clip_stages():
        stage = config.build()
        signature = inspect.signature(type(stage).__call__)
        taken = tuple(p.annotation for p in list(signature.parameters.values())[1:])
        assert taken == stage.reads, stage.name
        given = signature.return_annotation
        assert given in (stage.writes, stage.writes | Rejected), stage.name
