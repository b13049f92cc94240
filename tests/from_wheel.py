"""What users have: the package alone, through a demo, every export, an import and README's Python.

`make wheel-test` runs it in an empty folder, isolated from the checkout (`python -I`).
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import camvid
from camvid.exports.registry import FORMATS

README = Path(__file__).parents[1] / "README.md"
RUN = "demo/run"
AS_THEY_ARE = ("--fps", "24", "--size", "480x270")  # the demo's videos; LeRobot wants it said


def main() -> None:
    assert "site-packages" in str(camvid.__file__), f"the checkout is in reach: {camvid.__file__}"
    command("demo", "--out", "demo")
    for name in FORMATS:
        command("export", RUN, "--to", name, "--out", f"exported/{name}", *AS_THEY_ARE)
    command("import", "exported/colmap", "--from", "colmap", "--out", "imported")
    posed = [clip.kind for clip in camvid.open_run(RUN) if clip.kind != "video"]
    again = [clip.kind for clip in camvid.open_run("imported")]
    assert Counter(again) == Counter(posed), f"{posed} came back as {again}"
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    assert blocks, "README shows no Python"
    for block in blocks:
        exec(block.replace('"RUN', f'"{RUN}'), {})


def command(*arguments: str) -> None:
    print("$ camvid", *arguments, flush=True)
    subprocess.run([Path(sys.executable).with_name("camvid"), *arguments], check=True)


if __name__ == "__main__":
    main()
