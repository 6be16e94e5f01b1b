"""Write the generated pages of the documentation from the software's own metadata.

Pages: the knowledge tables (`generate_resources.py`), `reference/tables.md` (every table kind), `reference/analyses.md`
and one page per analysis in `analyses/`, `reference/evidence.md` (the vocabulary), `api/` (what Python users call). Run
by `make docs`; the result is not committed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import generate_resources
from generate_resources import link, table, toctree

from rechallenge import evidence
from rechallenge.analysis import Analysis, Registry, discover
from rechallenge.scaffold import contract_rows

HERE = Path(__file__).parent
#: what Python users call: module -> why
API = {
    "rechallenge.study": "the study file",
    "rechallenge.tables": "reading tables",
    "rechallenge.pipeline": "running a study",
    "rechallenge.bulk": "large screens and libraries of studies",
    "rechallenge.evidence": "the table of claims",
    "rechallenge.analysis": "what an analysis is, and finding them",
    "rechallenge.contrasts": "who is compared with whom",
    "rechallenge.simulate": "studies with a known answer",
    "rechallenge.knowledge": "what is known of drugs, genes and lines",
    "rechallenge.faults": "errors",
}

NO_REFERENCE = "No outside reference: this step is this project's own, or it computes nothing that needs one."
NOT_GIVEN = "Not given."
MORE = (
    "Figures: [validation](../reference/validation.md), and with every condition [what was measured]"
    "(../reference/measured.md)."
)


def wrapped(text: str) -> str:
    """A formula in lines that fit a page, broken after semicolons."""
    return "\n".join(part.strip() for part in text.replace("; ", ";\n").split("\n"))


def tests_as_code(text: str) -> str:
    """Paths of tests in code marks."""
    return re.sub(r"(?:tests|benchmarks)/[\w/]+\.py", lambda m: f"`{m.group()}`", text)


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
    if isinstance(step.methods, str) and step.methods:
        parts.append("## In the methods paragraph\n\n" + link(methods_sentence(step)))
    parts.append("## Formula\n\n" + (f"```text\n{wrapped(step.formula)}\n```" if step.formula else NOT_GIVEN))
    cited = "\n".join(f"- {link(r)}" for r in step.reference)
    parts.append("## References\n\n" + (cited or NO_REFERENCE))
    parts.append("## Checked against\n\n" + (tests_as_code(step.oracle) or NOT_GIVEN) + f"\n\n{MORE}")
    parts.append("## Limits\n\n" + (step.limits or NOT_GIVEN))
    users = [s for s in registry.steps.values() if set(step.gives) & set(s.needs + s.wants)]
    figures = [s for s in users if s.kind == "figure"]
    if said := [f"`{s.name}`" for s in users if s.kind == "claims"]:
        parts.append(
            "## Claims\n\nRows of [evidence](../reference/evidence.md) are made of it by " + ", ".join(said) + "."
        )
    if figures:
        parts.append("## Figures\n\n" + "\n".join(f"- {s.title}. {s.caption}" for s in figures))
    if more := background(step):
        parts.append("## Background\n\n" + more)
    return "\n\n".join(parts) + "\n"


def methods_sentence(step: Analysis) -> str:
    """The sentence with the defaults of its options."""
    try:
        return str(step.methods).format(**step.options)
    except (KeyError, IndexError, ValueError):  # it speaks of the result too
        return str(step.methods)


def background(step: Analysis) -> str:
    """What the module, and the package of the stream above it, say of the method; '' where they say nothing."""
    names = [step.module]
    top = ".".join(step.module.split(".")[:3])
    if top != step.module:
        names.insert(0, top)
    said = [inspect.getdoc(importlib.import_module(n)) or "" for n in names]
    return "\n\n".join(s for s in dict.fromkeys(said) if s)


def api_pages() -> dict[str, str]:
    """One page per public module, and all of the statistics, which know no biology."""
    import rechallenge.stats

    stats = [f"rechallenge.stats.{m.name}" for m in pkgutil.iter_modules(rechallenge.stats.__path__)]
    pages = {m: f"# `{m}`\n\n```{{eval-rst}}\n.. automodule:: {m}\n```\n" for m in (*API, *stats)}
    rows = [(f"[`{m}`]({m}.md)", why) for m, why in API.items()]
    maths = [(f"[`{m}`]({m}.md)", (inspect.getdoc(importlib.import_module(m)) or "").split("\n")[0]) for m in stats]
    pages["index"] = (
        "# Python\n\n`import rechallenge` loads nothing; what is used is loaded then. Analyses are plain functions on "
        "DataFrames: each has its page under [Analyses](../reference/analyses.md).\n\n"
        + table(("module", "what for"), rows)
        + "\n\n## Statistics\n\nFunctions of arrays that know no biology.\n\n"
        + table(("module", "what it is"), maths)
        + "\n\n"
        + toctree([*API, *stats])
        + "\n"
    )
    return pages


def analyses_page(registry: Registry) -> str:
    rows = [
        (
            f"[`{s.name}`](../analyses/{s.name}.md)",
            s.stream,
            ", ".join(f"`{n}`" for n in s.needs + s.wants),
            s.title,
            "own tests" if s.oracle.startswith("No outside reference") else "outside reference",
        )
        for s in registry.steps.values()
        if s.kind == "analysis"
    ]
    pages = [f"../analyses/{s.name}" for s in registry.steps.values() if s.kind == "analysis"]
    checked = sum(r[-1] == "outside reference" for r in rows)
    head = (
        f"# Analyses\n\n{len(rows)} analyses. Each page has the formula, the references, what it was checked against "
        f"and its limits. {checked} were compared with other software, published numbers or real data; the others are "
        "checked by definition and by simulations with a known answer, and their pages say so.\n\n"
    )
    return (
        head
        + table(("analysis", "stream", "from", "what it is", "checked against"), rows)
        + "\n\n"
        + toctree(pages)
        + "\n"
    )


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
    pages, api = HERE / "analyses", HERE / "api"
    for folder in (pages, api):
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.md"):
            old.unlink()
    for name, text in api_pages().items():
        (api / f"{name}.md").write_text(text, encoding="utf-8")
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
