"""Thermal-shift tables as labs have them: tidy, or wide exports with one column per TMT label.

    thermal_shift = { values = ["vehicle_1.txt", "drug_1.txt"], samples = "labels.csv" }

`values` are exports with one row per protein: TPP tables (`rel_fc_126`), Proteome Discoverer proteins
(`Abundance: F1: 126, Sample`), MaxQuant proteinGroups (`Reporter intensity corrected 1 NAME`) or any table with one
column per sample. `samples` says for each label (or `column`) what was in it: treatment, temperature_c, replicate,
dose_um, model, and `experiment` where there are several (part of the file's name, Proteome Discoverer's F1, MaxQuant's
experiment). The configuration sheets of the R package TPP (one column per label that holds the temperature) are
understood as they are. Without `samples` the files are read as tidy tables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.thermal_shift.sheet import LABEL, label_name, read_samples
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, TableSource
from rechallenge.tables.contract import Column, Contract, plain
from rechallenge.tables.grid import cells_of
from rechallenge.tables.numbers import decide, parse
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, read_table

#: TMT labels in the order in which programs number them
LABELS = (
    "126", "127N", "127C", "128N", "128C", "129N", "129C", "130N", "130C", "131N", "131C", "132N", "132C", "133N",
    "133C", "134N", "134C", "135N",
)  # fmt: skip
#: headings of vendor exports -> form, experiment, label; the first form that a file has is taken
_FORMS: tuple[tuple[str, str], ...] = (
    ("Proteome Discoverer", rf"^Abundances?:\s*(?P<experiment>F\d+):\s*(?P<label>{LABEL})\b.*$"),
    ("MaxQuant, corrected", r"^Reporter intensity corrected (?P<label>\d+)(?: (?P<experiment>.+))?$"),
    ("MaxQuant", r"^Reporter intensity (?P<label>\d+)(?: (?P<experiment>.+))?$"),
    (
        "Proteome Discoverer, normalised",
        rf"^Abundances? \(Normalized\):\s*(?P<experiment>F\d+):\s*(?P<label>{LABEL})\b.*$",
    ),
    ("prefix and label", rf"^(?P<prefix>.*?[_ .])?(?P<label>{LABEL})$"),
)
#: prefixes of label columns, best first
_PREFIXES = ("sumionarea_protein", "signal_sum", "reporter_intensity", "abundance", "rel_fc", "")
_FLAGS = ("Reverse", "Potential contaminant", "Only identified by site", "Contaminant", "Decoy")
#: what the tidy reading says of an export whose label columns it does not know
_WIDE_ONLY = ("extra-columns", "duplicate-row")
#: keys of a source that only this reader knows
KEYS = frozenset({"prefix"})


@lru_cache(maxsize=1)
def wide_form() -> Contract:
    """An export with one row per protein; its label columns are kept as they are."""
    return Contract(
        "thermal_shift",
        "Export with one row per protein.",
        (
            # rows without a name (real exports hold some) are listed as left out
            Column("protein", "protein", required=True, measured=True, refers="gene",
                   also=("protein_id", "uniqueID", "accession", "majority protein ids", "protein ids", "gene_name",
                         "representative", "master protein accessions", "protein group")),
            Column("gene", "gene symbol", refers="gene",
                   also=("gene names", "gene symbol", "symbol", "clustername", "genes")),
            Column("peptides", "unique peptides", "number",
                   also=("qupm", "unique peptides", "# unique peptides", "uniquePeptideMatches")),
            Column("spectra", "quantified spectra", "number",
                   also=("qssm", "qusm", "quantified spectra", "spectrum matches")),
        ),
    )  # fmt: skip


def read(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """The table of one source; wide exports where it names `samples`. Faults are returned, never raised."""
    if source.samples:
        return _read_wide(source, folder, contract, models)
    given, wrong = {}, []
    names = [c.name for c in contract.columns]
    for key, value in source.extra.items():
        if key in names and isinstance(value, str | int | float):
            given[key] = str(value)
        else:
            wrong.append(_unknown_key(key, value, names))
    out = read_table(contract, source.values, folder=folder, models=models, sheet=source.sheet, unit=source.unit,
                     given=given)  # fmt: skip
    if any(f.code == "missing-column" for f in out.faults):
        out.faults.append(
            Fault(
                "no-samples",
                "a table with one column per TMT label needs a sheet that says what each label is.",
                'Name it: thermal_shift = { values = "...", samples = "labels.csv" }, with columns label (or column), '
                "treatment, temperature_c, replicate, and experiment where there are several.",
                file=STUDY_FILE,
                column="tables.thermal_shift.samples",
                severity="note",
            )
        )
    out.faults = [*wrong, *out.faults]
    return out


def _unknown_key(key: str, value: Any, names: Sequence[str]) -> Fault:
    return Fault(
        "study-key",
        "a table of kind thermal_shift does not use this key.",
        f"Remove it, or name a column of the table: {', '.join(names)}.",
        file=STUDY_FILE,
        column=f"tables.thermal_shift.{key}",
        value=str(value)[:80],
    )


def _read_wide(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    out = TableRead(empty_frame(contract))
    for key, value in source.extra.items():
        if key not in KEYS:
            out.faults.append(_unknown_key(key, value, sorted(KEYS)))
    try:
        samples, more = read_samples(source.samples, folder)
    except InputFaults as e:
        out.faults += e.faults
        return out
    out.faults += more.faults
    out.files += more.files
    wide = read_table(wide_form(), source.values, folder=folder, sheet=source.sheet)
    out.faults += [f for f in wide.faults if f.code not in _WIDE_ONLY]
    out.files += wide.files
    if any(f.severity == "error" for f in out.faults):
        return out
    parts, excluded = [], []
    used: set[int] = set()
    for file, rows in wide.frame.groupby("_file", sort=False):
        known = {*(c.name for c in wide_form().columns), "_file", "_sheet", "_row"}
        columns = [str(c) for c in rows.columns if str(c) not in known and (rows[c] != "").any()]
        found, form = match(columns, samples, str(file), str(source.extra.get("prefix", "")))
        if not found:
            out.faults.append(_no_label(str(file), source.samples, columns))
            continue
        if form.endswith("normalised"):
            out.faults.append(
                Fault(
                    "normalised-abundance",
                    "only normalised abundances are in this export; normalising each label to the same total removes "
                    "the melting that is to be seen.",
                    "Export the column Abundances (raw reporter abundances) too.",
                    file=str(file),
                )
            )
            continue
        for cut in (_without_decoys, _best_row):
            rows, gone = cut(rows)
            excluded += gone
        made, faults = _long(rows, found, samples, zero_missing=form.startswith("MaxQuant"))
        out.faults += faults
        empty = int(made["abundance"].isna().sum())
        if empty:
            excluded.append(("thermal_shift", str(file), "", 0, "abundance", "", f"{empty} cells not quantified"))
        parts.append(made[made["abundance"].notna()])
        used |= set(found)
    idle = sorted(set(range(len(samples))) - used)
    if parts and idle:
        one = samples.iloc[idle[0]]
        out.faults.append(
            Fault(
                "unused-sample",
                "no column of the exports belongs to this row.",
                "Mend its label, column or experiment (part of the file's name).",
                file=source.samples,
                row=int(one["_row"]),
                column="label",
                value=str(one["column"] or f"{one['experiment']} {one['label']}".strip()),
                count=len(idle),
            )
        )
    if parts:
        frame = pd.concat(parts, ignore_index=True)
        out.frame = frame.reindex(columns=out.frame.columns)
        for c in contract.columns:
            if c.kind == "text":
                out.frame[c.name] = out.frame[c.name].fillna("").astype(object)
        out.frame["_sheet"] = out.frame["_sheet"].fillna("")
    if excluded:
        out.excluded = pd.DataFrame(excluded, columns=list(EXCLUDED))
    return out


def match(columns: Sequence[str], samples: pd.DataFrame, file: str, prefix: str = "") -> tuple[dict[int, str], str]:
    """Which column of a file belongs to which row of the sheet: {position in `samples`: column}, and the form."""
    named = {plain(c): c for c in columns}
    found = {
        i: named[plain(c)]
        for i, (c, e) in enumerate(zip(samples["column"].astype(str), samples["experiment"].astype(str), strict=True))
        if c and plain(c) in named and _of_file(e, file)
    }
    if found:
        return found, "by column"
    for form, pattern in _FORMS:
        hits = [(c, m) for c in columns if (m := re.match(pattern, c, flags=re.IGNORECASE))]
        if form == "prefix and label":
            hits = _one_prefix(hits, prefix)
        if form.startswith("MaxQuant") and any(m["experiment"] for _, m in hits):
            hits = [(c, m) for c, m in hits if m["experiment"]]  # totals over experiments are no samples
        if not hits:
            continue
        first = min((int(m["label"]) for _, m in hits), default=1) if form.startswith("MaxQuant") else 1
        keyed: dict[tuple[str, str], str] = {}
        for c, m in hits:
            experiment = str(m.groupdict().get("experiment") or "")
            if form.startswith("MaxQuant"):
                position = int(m["label"]) - first
                names = [str(position + first)]
                if position < len(LABELS):
                    names.append(label_name(LABELS[position]))
            else:
                names = [label_name(m["label"])]
            for name in names:
                keyed[experiment.casefold(), name] = c
        inside = {e for e, _ in keyed}
        for i, row in enumerate(samples.to_dict("records")):
            wanted = str(row["experiment"]).strip()
            label = label_name(str(row["label"]))
            for e in sorted(inside):
                ours = not wanted or (e and wanted.casefold() == e) or _of_file(wanted, file)
                if ours and (e, label) in keyed and i not in found:
                    found[i] = keyed[e, label]
        if found:
            return found, form
    return {}, ""


def _one_prefix(hits: list[tuple[str, Any]], prefix: str) -> list[tuple[str, Any]]:
    """Label columns of one quantity, where an export holds several."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for c, m in hits:
        groups.setdefault(str(m["prefix"] or "").strip("_ .").casefold(), []).append((c, m))
    if not groups:
        return []
    wanted = prefix.strip("_ .").casefold()
    if prefix:
        return groups.get(wanted, [])
    order = {p: i for i, p in enumerate(_PREFIXES)}
    return groups[min(groups, key=lambda g: (order.get(g, len(order)), g))]


