"""Docking scores: what a program computed, as knowledge and no more.

A docking score is a prediction: it has no replicate, no interval and no test, and never enters a p-value. The best
pose of each pair is listed; `.pdbqt` results of AutoDock Vina (doi:10.1002/jcc.21334) are read as they are.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims
from rechallenge.assays.binding.contract import each
from rechallenge.evidence import claim_table
from rechallenge.faults import Fault, InputFaults, NotApplicable
from rechallenge.report.words import number
from rechallenge.study import STUDY_FILE, TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract, source_rows
from rechallenge.tables.reading import TableRead, empty_frame, read_table

VINA = "doi:10.1002/jcc.21334"
_RESULT = re.compile(rb"^REMARK VINA RESULT:\s+(-?\d+(?:\.\d+)?)", re.MULTILINE)


def read(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """Tables of scores, and `.pdbqt` results, whose protein (and ligand, else the file's name) the source names."""
    out = TableRead(empty_frame(contract))
    names = [c.name for c in contract.columns]
    given = {k: str(v) for k, v in source.extra.items() if k in names}
    for key in source.extra:
        if key not in names:
            out.faults.append(
                Fault("study-key", "a table of kind docking does not use this key.", f"Columns: {', '.join(names)}.",
                      file=STUDY_FILE, column=f"tables.docking.{key}")
            )  # fmt: skip
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    tidy, parts = [], []
    for one in found:
        if not one.name.casefold().endswith(".pdbqt"):
            tidy.append(one.name)
            continue
        try:
            content = _files.load(one)
        except InputFaults as e:
            out.faults += e.faults
            continue
        out.files.append(content.record)
        scores = [(content.data[: m.start()].count(b"\n") + 1, float(m[1])) for m in _RESULT.finditer(content.data)]
        if not scores or "protein" not in given:
            message = "no VINA RESULT is in the file." if not scores else "the file does not say the protein."
            remedy = 'Name the output of Vina; and the protein: docking = { values = "...", protein = "..." }.'
            out.faults.append(Fault("no-score", message, remedy, file=one.name))
            continue
        part = pd.DataFrame(scores, columns=["_row", "score_kcal_mol"])
        part["pose"] = [str(i) for i in range(1, len(part) + 1)]
        part["ligand"] = PurePosixPath(one.name).stem.removesuffix("_out")
        part["program"], part["structure"] = "AutoDock Vina", ""
        parts.append(part.assign(**given, _file=one.name, _sheet=""))
    if tidy:
        more = read_table(contract, tidy, folder=folder, models=models, sheet=source.sheet, given=given)
        out.faults += more.faults
        out.files += more.files
        out.excluded = more.excluded
        parts.append(more.frame)
    filled = [p for p in parts if len(p)]
    if filled:
        out.frame = pd.concat(filled, ignore_index=True).reindex(columns=out.frame.columns)
    return out


COLUMNS = (
    "protein", "ligand", "score_kcal_mol", "pose", "n_poses", "program", "structure", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


@analysis(
    title="Docking scores",
    reference=VINA,
    methods="Docking scores were taken as given (best pose of each pair); they are predictions and were not tested.",
    formula="No formula: the best score of each protein and ligand, as given",
    oracle="No outside reference: read as AutoDock Vina wrote it (tests/assays/test_binding.py)",
    limits="A prediction without replicate, interval or test. It never enters a p-value.",
)
def docking(docking: pd.DataFrame) -> pd.DataFrame:
    """The best pose of each protein and ligand: `COLUMNS`. Raises NotApplicable without a score."""
    table = docking[docking["score_kcal_mol"].notna()]
    if table.empty:
        raise NotApplicable("the table of docking holds no score")
    rows: list[dict[str, Any]] = []
    for (protein, ligand), part in table.groupby(["protein", "ligand"], sort=True):
        best = part.sort_values(["score_kcal_mol", "program", "structure", "pose"], kind="mergesort").iloc[0]
        rows.append(
            {
                "protein": protein, "ligand": ligand, "score_kcal_mol": float(best["score_kcal_mol"]),
                **{c: str(best[c]) for c in ("pose", "program", "structure")}, "n_poses": len(part),
                "source_rows": source_rows(part["_file"], part["_row"]) if "_row" in part.columns else "",
            }
        )  # fmt: skip
    out = pd.DataFrame(rows)
    out["status"], out["reason"] = "not_testable", "a computed score has no replicate"
    out["source_table"] = "docking"
    return out.loc[:, list(COLUMNS)].sort_values(["score_kcal_mol", "protein", "ligand"]).reset_index(drop=True)


@claims(title="Docked pairs")
def docking_claims(docking: pd.DataFrame) -> pd.DataFrame:
    """One claim of level knowledge per pair; never a p-value."""
    return claim_table(
        {
            "entity": row.protein, "entity_type": "gene", "stream": "binding", "level": "knowledge",
            "contrast": f"{row.ligand} docked", "direction": 0, "effect": row.score_kcal_mol, "effect_unit": "kcal/mol",
            "n": np.nan, "status": row.status, "analysis": "docking", "source_table": row.source_table,
            "source_rows": row.source_rows,
            "claim": f"{row.ligand} docked to {row.protein}: best score {number(row.score_kcal_mol)} kcal/mol"
            + (f" ({', '.join(filter(None, [row.program, row.structure]))})" if row.program or row.structure else "")
            + ": a prediction, no measurement.",
        }
        for row in each(docking)
    )  # fmt: skip
