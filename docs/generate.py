"""Write the generated pages of the documentation from the software's own metadata.

Pages: the knowledge tables (`generate_resources.py`), `reference/tables.md` (every table kind), `reference/analyses.md`
and one page per analysis in `analyses/`, `reference/evidence.md` (the vocabulary). Run by `make docs`; the result is
not committed.
"""

from __future__ import annotations

from pathlib import Path

import generate_resources
from generate_resources import table

from rechallenge import evidence
from rechallenge.analysis import Analysis, Registry, discover
from rechallenge.scaffold import contract_rows

HERE = Path(__file__).parent


def tables_page(registry: Registry) -> str:
    parts = ["# Table kinds\n\nOne row per observation. Headings are recognised whatever their case, spaces and units."]
    for c in registry.contracts.values():
        rows = [(f"`{n}`", need, unit, about) for n, need, unit, about in contract_rows(c)]
        parts.append(f"## `{c.name}`\n\n{c.about}\n\n" + table(("column", "", "unit", "what it is"), rows))
        if len(c.either) > 1:
            parts.append("Either " + " or ".join(" with ".join(f"`{n}`" for n in g) for g in c.either) + ".")
        if c.example:
            parts.append(f"```csv\n{c.example.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def analysis_page(step: Analysis, registry: Registry) -> str:
    sources = []
    for name in (*step.needs, *step.wants):
        giver = registry.giver(name)
        what = f"[`{giver.name}`]({giver.name}.md)" if giver else "the study"
        sources.append((f"`{name}`", "required" if name in step.needs else "used where present", what))
    options = [(f"`{k}`", f"`{v!r}`") for k, v in step.options.items()]
    parts = [f"# {step.title}", f"`{step.name}` in `{step.module}`, stream `{step.stream}`.", step.about]
    parts.append("## Tables\n\n" + table(("table", "", "from"), sources))
    if options:
        parts.append(
            f"## Options\n\nSet them under `[options.{step.stream}]`.\n\n" + table(("option", "default"), options)
        )
    if step.reference:
        parts.append("## References\n\n" + "\n".join(f"- {r}" for r in step.reference))
    figures = [s for s in registry.steps.values() if s.kind == "figure" and set(step.gives) & set(s.needs + s.wants)]
    if figures:
        parts.append("## Figures\n\n" + "\n".join(f"- {s.title}. {s.caption}" for s in figures))
    return "\n\n".join(parts) + "\n"


def analyses_page(registry: Registry) -> str:
    rows = [
        (f"[`{s.name}`](../analyses/{s.name}.md)", s.stream, ", ".join(f"`{n}`" for n in s.needs + s.wants), s.title)
        for s in registry.steps.values()
        if s.kind == "analysis"
    ]
    return "# Analyses\n\n" + table(("analysis", "stream", "from", "what it is"), rows) + "\n"


def evidence_page() -> str:
    levels = [(f"`{k}`", v) for k, v in evidence.LEVELS.items()]
    statuses = [(f"`{k}`", v) for k, v in evidence.STATUSES.items()]
    return (
        "# Evidence\n\nOne row per claim, the same columns from every analysis: "
        + ", ".join(f"`{c}`" for c in evidence.COLUMNS)
        + ".\n\n## Levels\n\n"
        + table(("level", "meaning"), levels)
        + "\n\n## Statuses\n\n"
        + table(("status", "meaning"), statuses)
        + "\n\nEntities are "
        + ", ".join(evidence.ENTITY_TYPES)
        + ". `direction` is +1 (promotes resistance), -1 (restores sensitivity) or 0.\n"
    )


def main() -> None:
    generate_resources.main()
    registry = discover()
    pages = HERE / "analyses"
    pages.mkdir(exist_ok=True)
    for old in pages.glob("*.md"):
        old.unlink()
    for step in registry.steps.values():
        if step.kind == "analysis":
            (pages / f"{step.name}.md").write_text(analysis_page(step, registry), encoding="utf-8")
    for name, text in {
        "tables": tables_page(registry),
        "analyses": analyses_page(registry),
        "evidence": evidence_page(),
    }.items():
        (HERE / "reference" / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