def _of_file(experiment: str, file: str) -> bool:
    """Whether an experiment's name is (part of) the name of a file."""
    return not experiment or plain(experiment) in plain(PurePosixPath(file).name)


def _without_decoys(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[Any, ...]]]:
    """Rows that are no decoys, contaminants or mere modification sites, and what was left out."""
    gone: list[tuple[Any, ...]] = []
    keep = np.ones(len(rows), dtype=bool)
    for flag in (c for c in rows.columns if plain(str(c)) in {plain(f) for f in _FLAGS}):
        hit = rows[flag].astype(str).str.strip().str.casefold().isin(["+", "true", "1", "yes"]).to_numpy() & keep
        keep &= ~hit
        gone += [
            ("thermal_shift", f, s, int(r), str(flag), p, "decoy, contaminant or site only")
            for f, s, r, p in zip(*(rows.loc[hit, c] for c in ("_file", "_sheet", "_row", "protein")), strict=True)
        ]
    return rows[keep], gone


def _best_row(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[Any, ...]]]:
    """Of rows of one name the one with most unique peptides, as the package TPP takes it; and what was left out.

    Rows of one name are protein groups (isoforms, one of them often on a single peptide) and no repeated measurements.
    Where an export does not give peptides they are kept and averaged.
    """
    peptides = pd.to_numeric(rows["peptides"])
    if not peptides.notna().any() or not rows["protein"].duplicated().any():
        return rows, []
    best = peptides.fillna(-1.0).groupby(rows["protein"]).idxmax()
    keep = rows.index.isin(best)
    reason = "another row of this name rests on more unique peptides"
    gone = [
        ("thermal_shift", f, s, int(r), "protein", p, reason)
        for f, s, r, p in zip(*(rows.loc[~keep, c] for c in ("_file", "_sheet", "_row", "protein")), strict=True)
    ]
    return rows[keep], gone


