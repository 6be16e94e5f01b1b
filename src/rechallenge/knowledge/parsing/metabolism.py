"""Human-GEM: metabolites with identifiers, reactions with their equation, genes and direction.

Robinson et al. 2020, doi:10.1126/scisignal.aaz1482. The model is published as YAML of one fixed layout (`!!omap`
lists of one-line entries); it is read line by line, since no more of YAML is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import delimited, joined, lines, pick

if TYPE_CHECKING:
    import pandas as pd

_SECTION = re.compile(r"^- (\w+):")
_FIELD = re.compile(r"^      - (\w+):\s*(.*)$")
_ITEM = re.compile(r"^          - (?:(\S+):\s*)?(.+)$")
_VERSION = re.compile(r'^    (?:version|date):\s*"([^"]+)"')


def _entries(path: Path, section: str) -> Iterator[dict[str, Any]]:
    """Entries of one section of the model: field -> text, or dict (metabolites) or list (subsystem)."""
    with lines(path, ".yml") as stream:
        inside, last = False, ""
        entry: dict[str, Any] | None = None
        for line in stream:
            if found := _SECTION.match(line):
                if inside and entry:
                    yield entry
                inside, entry = found[1] == section, None
            elif not inside:
                continue
            elif line.startswith("    - !!omap"):
                if entry:
                    yield entry
                entry = {}
            elif entry is not None and (found := _FIELD.match(line)):
                last, text = found[1], found[2].strip()
                entry[last] = {} if text == "!!omap" else [] if not text else _plain(text)
            elif entry is not None and (found := _ITEM.match(line)):
                holder = entry.get(last)
                if isinstance(holder, dict) and found[1]:
                    holder[found[1].strip('"')] = float(found[2])
                elif isinstance(holder, list):
                    holder.append(_plain(line.strip().removeprefix("- ")))
        if inside and entry:
            yield entry


def _plain(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _version(path: Path) -> str:
    with lines(path, ".yml") as stream:
        for _, line in zip(range(30), stream, strict=False):
            if found := _VERSION.match(line):
                return found[1]
    return ""


def _names(path: Path) -> dict[str, str]:
    return {e["id"]: e.get("name", "") for e in _entries(path, "metabolites") if "id" in e}


def humangem_metabolites(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """Human-GEM.yml and metabolites.tsv: one row per metabolite, compartments merged."""
    import pandas as pd

    model, annotation = paths
    rows = [
        (e["id"], e.get("name", ""), e.get("compartment", ""), e.get("formula", ""), e.get("charge", ""))
        for e in _entries(model, "metabolites")
        if "id" in e
    ]
    if not rows:
        raise FormatError(f"Human-GEM: {model.name} has no section of metabolites; the format has changed.")
    found = pd.DataFrame(rows, columns=["mets", "name", "compartment", "formula", "charge"])
    columns = {
        "mets": ("mets",),
        "metabolite": ("metsNoComp",),
        "kegg": ("metKEGGID",),
        "hmdb": ("metHMDBID",),
        "chebi": ("metChEBIID",),
        "pubchem": ("metPubChemID",),
        "lipidmaps": ("metLipidMapsID",),
        "bigg": ("metBiGGID",),
    }
    ids = pick(delimited(annotation), columns, "Human-GEM metabolites.tsv", optional=("lipidmaps", "bigg", "pubchem"))
    both = found.merge(ids, on="mets", how="inner", validate="one_to_one")
    for name in ("kegg", "hmdb", "chebi", "pubchem", "lipidmaps"):
        both[name] = joined(both[name], ";")
    grouped = both.groupby("metabolite", sort=True)
    frame = grouped.first()
    frame["compartments"] = grouped["compartment"].agg(lambda c: "|".join(sorted(set(c))))
    return frame.reset_index(), _version(model)


def humangem_reactions(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """Human-GEM.yml and reactions.tsv: one row per reaction. Substrates are the compounds with a negative coefficient
    as the model writes it, which need not be the physiological direction."""
    import pandas as pd

    model, annotation = paths
    name_of = _names(model)
    rows = []
    for e in _entries(model, "reactions"):
        parts: dict[str, float] = e.get("metabolites") or {}
        left = [(-v, m) for m, v in parts.items() if v < 0]
        right = [(v, m) for m, v in parts.items() if v > 0]
        low, high = float(e.get("lower_bound", 0) or 0), float(e.get("upper_bound", 0) or 0)
        arrow = "<=>" if low < 0 < high else "<=" if low < 0 else "=>"
        rule = str(e.get("gene_reaction_rule") or "")
        subsystem = e.get("subsystem") or []
        rows.append(
            {
                "reaction": e.get("id", ""),
                "name": e.get("name", "") or "",
                "subsystem": "|".join(subsystem) if isinstance(subsystem, list) else str(subsystem),
                "equation": f"{_side(left, name_of)} {arrow} {_side(right, name_of)}",
                "substrates": "|".join(m for _, m in left),
                "products": "|".join(m for _, m in right),
                "lower_bound": low,
                "upper_bound": high,
                "rule": rule,
                "genes": "|".join(dict.fromkeys(re.findall(r"ENSG\d{11}", rule))),
                "ec": "|".join(filter(None, str(e.get("eccodes") or "").split(";"))),
            }
        )
    if not rows:
        raise FormatError(f"Human-GEM: {model.name} has no section of reactions; the format has changed.")
    columns = {"reaction": ("rxns",), "kegg": ("rxnKEGGID",), "reactome": ("rxnREACTOMEID",), "rhea": ("rxnRheaID",)}
    ids = pick(delimited(annotation), columns, "Human-GEM reactions.tsv", optional=("reactome", "rhea"))
    frame = pd.DataFrame(rows).merge(ids, on="reaction", how="left", validate="one_to_one")
    for name in ("kegg", "reactome", "rhea"):
        frame[name] = joined(frame[name].fillna(""), ";")
    return frame, _version(model)


def _side(parts: list[tuple[float, str]], name_of: dict[str, str]) -> str:
    """One side of an equation with the names of its compounds and their compartment."""
    return " + ".join(
        ("" if n == 1 else f"{n:g} ") + f"{name_of.get(m, m) or m} [{m[-1]}]"
        for n, m in sorted(parts, key=lambda p: p[1])
    )
