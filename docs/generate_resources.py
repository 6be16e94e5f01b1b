"""Write one page per knowledge table, and a page that lists them, from the catalogue.

Pages: `resources/index.md` and `resources/NAME.md`. The result is not committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rechallenge.knowledge.catalogue import PERMISSIONS, Resource, groups
from rechallenge.knowledge.tables import starter_provenance

HERE = Path(__file__).parent


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join(lines)


def toctree(pages: Sequence[str]) -> str:
    """The pages below this one, in the navigation only."""
    return "```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```"


def link(text: str) -> str:
    """Web addresses and DOIs of a text as Markdown links."""
    words = []
    for word in text.split(" "):
        core = word.rstrip(".,;")
        tail = word[len(core) :]
        if core.startswith("doi:"):
            words.append(f"[{core}](https://doi.org/{core.removeprefix('doi:')}){tail}")
        elif core.startswith(("http://", "https://")):
            words.append(f"<{core}>{tail}")
        else:
            words.append(word)
    return " ".join(words)


def page(one: Resource) -> str:
    """The page of one table."""
    licence = f"[{one.licence}]({one.licence_url})" if one.licence_url else one.licence
    facts = [
        ("version", one.version + (" (the address always gives the newest)" if one.moving else "")),
        ("licence", licence),
        ("redistribution", PERMISSIONS[one.redistribution]),
        ("commercial use", PERMISSIONS[one.commercial]),
        ("used for", one.used_for),
        ("citation", link(one.citation)),
    ]
    if one.starter:
        record = starter_provenance(one.name)
        facts += [("rows", f"{record['rows']:,}"), ("SHA-256", f"`{record['sha256']}`")]
    else:
        facts += [
            ("home page", link(one.homepage)),
            ("size", f"{one.size / 1e6:.1f} MB" if one.size else "unknown"),
            ("rows", "counted when it is installed"),
        ]
    parts = [f"# {one.title}", f"`{one.name}`. {one.about}", table(("", ""), facts)]
    if one.starter:
        parts.append("Comes with the package:")
        parts.append(f'```python\nfrom rechallenge import knowledge\n\nknowledge.table("{one.name}")\n```')
    else:
        files = " ".join(s.file for s in one.sources)
        parts.append("Not in the package. From the official address, or from a copy that you have:")
        parts.append(
            f"```sh\nrechallenge knowledge fetch {one.name}\nrechallenge knowledge add {one.name} {files}\n```"
        )
        rows = [
            (f"`{s.file}`" + (f" (every `{s.listing}` in the folder)" if s.listing else ""), f"<{s.address}>",
             f"`{s.sha256}` ({s.sha256_from})" if s.sha256 else "recorded at the first fetch")
            for s in one.sources
        ]  # fmt: skip
        parts.append("## Files\n\n" + table(("file", "address", "SHA-256"), rows))
    if one.unverified:
        parts.append("## Not verified\n\n" + "\n".join(f"- {u}" for u in one.unverified))
    columns = [(f"`{c.name}`", c.kind, c.unit, c.about) for c in one.columns]
    parts.append("## Columns\n\n" + table(("column", "kind", "unit", "what it is"), columns))
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The page that lists every table."""
    parts = [
        "# Knowledge tables",
        "Every claim about the outside world comes from one of these tables. Those of the starter set come with the "
        "package; the others are fetched, from the official address, a mirror (`RECHALLENGE_MIRROR`) or a local copy. "
        "What is not in a table is unknown, not absent in nature.",
    ]
    for group, members in groups():
        rows = [
            (f"[`{m.name}`]({m.name}.md)", m.title, "in the package" if m.starter else m.version, m.licence)
            for m in members
        ]
        parts.append(f"## {group.capitalize()}\n\n" + table(("table", "what it is", "version", "licence"), rows))
    parts.append(toctree([m.name for _, members in groups() for m in members]))
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Write all pages to a folder, replacing older ones; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    pages = {"index": index()} | {m.name: page(m) for _, members in groups() for m in members}
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return sorted(folder.glob("*.md"))


def main() -> None:
    write(HERE / "resources")


if __name__ == "__main__":
    main()
