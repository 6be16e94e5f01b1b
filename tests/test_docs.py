"""The documentation keeps its word: its Python runs, its commands exist, its pages are all in the navigation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")])
COMMANDS = {"demo", "new", "check", "run", "explain", "surface", "list", "contract", "knowledge", "library", "curves"}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p.read_text("utf-8"), "python")], ids=lambda p: p.name)
def test_python_on_a_page_runs_and_prints_what_stands_below_it(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from generate_outputs import printed

    monkeypatch.chdir(tmp_path)
    for block, out in printed(page.read_text("utf-8"), str(page)):
        assert block["out"] is None or block["out"] == out, block["code"]


def test_the_tutorial_for_bioinformaticians_shows_what_its_blocks_print() -> None:
    """Nothing that is printed there goes unchecked."""
    text = (ROOT / "docs" / "tutorials" / "bioinformatician.md").read_text("utf-8")
    loud = [b for b in blocks(text, "python") if "print(" in b]
    checked = re.findall(r"^```python\n(?:(?!^```).)*^```\n\n```text\n.+?^```", text, re.M | re.S)
    assert len(loud) == len(checked) >= 9


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_on_a_page_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    shown = re.findall(r"^\s*\$? ?rechallenge ([a-z]+)", text, flags=re.MULTILINE)
    shown += re.findall(r"`rechallenge ([a-z]+)", text)
    assert set(shown) <= COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    generated = {"tables.md", "analyses.md", "evidence.md"}
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists() or Path(target).name in generated, f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    trees = "\n".join(re.findall(r"```{toctree}\n(.*?)```", (ROOT / "docs" / "index.md").read_text("utf-8"), re.DOTALL))
    for page in (ROOT / "docs").rglob("*.md"):
        relative = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        if relative != "index" and not relative.startswith(("analyses/", "resources/", "api/")):
            assert relative in trees.split("\n"), f"{page.name} is in no table of contents"