def _long(
    rows: pd.DataFrame, found: dict[int, str], samples: pd.DataFrame, *, zero_missing: bool
) -> tuple[pd.DataFrame, list[Fault]]:
    cells = {i: cells_of(rows[c].astype(str).tolist()) for i, c in found.items()}
    decision = decide(list(cells.values()), "")
    parts, faults = [], []
    first = rows.iloc[0]
    for i, c in found.items():
        numbers = parse(cells[i], decision)
        odd = {k: v for k, v in numbers.odd.items() if k[1].strip().casefold() not in ("nan", "na", "n/a", "-", "inf")}
        for (_, text), at in odd.items():
            faults.append(
                Fault(
                    "not-a-number",
                    "this is no abundance.",
                    "Leave the cell empty where the protein was not quantified.",
                    file=str(first["_file"]),
                    row=int(rows["_row"].iloc[int(at[0])]),
                    column=c,
                    value=text,
                    count=len(at),
                )
            )
        values = numbers.values.copy()
        if zero_missing:
            values[values == 0] = np.nan
        values[~np.isfinite(values)] = np.nan
        info = samples.iloc[i]
        part = rows[["protein", "gene", "peptides", "spectra", "_file", "_sheet", "_row"]].copy()
        part["abundance"], part["entry"] = values, part["_row"].astype(str)
        for name in ("treatment", "dose_um", "temperature_c", "range_c", "replicate", "model"):
            part[name] = info[name]
        parts.append(part)
    return pd.concat(parts, ignore_index=True), faults


def _no_label(file: str, samples: str, columns: Sequence[str]) -> Fault:
    return Fault(
        "no-label-columns",
        f"no column of this export belongs to a row of {samples}.",
        "Name the columns in the sheet (column `column`), or the labels with the experiment as part of the file's "
        f"name. Columns here: {', '.join(columns[:12])}{', ...' if len(columns) > 12 else ''}.",
        file=file,
    )
