"""Public cohorts of patients: GEO series matrices, cBioPortal's clinical data, UCSC Xena, the TCGA clinical
resource."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import content, delimited, is_spreadsheet, lines, pick, sheets, table_in

if TYPE_CHECKING:
    import pandas as pd

#: endpoints of the TCGA clinical data resource (Liu et al. 2018, doi:10.1016/j.cell.2018.02.052), times in days
TCGA_ENDPOINTS = ("OS", "DSS", "DFI", "PFI")


@dataclass(frozen=True)
class SeriesMatrix:
    """A GEO series matrix: `samples` (one row per sample: sample, title, source, then its characteristics by name) and
    where in the file the values begin. `values()` gives the probes x samples frame."""

    path: Path
    series: str
    title: str
    platform: str
    samples: pd.DataFrame
    rows: int

    def values(self) -> pd.DataFrame:
        """Values as float64, probes as the index, samples as the columns; text such as `null` is missing."""
        import pandas as pd

        with lines(self.path) as stream:
            for line in stream:
                if line.startswith("!series_matrix_table_begin"):
                    break
            body = io.StringIO("".join(li for li in stream if not li.startswith("!series_matrix_table_end")))
        frame = pd.read_csv(body, sep="\t", dtype=str, keep_default_na=False, index_col=0, quoting=csv.QUOTE_MINIMAL)
        frame = frame.apply(lambda c: pd.to_numeric(c.str.strip().replace({"null": "", "NA": ""}), errors="coerce"))
        frame.index = frame.index.astype(str)
        out: pd.DataFrame = frame.astype("float64")
        return out


def series_matrix(path: Path) -> SeriesMatrix:
    """Read the head of a GEO series matrix, plain or gzip. FormatError where it is none or has no samples.

    A characteristic `key: value` becomes a column `key`, wherever in the list of characteristics it stands for that
    sample; a characteristic without a key is a column `characteristic N`. Repeated keys are joined by `; `.
    """
    import pandas as pd

    fields: dict[str, list[str]] = {}
    found: list[dict[str, str]] = []
    unnamed, rows, table = 0, 0, False
    with lines(path) as stream:
        for line in stream:
            if table:
                rows += not line.startswith("!") and bool(line.strip())
                continue
            if line.startswith("!series_matrix_table_begin"):
                table = True
                continue
            if not line.startswith("!"):
                continue
            name, *cells = next(csv.reader([line.rstrip("\r\n")], delimiter="\t"))
            name = name.lstrip("!")
            if name == "Sample_characteristics_ch1":
                unnamed += 1
                found = found or [{} for _ in cells]
                for sample, cell in zip(found, cells, strict=False):
                    _characteristic(sample, cell, unnamed)
            elif name not in fields:
                fields[name] = cells
    names = fields.get("Sample_geo_accession", [])
    if not names or not table:
        raise FormatError(f"{path.name} is not a GEO series matrix (no samples or no table in it).")
    frame = pd.DataFrame({"sample": names})
    for column, key in (("title", "Sample_title"), ("source", "Sample_source_name_ch1")):
        frame[column] = fields.get(key, [""] * len(names))
    for key in dict.fromkeys(k for one in found for k in one):
        frame[key] = [one.get(key, "") for one in found]
    first = {k: (fields.get(k) or [""])[0] for k in ("Series_geo_accession", "Series_title", "Series_platform_id")}
    platform = first["Series_platform_id"] or (fields.get("Sample_platform_id") or [""])[0]
    return SeriesMatrix(path, first["Series_geo_accession"], first["Series_title"], platform, frame, max(rows - 1, 0))


def _characteristic(sample: dict[str, str], cell: str, number: int) -> None:
    key, colon, value = cell.partition(":")
    key, value = (key.strip().lower(), value.strip()) if colon else (f"characteristic {number}", cell.strip())
    if value:
        sample[key] = f"{sample[key]}; {value}" if key in sample and sample[key] != value else value


def geo_samples(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """Samples of a series matrix in long form: sample, field, value; the version is series, samples and probes."""
    one = series_matrix(paths[0])
    long = one.samples.melt("sample", var_name="field", value_name="value")
    long = long[long["value"] != ""]
    return long, f"{one.series}, {len(one.samples)} samples, {one.rows} probes, {one.platform}"


def platform(path: Path) -> dict[str, str]:
    """Probe -> gene symbol of a GEO platform table (SOFT, annot or plain); probes of several genes are left out.

    FormatError where it has no column of symbols.
    """
    with lines(path) as stream:
        rows = [li for li in stream if li.strip() and li[0] not in "!#^"]
    if not rows:
        raise FormatError(f"{path.name} holds no table.")
    names = [n.strip().lower() for n in rows[0].rstrip("\r\n").split("\t")]
    known = ("gene symbol", "symbol", "gene_symbol", "ilmn_gene", "genesymbol", "gene")
    at = next((names.index(k) for k in known if k in names), None)
    if at is None or "id" not in names:
        raise FormatError(f"{path.name} has no columns ID and Symbol; it has {', '.join(names[:12])}.")
    out = {}
    for line in rows[1:]:
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) <= at:
            continue
        symbols = {s.strip() for s in re.split(r"///|;|,", cells[at]) if s.strip() and s.strip() != "---"}
        if len(symbols) == 1:
            out[cells[names.index("id")].strip()] = symbols.pop()
    return out


def cbioportal_clinical(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """The answer of cBioPortal's clinical-data endpoint: patient, attribute, value."""
    import pandas as pd

    with content(paths[0]) as stream:
        try:
            rows = json.loads(stream.read().decode("utf-8"))
        except ValueError as e:
            raise FormatError(f"{paths[0].name} is not the JSON of cBioPortal: {e}") from e
    try:
        found = [(r["patientId"], r["clinicalAttributeId"], str(r["value"])) for r in rows]
    except (KeyError, TypeError) as e:
        raise FormatError(f"{paths[0].name}: the format of cBioPortal has changed (no {e}).") from e
    study = next((str(r.get("studyId", "")) for r in rows), "")
    return pd.DataFrame(found, columns=["patient", "attribute", "value"]), study


