"""Public cohorts as files of a study: what `rechallenge knowledge fetch` brought, or a file that you have.

    rechallenge knowledge fetch gse109211
    python -m rechallenge.clinical.cohorts.public gse109211 STUDY --platform GPL13938.txt

writes `COHORT_patients.csv`, `COHORT_expression.tsv` and `COHORT_samples.csv` into the study's folder and prints the
lines for its `study.toml`. The study is then complete in itself: nothing is fetched when it runs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from rechallenge.clinical.cohorts.contract import PATIENTS
from rechallenge.clinical.cohorts.words import is_normal, patient_of
from rechallenge.tables.contract import plain

if TYPE_CHECKING:
    from rechallenge.knowledge.parsing.cohorts import SeriesMatrix

#: headings of GEO characteristics that say something a column of patients says
GUESSES: Mapping[str, tuple[str, ...]] = {
    "response": ("outcome", "response", "best response", "responder", "drug response"),
    "treatment": ("treatment", "arm", "drug", "therapy"),
    "time": ("os months", "os time", "overall survival months", "survival months", "time", "os (months)"),
    "event": ("os event", "os status", "vital status", "death", "status", "event"),
    "tissue": ("tissue", "tissue type", "sample type"),
    "patient": ("patient", "patient id", "subject", "individual"),
}
#: tables of the catalogue that are cohorts: name -> (cohort, table of expression that belongs to it)
KNOWN: Mapping[str, tuple[str, str]] = {
    "gse109211": ("GSE109211", "gse109211"),
    "tcga_lihc_survival": ("TCGA-LIHC", "tcga_lihc_expression"),
    "tcga_cdr": ("TCGA-LIHC", "tcga_lihc_expression"),
    "cbioportal_lihc": ("TCGA-LIHC", "tcga_lihc_expression"),
}


@dataclass(frozen=True)
class Written:
    """What was written: files, patients, genes, and the lines for study.toml."""

    patients: Path
    expression: Path | None
    samples: Path | None
    n_patients: int
    n_genes: int
    study_lines: str


def of_series(series: SeriesMatrix, cohort: str = "", columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Samples of a GEO series as a table of patients (columns of `patients` and `sample`, `tissue`).

    `columns` says which characteristic is which column of patients, e.g. `{"time": "os months"}`; others are guessed by
    their name (`GUESSES`) and everything else stays as a covariate under its own name.
    """
    frame = series.samples.copy()
    given = dict(columns or {})
    headings = {plain(c): c for c in frame.columns}
    for target, names in GUESSES.items():
        if target not in given:
            found = next((headings[plain(n)] for n in names if plain(n) in headings), None)
            if found is not None and found not in given.values():
                given[target] = found
    missing = [v for v in given.values() if v not in frame.columns]
    if missing:
        raise KeyError(f"the series has no characteristic {', '.join(missing)}; it has {', '.join(frame.columns)}")
    frame = frame.rename(columns={v: k for k, v in given.items()})
    if "patient" not in frame:
        frame["patient"] = frame["sample"]
    if "tissue" not in frame:
        frame["tissue"] = frame["source"].where(frame["source"].str.contains("normal|adjacent|non", case=False), "")
    frame.insert(0, "cohort", cohort or series.series)
    return frame


def by_symbol(values: pd.DataFrame, symbols: Mapping[str, str]) -> pd.DataFrame:
    """Probes as genes: of several probes of one gene, the one of highest mean; probes without a gene are left out."""
    gene = values.index.map(lambda p: symbols.get(str(p), ""))
    kept = values[gene != ""].assign(_gene=gene[gene != ""])
    kept["_mean"] = kept.drop(columns="_gene").mean(axis=1)
    kept = kept.sort_values(["_gene", "_mean"], ascending=[True, False], kind="mergesort").drop_duplicates("_gene")
    return kept.set_index("_gene").drop(columns="_mean").rename_axis("gene")


def of_known(name: str) -> tuple[pd.DataFrame, str]:
    """Patients of an installed table of the catalogue other than a GEO series, and their cohort."""
    from rechallenge import knowledge

    table = knowledge.table(name)
    cohort = KNOWN[name][0]
    if name == "cbioportal_lihc":
        wide = table.pivot_table(index="patient", columns="attribute", values="value", aggfunc="first").reset_index()
        return wide.fillna("").assign(cohort=cohort), cohort
    if name == "tcga_cdr":
        table = table[(table["cancer"] == "LIHC") & (table["redaction"] == "")]
    else:
        table = table[[not is_normal("", s) for s in table["sample"]]]
    table = table.drop_duplicates(["patient", "endpoint"]).rename(columns={"time_days": "time"})
    kept = table[["patient", "endpoint", "event", "time"]]
    return kept.assign(cohort=cohort, time_unit="days", time_zero="diagnosis"), cohort


