"""What can be said of a whole table once it is read: names, genes, duplicates and the contract's own rules."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.faults import Fault, errors
from rechallenge.study import nearest
from rechallenge.tables import genes
from rechallenge.tables.contract import ORIGIN, Column, Contract, place, plain
from rechallenge.tables.ledger import Ledger

_log = logging.getLogger(__name__)


def check(
    frame: pd.DataFrame,
    contract: Contract,
    models: pd.DataFrame | None,
    *,
    doubtful: NDArray[np.bool_] | None = None,
    headed: NDArray[np.bool_] | None = None,
    known: Sequence[Fault] = (),
) -> list[Fault]:
    """Faults of a whole table (canonical columns plus origin, rows of all its files): names, duplicates, rules.

    `models` is the study's table of models; None where there is no study. `known` are the faults found so far;
    `doubtful` marks rows with faulty cells, which are not compared with others, and `headed` the rows below faultless
    headings, which alone the contract's own rules are asked about.
    """
    faults: list[Fault] = []
    if frame.empty:
        return faults
    for c in contract.columns:
        if c.refers == "gene":
            faults += _genes(frame, c)
        elif c.refers == "model" and models is not None:
            named = {f.value for f in known if f.code in ("unknown-model", "model-spelling")}
            faults += _models(frame, c, models, named)
    faults += _duplicates(frame if doubtful is None else frame[~doubtful], contract)
    return faults + _rules(frame if headed is None else frame[headed], contract, models, [*known, *faults])


def _rules(frame: pd.DataFrame, contract: Contract, models: pd.DataFrame | None, known: Sequence[Fault]) -> list[Fault]:
    """Faults by the contract's own rules, but for cells with an error among the faults `known` so far, and for what was
    said of them already (a sheet of samples is looked at by itself and among all of its kind)."""
    faults: list[Fault] = []
    if frame.empty:
        return faults
    before = errors(known)
    places = {(f.file, f.sheet, f.row, f.column) for f in before if f.row is not None}
    told = {(f.code, f.file, f.sheet, f.row, f.column) for f in known if f.row is not None}
    some_models = models if models is not None else pd.DataFrame({"model": []}, dtype=object)
    for rule in contract.rules:
        try:
            for f in rule(frame, some_models):
                at = (f.file, f.sheet, f.row, f.column)
                if at not in places and (f.code, *at) not in told:
                    faults.append(f)
        except Exception as e:  # noqa: BLE001  a rule must not hide the faults found so far
            _log.debug("rule %r of %s failed", rule, contract.name, exc_info=True)
            if not before:  # a faulty table may trip a rule; a faultless one may not
                faults.append(
                    Fault(
                        "rule-failed",
                        f"a rule of the table kind {contract.name} could not be checked ({type(e).__name__}: {e}).",
                        "Please report this with the table.",
                    )
                )
    return faults


def _by_file(frame: pd.DataFrame, at: NDArray[np.intp]) -> Iterator[tuple[Ledger, NDArray[np.intp]]]:
    """The rows `at`, file by file and sheet by sheet, each with a ledger of its own."""
    some = frame.iloc[at][["_file", "_sheet"]]
    for (file, sheet), group in some.groupby(["_file", "_sheet"], sort=False):
        yield Ledger(str(file), str(sheet)), at[some.index.isin(group.index)]


def _values(frame: pd.DataFrame, c: Column) -> tuple[NDArray[np.intp], list[str]]:
    codes, words = pd.factorize(frame[c.name])
    return codes, [str(w) for w in words]


def _genes(frame: pd.DataFrame, c: Column) -> list[Fault]:
    codes, words = _values(frame, c)
    filled = [w for w in words if w]
    serial = sum(w.isdigit() for w in filled) <= 0.2 * len(filled) if len(filled) > 1 else True
    dates = {k: d for k, w in enumerate(words) if (d := genes.date_of(w, serial))}
    at = np.flatnonzero(np.isin(codes, list(dates)))
    faults: list[Fault] = []
    rows = frame["_row"].to_numpy()
    for book, here in _by_file(frame, at) if len(at) else ():
        for k in dict.fromkeys(codes[here]):
            gene = genes.likely(*dates[k])
            what = "serial number of a date" if words[k].isdigit() else "date"
            book.cells(
                "gene-date",
                f"a spreadsheet turned a gene symbol into a {what}"
                + (f"; it was probably {gene}." if gene else "; which gene it was cannot be told."),
                (
                    f"Write {gene.split(' ')[0]}"
                    if gene and " or " not in gene
                    else "Write the symbol as in the original list"
                )
                + "; format the column as text before pasting, or use gene identifiers.",
                column=c.name,
                rows=rows[here[codes[here] == k]].tolist(),
                value=words[k],
            )
        faults += book.all()
    return faults


def _models(frame: pd.DataFrame, c: Column, models: pd.DataFrame, named: Collection[str]) -> list[Fault]:
    """Models that the study does not have, but for those `named` in a fault before."""
    known = [str(m) for m in models["model"]]
    codes, words = _values(frame, c)
    unknown = [k for k, w in enumerate(words) if w and w not in {*known, *named}]
    at = np.flatnonzero(np.isin(codes, unknown))
    if not len(at):
        return []
    if not known:
        example = f'"{words[unknown[0]]}" = {{ role = "parental" }}'
        origin = place(frame, frame.index[at[0]])
        names = ", ".join(repr(words[k]) for k in unknown[:10]) + (" and more" if len(unknown) > 10 else "")
        return [
            Fault(
                "unknown-model",
                f"study.toml names no models; the table has {names}.",
                f"Add them under [models], for example {example}.",
                column=c.name,
                count=len(at),
                **origin,
            )
        ]
    loose = {_loose(m): m for m in known}
    faults: list[Fault] = []
    rows = frame["_row"].to_numpy()
    for book, here in _by_file(frame, at):
        for k in dict.fromkeys(codes[here]):
            twin = loose.get(_loose(words[k]))
            close = next((m for m in known if plain(m) == plain(words[k]) and plain(m)), None)
            if twin:
                code, message = "model-spelling", f"study.toml writes this model {twin!r}; only case or spaces differ."
                remedy = f"Write {twin} in both places."
            elif close:
                code, message = "model-spelling", f"study.toml writes this model {close!r}; only punctuation differs."
                remedy = f"Write {close} in both places."
            else:
                code, message = "unknown-model", "study.toml has no model of this name."
                hint = nearest(words[k], known)
                remedy = f"Add it under [models], or mend the name.{hint}"
            book.cells(code, message, remedy, column=c.name, rows=rows[here[codes[here] == k]].tolist(), value=words[k])
        faults += book.all()
    return faults


def _loose(name: str) -> str:
    return "".join(name.split()).casefold()


def _duplicates(frame: pd.DataFrame, contract: Contract) -> list[Fault]:
    """The same well twice, or the same row twice.

    Where the key names wells, a well has one row. Elsewhere rows of equal key are technical wells; a row that is
    an exact copy of another, its value included, is then only suspicious, but where the table has no technical wells
    at all it is a copy by mistake.
    """
    if frame.empty:
        return []
    key = [n for n in contract.key if n in frame.columns] or [c.name for c in contract.columns if not c.measured]
    codes = {n: _codes(frame, n) for n in frame.columns if n not in ORIGIN}
    group = _combine([codes[n] for n in key])
    has_well = (frame["well"] != "").to_numpy() if "well" in key else np.zeros(len(frame), dtype=bool)
    faults = _repeats(frame, group, has_well, "duplicate-well", "error")
    if has_well.all():
        return faults
    whole = _combine(list(codes.values()))
    distinct = pd.DataFrame({"group": group, "whole": whole})[~has_well].drop_duplicates()
    technical = bool(distinct["group"].duplicated().any())
    return faults + _repeats(frame, whole, ~has_well, "duplicate-row", "warning" if technical else "error")


def _repeats(
    frame: pd.DataFrame, group: NDArray[np.intp], among: NDArray[np.bool_], code: str, severity: str
) -> list[Fault]:
    at = np.flatnonzero(among)
    series = pd.Series(group[at])
    later = series.duplicated().to_numpy()
    if not later.any():
        return []
    copies = at[later]
    known, first = np.unique(group[at], return_index=True)
    firsts = at[first[np.searchsorted(known, group[copies])]]
    rows, files = frame["_row"].to_numpy(), frame["_file"].to_numpy()
    out: list[Fault] = []
    for book, here in _by_file(frame, copies):
        pairs = [(i, firsts[np.searchsorted(copies, i)]) for i in here]
        i, first = pairs[0]
        where = f"row {rows[first]}" + (f" of {files[first]}" if files[first] != files[i] else "")
        numbers = [int(rows[i]) for i, _ in pairs]
        shown = ", ".join(map(str, numbers[1:9])) + (" ..." if len(pairs) > 9 else "")
        rest = f" The same holds for row{'s' if len(pairs) > 2 else ''} {shown}." if len(pairs) > 1 else ""
        if code == "duplicate-well":
            message = f"the same well is there twice: it repeats {where}.{rest}"
            remedy = "Remove one of the two, or mend its plate or well."
            value = " ".join(str(frame[n].iloc[i]) for n in ("plate", "well") if n in frame.columns)
        else:
            message = f"this row is an exact copy of {where}, value included.{rest}"
            remedy = (
                "Remove it; if it was measured twice with the same result, add a column that tells the wells apart."
            )
            value = ""
        out.append(
            Fault(
                code, message, remedy, file=book.file, sheet=book.sheet, row=numbers[0], value=value,
                column="well" if code == "duplicate-well" else "", severity=severity, count=len(pairs),  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return out


def _codes(frame: pd.DataFrame, name: str) -> NDArray[np.intp]:
    return pd.factorize(frame[name].to_numpy(), use_na_sentinel=False)[0]


def _combine(codes: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """One code for each distinct combination, kept small at every step so that it cannot overflow."""
    out = np.zeros(len(codes[0]) if codes else 0, dtype=np.int64)
    for one in codes:
        wide = out * (int(one.max(initial=0)) + 1) + one
        out = pd.factorize(wide)[0].astype(np.int64)
    return out
