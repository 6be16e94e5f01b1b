"""What the Python of a page prints, written below each of its blocks: `python docs/generate_outputs.py PAGE.md ...`.

A block of Python that is followed by a block of plain text prints that text, to the letter; the tests compare them. Run
this after changing such a page, and look at what it changed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<out>.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def printed(text: str, name: str = "page") -> Iterator[tuple[re.Match[str], str]]:
    """Every Python block of a page with what it prints; all run in the present folder and share their names."""
    scope: dict[str, object] = {"__name__": "__docs__"}
    for block in BLOCK.finditer(text):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block["code"], name, "exec"), scope)
        yield block, "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def renewed(text: str, name: str = "page") -> str:
    """The page with what its blocks print now."""
    made, at = [], 0
    for block, out in printed(text, name):
        if block["out"] is not None:
            made += [text[at : block.start("out")], out]
            at = block.end("out")
    return "".join(made) + text[at:]


def main(pages: list[str]) -> None:
    for name in pages:
        page = Path(name).resolve()
        text, here = page.read_text("utf-8"), Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                page.write_text(renewed(text, page.name), encoding="utf-8")
            finally:
                os.chdir(here)


if __name__ == "__main__":
    main(sys.argv[1:])