def xena_survival(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """A survival table of UCSC Xena: sample, patient, endpoint, event, time_days."""
    raw = delimited(paths[0])
    columns = {"sample": ("sample", "xena_sample"), "patient": ("_PATIENT", "patient")}
    return _long(raw, pick(raw, columns, "UCSC Xena survival")), ""


def tcga_cdr(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """The TCGA clinical data resource as a workbook or CSV: patient, cancer, redaction, endpoint, event, time_days."""
    raw = None
    if is_spreadsheet(paths[0]):
        for name, rows in sheets(paths[0]):
            if raw is None and "cdr" in name.lower():
                raw = table_in(rows, "bcr_patient_barcode")
    else:
        raw = delimited(paths[0], ",")
    if raw is None:
        raise FormatError("TCGA-CDR: no sheet has a column bcr_patient_barcode; the format has changed.")
    columns = {"patient": ("bcr_patient_barcode",), "cancer": ("type",), "redaction": ("Redaction",)}
    return _long(raw, pick(raw, columns, "TCGA-CDR", optional=("redaction",))), ""


def _long(raw: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Endpoints that stand side by side (OS, OS.time, ...) as rows; unknown ones are left out."""
    import pandas as pd

    parts = []
    for endpoint in TCGA_ENDPOINTS:
        if {endpoint, f"{endpoint}.time"} <= set(raw.columns):
            event, time = (raw[c].str.strip() for c in (endpoint, f"{endpoint}.time"))
            known = event.str.fullmatch(r"[01](\.0)?") & pd.to_numeric(time, errors="coerce").notna()
            part = keys[known].assign(endpoint=endpoint, event=event[known].str[0], time_days=time[known])
            parts.append(part)
    if not parts:
        raise FormatError("the table has none of the endpoints OS, DSS, DFI, PFI with their times.")
    return pd.concat(parts, ignore_index=True)


def xena_matrix(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """Genes of a Xena expression matrix with samples, mean and standard deviation; the matrix stays in the raw file."""
    frame = expression(paths[0])
    out = frame.mean(axis=1).rename("mean").to_frame()
    out["sd"] = frame.std(axis=1)
    out["samples"] = frame.notna().sum(axis=1)
    return out.rename_axis("gene").reset_index(), f"{len(frame)} genes, {frame.shape[1]} samples"


def expression(path: Path) -> pd.DataFrame:
    """A plain matrix (genes in the first column, samples in the others) as float64."""
    import pandas as pd

    with content(path) as stream:
        frame = pd.read_csv(stream, sep="\t", index_col=0)
    frame.index = frame.index.astype(str)
    out: pd.DataFrame = frame.apply(pd.to_numeric, errors="coerce").astype("float64")
    return out
