"""DrugCentral and Open Targets: drugs, structures, approvals, targets, mechanisms."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import content, delimited, lines, pick

if TYPE_CHECKING:
    import pandas as pd


def drugcentral_targets(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """drug.target.interaction.tsv: one row per drug, target and measurement; human rows where a species is given.

    ACT_VALUE is -log10 of a molar concentration (Ursu et al. 2017, doi:10.1093/nar/gkw993); potency_nm is computed.
    """
    import pandas as pd

    raw = delimited(paths[0])
    columns = {
        "drug": ("DRUG_NAME",),
        "drugcentral_id": ("STRUCT_ID",),
        "gene": ("GENE",),
        "uniprot": ("ACCESSION",),
        "target": ("TARGET_NAME",),
        "target_class": ("TARGET_CLASS",),
        "action": ("ACTION_TYPE",),
        "potency_p": ("ACT_VALUE",),
        "potency_type": ("ACT_TYPE",),
        "relation": ("RELATION",),
        "mechanism": ("MOA",),
        "development_level": ("TDL",),
        "source": ("ACT_SOURCE",),
        "mechanism_source": ("MOA_SOURCE",),
        "organism": ("ORGANISM",),
    }
    frame = pick(raw, columns, "DrugCentral targets", optional=("target", "organism", "mechanism_source"))
    frame = frame[frame["organism"].isin(["", "Homo sapiens"])].copy()
    potency = pd.to_numeric(frame["potency_p"], errors="coerce")
    frame["potency_nm"] = 10.0 ** (9.0 - potency)
    frame["mechanism"] = pd.to_numeric(frame["mechanism"], errors="coerce").eq(1).map({True: "yes", False: ""})
    frame["action"] = frame["action"].str.lower()
    return frame, ""


def drugcentral_structures(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """structures.smiles.tsv: one row per active ingredient."""
    columns = {
        "drugcentral_id": ("ID",),
        "drug": ("INN",),
        "cas": ("CAS_RN",),
        "inchikey": ("InChIKey",),
        "smiles": ("SMILES",),
    }
    return pick(delimited(paths[0], quoted=False), columns, "DrugCentral structures", optional=("smiles",)), ""


def drugcentral_approvals(paths: list[Path], agencies: Iterable[str] = ("FDA", "EMA", "PMDA")) -> tuple[Any, str]:
    """{FDA,EMA,PMDA}_Approved.csv: number and name, without a heading; one row per drug and agency."""
    import csv

    import pandas as pd

    rows = []
    for path, agency in zip(paths, agencies, strict=True):
        with lines(path) as stream:
            for n, row in enumerate(csv.reader(stream), start=1):
                if not row:
                    continue
                if len(row) < 2 or not (row[0].strip().isdigit() or n == 1):
                    raise FormatError(
                        f"DrugCentral approvals: line {n} of {path.name} is not a number and a drug name; the format "
                        "has changed.",
                        missing=("drugcentral_id", "drug"),
                    )
                if row[0].strip().isdigit():
                    rows.append((row[0].strip(), ",".join(row[1:]).strip(), agency))
    return pd.DataFrame(rows, columns=["drugcentral_id", "drug", "agency"]), ""


def open_targets_drugs(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """drug_molecule of the Open Targets Platform (Parquet or JSON lines): one row per molecule, salts included."""
    import pandas as pd

    records = _records(paths, ("id", "name"), "Open Targets drugs")
    rows = [
        {
            "chembl_id": r["id"],
            "drug": _str(r.get("name")),
            "drug_type": _str(r.get("drugType")),
            "parent": _str(r.get("parentId")),
            "inchikey": _str(r.get("inchiKey")),
            "synonyms": _names(r.get("synonyms")),
            "trade_names": _names(r.get("tradeNames")),
            "phase": r.get("maximumClinicalTrialPhase"),
            "stage": _str(r.get("maximumClinicalStage")),
            "approved": _flag(r.get("isApproved")),
            "withdrawn": _flag(r.get("hasBeenWithdrawn")),
            "black_box_warning": _flag(r.get("blackBoxWarning")),
        }
        for r in records
    ]
    return pd.DataFrame(rows).sort_values("chembl_id", ignore_index=True), ""


def open_targets_mechanisms(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """drug_mechanism_of_action: one row per molecule, mechanism and target gene (Ensembl)."""
    import pandas as pd

    rows = [
        {
            "chembl_id": drug,
            "ensembl": target,
            "action": _str(r.get("actionType")).lower(),
            "mechanism": _str(r.get("mechanismOfAction")),
            "target": _str(r.get("targetName")),
            "target_type": _str(r.get("targetType")),
        }
        for r in _records(paths, ("chemblIds", "actionType", "mechanismOfAction", "targets"), "Open Targets mechanisms")
        for drug in _list(r.get("chemblIds"))
        for target in _list(r.get("targets")) or [""]
    ]
    frame = pd.DataFrame(rows, columns=["chembl_id", "ensembl", "action", "mechanism", "target", "target_type"])
    return frame.drop_duplicates().sort_values(["chembl_id", "ensembl", "mechanism"], ignore_index=True), ""


def _records(paths: list[Path], needed: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    """Rows of Parquet or JSON-lines parts as plain dicts; FormatError where a needed field is absent."""
    found: list[dict[str, Any]] = []
    for path in paths:
        with content(path) as stream:
            start = stream.read(4)
        if start == b"PAR1":
            found += _parquet(path)
        else:
            with lines(path) as text:
                try:
                    found += [json.loads(line) for line in text if line.strip()]
                except ValueError as e:
                    raise FormatError(f"{what}: {path.name} is neither Parquet nor JSON lines.") from e
    fields = set().union(*(r.keys() for r in found)) if found else set()
    missing = tuple(n for n in needed if n not in fields)
    if missing:
        raise FormatError(
            f"{what}: the format has changed. Missing: {', '.join(missing)}. Found: {', '.join(sorted(fields)[:12])}.",
            missing=missing,
        )
    return found


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as e:
        raise FormatError(f"{path.name} ends too early or is damaged: {e}") from e
    return rows


def _list(value: Any) -> list[Any]:
    return [v for v in value if v] if isinstance(value, list | tuple) else []


def _names(value: Any) -> str:
    """Names joined by `|`; newer releases give each as a struct with its source."""
    plain = [v.get("label", "") if isinstance(v, dict) else v for v in _list(value)]
    return "|".join(sorted({str(v).replace("|", "/").strip() for v in plain if v}))


def _str(value: Any) -> str:
    return "" if value is None else str(value)


def _flag(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else ""
