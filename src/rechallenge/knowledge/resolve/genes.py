"""Genes by approved symbol, previous symbol, alias, Ensembl, NCBI (Entrez), UniProt or HGNC identifier.

An approved symbol always wins over a previous symbol or an alias of another gene. Any other name that two genes claim
is ambiguous. With the starter set alone only its genes are known, together with the names that they share with other
genes (`gene_name_conflicts`); `hgnc` installed covers the genome.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import tables
from rechallenge.knowledge.resolve.names import answers, state
from rechallenge.tables.genes import date_of, likely

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("status", "gene", "ensembl", "entrez", "candidates", "note")
_ENSEMBL = re.compile(r"^(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?$", re.I)
_OTHER_ENSEMBL = re.compile(r"^ENS([A-Z]*?)([GTPE])\d{11}(?:\.\d+)?$", re.I)
_ENTREZ = re.compile(r"^(\d+)(?:\.0)?$")
_UNIPROT = re.compile(r"^(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?:-\d+)?$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PARTIAL = "only the genes of the starter set were asked; for all: rechallenge knowledge fetch hgnc"


@dataclass
class Index:
    """Names of genes.

    `of`: symbol -> (Ensembl, Entrez); `claims`: name in lower case -> {symbol: previous or alias}; `outside`: approved
    symbols of genes that the starter set does not hold; `dates`: what a spreadsheet shows -> symbols.
    """

    whole: bool
    of: dict[str, tuple[str, str]] = field(default_factory=dict)
    lower: dict[str, str] = field(default_factory=dict)
    claims: dict[str, dict[str, str]] = field(default_factory=dict)
    ensembl: dict[str, str] = field(default_factory=dict)
    entrez: dict[str, str] = field(default_factory=dict)
    uniprot: dict[str, list[str]] = field(default_factory=dict)
    hgnc: dict[str, str] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    dates: dict[str, list[str]] = field(default_factory=dict)

    def gene(self, symbol: str, ensembl: str, entrez: str) -> None:
        self.of[symbol] = (ensembl, entrez)
        self.lower.setdefault(symbol.lower(), symbol)
        if ensembl:
            self.ensembl.setdefault(ensembl, symbol)
        if entrez:
            self.entrez.setdefault(entrez, symbol)

    def claim(self, name: str, symbol: str, how: str) -> None:
        self.claims.setdefault(name.lower(), {}).setdefault(symbol, how)


def genes(names: Iterable[Any]) -> pd.DataFrame:
    """One row per name: name, status, gene (approved symbol), ensembl, entrez, candidates, note.

    status: `exact`, `case` (the symbol in other letters' case, as mouse symbols are written), `previous`, `alias`,
    `ensembl` (version dropped), `entrez`, `uniprot`, `hgnc`, `ambiguous`, `date` (a spreadsheet's date: candidates
    are the symbols it may have been), `unknown`.
    """
    index = _index(state("hgnc"))
    return answers(names, COLUMNS, lambda name: _find(name, index))


def _find(name: str, index: Index) -> tuple[Any, ...]:
    if not name:
        return _none("unknown", "no name")
    if name in index.of:
        return _hit("exact", name, index)
    if found := _ENSEMBL.match(name):
        symbol = index.ensembl.get(found[1].upper(), "")
        return _hit("ensembl", symbol, index) if symbol else _none("unknown", _missing(index))
    if found := _ENTREZ.match(name):
        return _number(name, found[1], index)
    if name.upper().startswith("HGNC:"):
        symbol = index.hgnc.get(name.upper(), "")
        return _hit("hgnc", symbol, index) if symbol else _none("unknown", _missing(index))
    lower = name.lower()
    if lower in index.lower:
        note = "letters differ in case; mouse and rat symbols are written so"
        return _hit("case", index.lower[lower], index, note)
    claims = index.claims.get(lower, {})
    if len(claims) == 1:
        symbol, how = next(iter(claims.items()))
        return _hit(how, symbol, index)
    if claims:
        return _none("ambiguous", "a previous symbol or alias of several genes", sorted(claims))
    if _UNIPROT.match(name):
        symbols = index.uniprot.get(name.partition("-")[0], [])
        if len(symbols) == 1:
            return _hit("uniprot", symbols[0], index)
        if symbols:
            return _none("ambiguous", "one protein of several genes", symbols)
    if date := date_of(name, serial=False):
        return _dated(name, date, index)
    if found := _OTHER_ENSEMBL.match(name):
        what = (
            "a gene of another species" if found[1] else {"T": "a transcript", "P": "a protein"}.get(found[2].upper())
        )
        return _none("unknown", f"{what or 'not a gene'}, not a human gene")
    return _none("unknown", _missing(index))


def _number(name: str, digits: str, index: Index) -> tuple[Any, ...]:
    date = date_of(name)
    symbol = index.entrez.get(digits, "")
    if symbol:
        note = f"or the day that stands for {likely(*date)} in a spreadsheet" if date and likely(*date) else ""
        return _hit("entrez", symbol, index, note)
    if date and likely(*date):
        return _dated(name, date, index)
    return _none("unknown", _missing(index))


def _dated(name: str, date: tuple[int, int], index: Index) -> tuple[Any, ...]:
    """The symbols that a date may have been: by the form in the cell, else by month and number."""
    text = likely(*date)
    day = f"{date[1]}-{_MONTHS[date[0] - 1]}"
    candidates = index.dates.get(name.lower(), []) or index.dates.get(day, [])
    note = "a date that a spreadsheet made of a gene symbol" + (f": {text}" if text else "")
    return _none("date", note, candidates)


def _hit(status: str, symbol: str, index: Index, note: str = "") -> tuple[Any, ...]:
    ensembl, entrez = index.of.get(symbol, ("", ""))
    if symbol in index.outside and not note:
        note = "approved symbol of November 2018, not a gene of the starter set"
    others = index.claims.get(symbol.lower(), {}) if status == "exact" else {}
    also = sorted(set(others) - {symbol})
    if also:
        note = "; ".join(filter(None, (note, f"also a previous symbol or alias of {', '.join(also)}")))
    return status, symbol, ensembl, entrez, [], note


def _none(status: str, note: str, candidates: Iterable[str] = ()) -> tuple[Any, ...]:
    return status, "", "", "", list(candidates), note


def _missing(index: Index) -> str:
    return "" if index.whole else _PARTIAL


@lru_cache(maxsize=4)
def _index(digests: tuple[str, ...]) -> Index:
    index = Index(whole=bool(digests[0]))
    for name in (*(["hgnc"] if digests[0] else []), "genes", "target_genes"):
        _take(index, tables.table(name))
    if not digests[0]:
        _conflicts(index)
    for row in tables.starter_text("date_genes").to_dict("records"):
        for form in row["spreadsheet_forms"].split("|"):
            known = index.dates.setdefault(form.lower(), [])
            if row["hgnc_symbol"] not in known:
                known.append(row["hgnc_symbol"])
    return index


def _take(index: Index, frame: pd.DataFrame) -> None:
    """Genes of a table; those whose Ensembl or Entrez number is known already under another symbol are left out."""
    before_e, before_n, before_s = set(index.ensembl), set(index.entrez), set(index.of)
    for row in frame.to_dict("records"):
        symbol = row["symbol"]
        if symbol in before_s or row["ensembl"] in before_e or row["entrez"] in before_n:
            continue
        index.gene(symbol, row["ensembl"], row["entrez"])
        for how, column in (("previous", "previous_symbols"), ("alias", "alias_symbols")):
            for name in row[column]:
                index.claim(name, symbol, how)
        for accession in row["uniprot"]:
            known = index.uniprot.setdefault(accession, [])
            if symbol not in known:
                known.append(symbol)
        if "hgnc_id" in row:
            index.hgnc[row["hgnc_id"]] = symbol


def _conflicts(index: Index) -> None:
    for row in tables.starter_text("gene_name_conflicts").to_dict("records"):
        symbol = row["symbol"]
        if symbol in index.of and symbol not in index.outside:
            continue
        if row["relation"] == "symbol":
            index.gene(symbol, row["ensembl"], row["entrez"])
            index.outside.add(symbol)
        else:
            index.claim(row["name"], symbol, row["relation"])
