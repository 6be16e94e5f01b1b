"""Everything that is known of one name, as plain text with sources."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from rechallenge.knowledge import catalogue, resolve, tables
from rechallenge.knowledge.errors import KnowledgeError
from rechallenge.knowledge.questions.exposure import line_of
from rechallenge.knowledge.questions.facts import is_hepatocyte, rows_of, unknowns
from rechallenge.knowledge.questions.targets import drugs_for, targets_of

WIDTH = 92


def describe(name: str, width: int = WIDTH) -> str:
    """What the tables say of a drug, gene, cell line, metabolite, gene set or knowledge table, as plain text.

    A name that is several of these gives them all. KnowledgeError, with close names, where it is none.
    """
    parts = [
        text for make in (_resource, _drug, _gene, _cell_line, _gene_set, _metabolite) if (text := make(name, width))
    ]
    if not parts:
        close = difflib.get_close_matches(name.lower(), _known_names(), n=5, cutoff=0.75)
        hint = f" Close names: {', '.join(close)}." if close else ""
        raise KnowledgeError(
            f"The knowledge tables say nothing of {name!r}.{hint} What is not in them is unknown, not absent in nature."
        )
    return "\n\n".join(parts)


def _wrap(text: str, width: int, indent: str = "  ", first: str | None = None) -> str:
    return textwrap.fill(
        text, width, initial_indent=indent if first is None else first, subsequent_indent=indent + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _section(title: str, lines: list[str], width: int) -> Iterator[str]:
    if lines:
        yield title
        yield from (_wrap(line, width) for line in lines)


def _resource(name: str, width: int) -> str:
    if name not in catalogue.catalogue():
        return ""
    one = catalogue.get(name)
    record = tables.provenance(name)
    lines = [f"{one.name}: {one.title}", _wrap(one.about, width)]
    facts = [f"version: {record['version'] if record else one.version}", f"licence: {one.permission()}"]
    if record:
        facts.append(
            f"here: {record['rows']:,} rows, SHA-256 {record['sha256'][:16]}..., {record.get('date', 'in the package')}"
        )
    else:
        size = f", {one.size / 1e6:.1f} MB" if one.size else ", size unknown"
        facts.append(f"not installed: rechallenge knowledge fetch {name}{size}")
    facts += [f"from: {s.address}" for s in one.sources]
    facts.append(f"cite: {one.citation}")
    facts += [f"not verified: {u}" for u in one.unverified]
    lines += [_wrap(f, width) for f in facts]
    lines += _section(
        "Columns", [f"{c.name}: {c.about}" + (f" ({c.unit})" if c.unit else "") for c in one.columns], width
    )
    return "\n".join(lines)


def _drug(name: str, width: int) -> str:
    row = resolve.drugs([name]).iloc[0]
    if row["status"] == "ambiguous":
        return f"{name}: could be {' or '.join(row['candidates'])} ({row['note']})."
    if not row["drug"]:
        return ""
    drug = str(row["drug"])
    via = (
        "" if row["status"] == "exact" else f" ({row['status']} of: {name}{'; ' + row['note'] if row['note'] else ''})"
    )
    found = rows_of("drugs", "drug", drug)
    if not found:
        return f"{drug}: known by name only, from {row['source']}{via}."
    one = found[0]
    lines = [f"{drug}: {one['status']} drug{via}" if one["status"] != "tool" else f"{drug}: laboratory compound{via}"]
    facts = [
        f"also: {one['synonyms'].replace('|', ', ')}" if one["synonyms"] else "",
        f"salts: {one['salts'].replace('|', ', ')}" if one["salts"] else "",
        f"InChIKey {one['inchikey']}" if one["inchikey"] else "",
        f"class: {one['drug_class']}" if one["drug_class"] else "",
        one["note"],
        f"source: {one['source']}",
    ]
    lines += [_wrap(f, width) for f in facts if f]
    approvals = [
        f"{r['agency']}: {' '.join(filter(None, (r['state'], r['year'])))}"
        f"{'; ' + r['indication'] if r['indication'] else ''} [{r['source']}]"
        for r in rows_of("approvals", "drug", drug)
    ]
    lines += _section("Approval", approvals, width)
    targets = [
        f"{r['target']}: {r['action']}{_potency(r)}{'' if r['primary'] == 'yes' else ', secondary'} [{r['source']}]"
        for r in targets_of(drug).to_dict("records")
    ]
    lines += _section("Targets", targets, width)
    exposure = tables.table("exposure")
    rows = exposure[exposure["drug"] == drug].to_dict("records")
    lines += _section("Exposure", [line_of(r) for r in rows], width)
    liver = [
        "; ".join(filter(None, (
            f"DILIrank {r['dili_class']}, severity {r['severity']}" if r["dili_class"] else "",
            "withdrawn for liver toxicity" if r["withdrawn_for_liver"] == "yes" else "",
            r["label_note"],
        ))) + f" [{r['source']}]"
        for r in rows_of("hepatic_safety", "drug", drug)
    ]  # fmt: skip
    lines += _section("Liver", liver, width)
    lines += _section("Unknown", unknowns(drug), width)
    return "\n".join(lines)


def _potency(row: dict[Any, Any]) -> str:
    if row["potency_nm"] != row["potency_nm"]:
        return ""
    value, unit = (row["potency_nm"], "nM") if row["potency_nm"] < 1000 else (row["potency_nm"] / 1000, "µM")
    return f", {row['potency_type']} {value:.3g} {unit}"


def _standing(row: dict[Any, Any]) -> str:
    """Status and agencies without saying the status twice."""
    if row["approvals"].startswith(row["status"]):
        return str(row["approvals"])
    return "; ".join(filter(None, (row["status"], row["approvals"])))


def _gene(name: str, width: int) -> str:
    row = resolve.genes([name]).iloc[0]
    if row["status"] in ("ambiguous", "date"):
        listed = " or ".join(row["candidates"]) or "unknown genes"
        return f"{name}: could be {listed} ({row['note']})."
    if not row["gene"]:
        return ""
    gene = str(row["gene"])
    about = next((r for t in ("genes", "target_genes") for r in rows_of(t, "symbol", gene)), None)
    via = "" if row["status"] == "exact" else f" ({row['status']} of: {name})"
    lines = [f"{gene}: gene{', ' + about['name'] if about and about['name'] else ''}{via}"]
    ids = [row["ensembl"], f"NCBI {row['entrez']}" if row["entrez"] else ""]
    facts = [str(row["note"])]
    if about:
        ids.append(f"UniProt {about['uniprot'].replace('|', ', ')}" if about["uniprot"] else "")
        for word, column in (("previous", "previous_symbols"), ("aliases", "alias_symbols")):
            facts.append(f"{word}: {about[column].replace('|', ', ')}" if about[column] else "")
    facts.insert(0, "; ".join(filter(None, ids)))
    lines += [_wrap(f, width) for f in facts if f]
    drugs = [
        f"{r['drug']} ({_standing(r)}): {r['action']}{_potency(r)}"
        f"{'' if r['primary'] == 'yes' else ', secondary target'}{'; liver: ' + r['liver'] if r['liver'] else ''}"
        f" [{r['source']}]"
        for r in drugs_for(gene).to_dict("records")
    ]
    lines += _section("Drugs that act on it", drugs, width)
    enzyme = [
        f"{r['enzyme']} (EC {r['ec']}): {r['substrates'].replace('|', ' + ')} -> {r['products'].replace('|', ' + ')}; "
        f"{r['pathway']}; {'reversible' if r['reversible'] == 'yes' else 'irreversible'}; {r['humangem_reaction']} "
        f"{r['humangem_check']}{'; ' + r['note'] if r['note'] else ''} [{r['source']}]"
        for r in rows_of("enzymes", "gene", gene)
    ]
    lines += _section("Reaction", enzyme, width)
    edges = [
        f"{r['regulator']} {_sign(r['effect'])} {r['target']} ({r['acts_on']}; {r['evidence_kind']}) [{r['source']}]"
        for column in ("regulator", "target")
        for r in rows_of("regulators", column, gene)
    ]
    lines += _section("Regulation", edges, width)
    lines += _section("Programmes", [f"{r['set']} [{r['source']}]" for r in rows_of("gene_sets", "gene", gene)], width)
    secreted = [
        f"{r['class']}{'; ' + r['note'] if r['note'] else ''} [{r['source']}]"
        for r in rows_of("secreted", "gene", gene)
    ]
    lines += _section("Outside the cell", secreted, width)
    seeds = tables.table("mirna_seeds")
    hits = seeds[[gene in t for t in seeds["targets_of_interest"]]].to_dict("records")
    lines += _section("miRNAs with a published site", [f"{r['mirna']} [{r['source']}]" for r in hits], width)
    return "\n".join(lines)


def _sign(effect: str) -> str:
    return {"+1": "raises", "1": "raises", "-1": "lowers"}.get(effect, "acts on")


def _cell_line(name: str, width: int) -> str:
    row = resolve.cell_lines([name]).iloc[0]
    if row["status"] == "ambiguous":
        return f"{name}: could be the line {' or '.join(row['candidates'])}."
    if not row["cell_line"]:
        return ""
    lines = [f"{row['cell_line']}: cell line", _wrap(f"Is it a hepatocyte line? {is_hepatocyte(name).text}", width)]
    facts = [row["note"], f"register: {row['register']}"]
    facts += [f"source: {r['source']}" for r in rows_of("cell_lines", "name", row["cell_line"])]
    return "\n".join([*lines, *(_wrap(f, width) for f in facts if f)])


def _gene_set(name: str, width: int) -> str:
    info = rows_of("gene_set_info", "set", name.lower())
    if not info:
        return ""
    one = info[0]
    genes = sorted(r["gene"] for r in rows_of("gene_sets", "set", one["set"]))
    lines = [f"{one['set']}: gene set, {one['title']} ({len(genes)} genes)"]
    facts = [one["description"], f"in resistance: {one['direction_in_resistance']}", f"source: {one['source']}"]
    return "\n".join([*lines, *(_wrap(f, width) for f in facts), _wrap(", ".join(genes), width)])


def _metabolite(name: str, width: int) -> str:
    row = resolve.metabolites([name]).iloc[0]
    if row["status"] == "ambiguous":
        return f"{name}: could be the metabolite {' or '.join(row['candidates'])}."
    if not row["metabolite"]:
        return ""
    ids = ", ".join((*row["hmdb"], *row["kegg"], *row["chebi"]))
    lines = [f"{row['metabolite']}: metabolite{' (' + ids + ')' if ids else ''}"]
    frame = tables.table("enzymes")
    for word, column in (("made by", "products"), ("used by", "substrates")):
        genes = sorted({g for g, names in zip(frame["gene"], frame[column], strict=True) if row["metabolite"] in names})
        if genes:
            lines.append(_wrap(f"{word}: {', '.join(genes)}", width))
    lines.append(_wrap(f"source: {row['source']}", width))
    return "\n".join(lines)


def _known_names() -> list[str]:
    """Names to compare a misspelling with."""
    columns: tuple[tuple[str, str, Callable[[str], list[str]]], ...] = (
        ("drugs", "drug", lambda t: [t]),
        ("drugs", "synonyms", lambda t: t.split("|")),
        ("genes", "symbol", lambda t: [t]),
        ("cell_lines", "name", lambda t: [t]),
        ("gene_set_info", "set", lambda t: [t]),
    )
    found = {n.lower() for t, c, split in columns for text in tables.starter_text(t)[c] for n in split(text) if n}
    return sorted(found | set(catalogue.catalogue()))
