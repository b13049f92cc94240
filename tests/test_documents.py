"""Commands and code that README.md and docs/ show are ones that the project has.

Each `camvid` line is parsed by the command line itself, targets and scripts are looked up, TOML is
read by the settings, and Python blocks make their imports. What is generated is compared.
"""

import ast
import importlib
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.cli import get_docs_for_click

from workflows.cli.main import app
from workflows.settings_page import all_settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = ("CLI.md",)  # its blocks are usage lines
PAGES = [
    *ROOT.glob("*.md"),
    *(page for page in sorted(DOCS.glob("*.md")) if page.name not in GENERATED),
]

RUN_BY = {
    "camvid audit": "workflows/test_imports.py",
    "camvid calibrate": "workflows/test_calibrate.py",
    "camvid curate": "workflows/test_cli.py",
    "camvid demo": "workflows/test_cli.py",
    "camvid doctor": "workflows/test_cli.py",
    "camvid evaluate": "workflows/test_cli.py",
    "camvid export": "exports/test_export.py",
    "camvid genxd": "workflows/test_sample.py",
    "camvid import": "workflows/test_imports.py",
    "camvid inspect": "workflows/test_cli.py",
    "camvid models": "workflows/test_cli.py",
    "camvid pack": "genxd/test_packing.py",
    "camvid refilter": "workflows/test_cli.py",
    "camvid sample": "workflows/test_sample.py",
    "camvid shards": "workflows/test_cli.py",
    "camvid stage": "workflows/test_cli.py",
    "camvid stats": "workflows/test_cli.py",
    "camvid status": "workflows/test_cli.py",
    "camvid torchrun": "genxd/test_train.py",
    "camvid train": "genxd/test_train.py",
}
"""Commands that are shown, and the tests that run them and look at what they say; `make wheel-test`
runs the demo, exports and an import."""


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str


BLOCKS = [
    Block(page.name, language, text)
    for page in PAGES
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
]


def shown(start: str, *, in_text: bool = False) -> list[tuple[str, str]]:
    """(page, command) of every line in a block without a language that begins so.

    Args:
        in_text: what a sentence names between backquotes, too.
    """
    found: list[tuple[str, str]] = []
    for page in PAGES if in_text else ():
        spans = re.findall(r"`([^`\n]+)`", page.read_text())
        found += [(page.name, span) for span in spans if re.match(start, span)]
    for block in BLOCKS:
        if not block.language:
            joined = block.text.replace("\\\n", " ").splitlines()
            lines = [one for line in joined for one in line.removeprefix("$ ").split(" && ")]
            found += [(block.page, line) for line in lines if re.match(start, line)]
    return found


CAMVID = r"(?:\.venv/bin/)?camvid |torchrun .*-m workflows\.cli "


def test_pages_show_commands_and_code() -> None:
    assert len(shown(CAMVID)) > 30
    assert {"", "python", "toml"} <= {block.language for block in BLOCKS}


@pytest.mark.parametrize(("page", "line"), shown(CAMVID))
def test_a_command_is_one(page: str, line: str) -> None:
    """With its options and arguments, their types and what is required; it is not run."""
    words = shlex.split(re.sub(CAMVID, "", line, count=1), comments=True)
    context = typer.Context(typer.main.get_command(app), info_name="camvid")
    while hasattr(context.command, "commands"):
        word, *rest = [w for w in words if w != "--debug"]
        for choice in word.split("|"):  # as in `camvid models list|fetch|check`
            command = context.command.get_command(context, choice)
            assert command, f"{page}: camvid has no `{choice}`"
        context, words = typer.Context(command, parent=context, info_name=word), rest
    command.make_context(word, words)


@pytest.mark.parametrize(("page", "line"), shown("make ", in_text=True))
def test_a_target_is_one(page: str, line: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    words = shlex.split(line, comments=True)[1:]
    assert {word for word in words if "=" not in word} <= targets, page


@pytest.mark.parametrize(("page", "line"), shown(r"python \S+/", in_text=True))
def test_a_script_is_one_and_has_the_options(page: str, line: str) -> None:
    _, script, *words = shlex.split(line, comments=True)
    text = (ROOT / script).read_text()
    for word in words:
        assert not word.startswith("--") or f'"{word.partition("=")[0]}"' in text, page


@pytest.mark.parametrize(("page", "line"), shown(r"\S*pip install "))
def test_an_extra_is_one(page: str, line: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {extra for found in re.findall(r"\[([\w,]+)\]", line) for extra in found.split(",")}
    assert extras
    assert extras <= set(declared["optional-dependencies"]), page


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "python"], ids=lambda b: b.page
)
def test_what_python_imports_is_there(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names), node.module


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "toml"], ids=lambda b: b.page)
def test_settings_are_ones(block: Block) -> None:
    known = set(all_settings())

    def check(name: str, value: object) -> None:
        if isinstance(value, dict) and not name.endswith(".options"):
            for key, inner in value.items():
                check(f"{name}.{key}" if name else key, inner)
        else:
            assert name in known or any(other.startswith(f"{name}.") for other in known), name

    check("", tomllib.loads(block.text))


def test_set_options_are_settings() -> None:
    """Those that curate takes; a training's are its own."""
    lines = [line for _, line in shown(CAMVID) if re.search(r"camvid (curate|refilter) ", line)]
    named = {name for line in lines for name in re.findall(r"--set ([\w.]+)=", line)}
    assert named
    assert named <= set(all_settings())


def test_commands_that_are_shown_are_run_by_a_test() -> None:
    lines = (line.removeprefix(".venv/bin/") for _, line in shown(CAMVID))
    named = {" ".join(line.split()[:2]) for line in lines}
    assert {name for name in named if not name.startswith("camvid -")} == set(RUN_BY)
    for command, test in RUN_BY.items():
        name = command.removeprefix("camvid ")
        assert f'"{name}"' in (ROOT / "tests" / test).read_text(), test


def sayings() -> list[str]:
    """Every text in the code; what is filled in is a line break."""
    found: list[str] = []
    for path in (
        path for top in ("camvid", "stages", "workflows") for path in (ROOT / top).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "\n" for p in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_messages_are_those_of_the_code() -> None:
    text = (DOCS / "TROUBLESHOOTING.md").read_text()
    cells = re.findall(r"^\| (`.*?`) \|", text, re.M)
    messages = [message for cell in cells for message in re.findall(r"`([^`]* [^`]*)`", cell)]
    said = sayings()
    assert len(messages) > 12
    for message in messages:
        pattern = re.compile(".*".join(map(re.escape, message.split("..."))), re.S)
        assert any(pattern.search(text) for text in said), message


def test_the_reference_of_commands_is_that_of_the_code() -> None:
    command = typer.main.get_command(app)
    text = get_docs_for_click(
        obj=command,
        ctx=typer.Context(command, info_name="camvid"),
        name="camvid",
        title="The command line",
    )
    assert (DOCS / "CLI.md").read_text() == f"{text.strip()}\n", "run `make docs`"


def test_the_list_of_commands_fits_a_terminal() -> None:
    group = typer.main.get_command(app)
    commands = getattr(group, "commands").values()  # noqa: B009  (typed as any command)
    assert [c.name for c in commands if c.get_short_help_str(64).endswith("...")] == []


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    assert (tmp_path / "CLI" / "index.html").exists()