def write(
    source: str | Path,
    folder: str | Path,
    *,
    cohort: str = "",
    columns: Mapping[str, str] | None = None,
    platform: str | Path | None = None,
    unit: str = "log2",
) -> Written:
    """Write a public cohort into a study's folder.

    `source` is the name of an installed table (`KNOWN`) or a series-matrix file; `platform` a table of the probes'
    genes. Raises KnowledgeError, FormatError, or KeyError for a column that is not there.
    """
    from rechallenge.knowledge.parsing.cohorts import expression, series_matrix
    from rechallenge.knowledge.parsing.cohorts import platform as platform_table

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values: pd.DataFrame | None = None
    if str(source) in KNOWN and str(source) != "gse109211":
        patients, cohort = of_known(str(source))
        matrix = raw_file(KNOWN[str(source)][1])
        values = None if matrix is None else expression(matrix)
        sheet = None if values is None else pd.DataFrame({"sample": values.columns})
        if sheet is not None:
            sheet["patient"] = [patient_of(str(s)) for s in sheet["sample"]]
            sheet["tissue"] = ["normal" if is_normal("", str(s)) else "tumour" for s in sheet["sample"]]
    else:
        path = raw_file(str(source)) if str(source) in KNOWN else Path(source)
        if path is None:
            from rechallenge.knowledge.errors import NotInstalled

            raise NotInstalled(f"{source} is not on this machine. Run: rechallenge knowledge fetch {source}")
        series = series_matrix(path)
        frame = of_series(series, cohort, columns)
        cohort = str(frame["cohort"].iloc[0])
        sheet = frame[["sample", "patient", "tissue"]]
        patients = frame.drop_duplicates("patient").drop(columns=["sample", "tissue"])
        values = series.values()
        if platform is not None:
            values = by_symbol(values, platform_table(Path(platform)))
    return _written(folder, cohort, patients, values, sheet, unit)


def raw_file(name: str) -> Path | None:
    """The published file of an installed table; None where it is not installed."""
    from rechallenge.knowledge import installing
    from rechallenge.knowledge.places import folder_of

    record = installing.provenance(name)
    return None if record is None else folder_of(name) / "raw" / record["files"][0]["file"]


def _written(
    folder: Path,
    cohort: str,
    patients: pd.DataFrame,
    values: pd.DataFrame | None,
    sheet: pd.DataFrame | None,
    unit: str,
) -> Written:
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", cohort)
    first = [c.name for c in PATIENTS.columns if c.name in patients]
    ordered = patients[first + [c for c in patients.columns if c not in first]]
    files = {k: folder / f"{stem}_{k}" for k in ("patients.csv", "expression.tsv", "samples.csv")}
    ordered.to_csv(files["patients.csv"], index=False)
    said = f'patients = "{files["patients.csv"].name}"\n'
    if values is None or sheet is None:
        return Written(files["patients.csv"], None, None, len(ordered), 0, "[tables]\n" + said)
    values.rename_axis("gene").to_csv(files["expression.tsv"], sep="\t", float_format="%.6g")
    sheet.to_csv(files["samples.csv"], index=False)
    said += (
        f'patient_expression = {{ values = "{files["expression.tsv"].name}", samples = "{files["samples.csv"].name}", '
        f'unit = "{unit}", name = "{cohort}" }}\n'
    )
    n = int(patients["patient"].nunique())
    return Written(
        files["patients.csv"], files["expression.tsv"], files["samples.csv"], n, len(values), "[tables]\n" + said
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m rechallenge.clinical.cohorts.public SOURCE STUDY`"""
    parser = argparse.ArgumentParser(prog="python -m rechallenge.clinical.cohorts.public", description=write.__doc__)
    parser.add_argument("source", help=f"a series-matrix file, or one of {', '.join(KNOWN)}")
    parser.add_argument("study", help="folder of the study")
    parser.add_argument("--cohort", default="")
    parser.add_argument("--platform", help="table of the probes' genes (GEO platform)")
    parser.add_argument("--unit", default="log2")
    parser.add_argument("--column", action="append", default=[], metavar="NAME=CHARACTERISTIC")
    given = parser.parse_args(arguments)
    columns = dict(c.split("=", 1) for c in given.column)
    done = write(
        given.source, given.study, cohort=given.cohort, columns=columns, platform=given.platform, unit=given.unit
    )
    print(f"{done.n_patients} patients, {done.n_genes} genes. Lines for study.toml:\n{done.study_lines}")


if __name__ == "__main__":
    main()
