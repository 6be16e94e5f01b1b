"""Drugs that a state might be sensitive to: hypotheses from knowledge and from the study's own treatments, no test.

A drug is listed for a state where it blocks a gene that is up in the state's resistant cells, or where a treatment that
the study measured in bulk moves genes against the change of the state. Neither says that the state's cells die; both
are level `knowledge`, carry no p-value and never change one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge import knowledge
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells.pseudobulk import GROUPS, PATIENTS

LAMB = "doi:10.1126/science.1132939"
COLUMNS = (
    "dataset", "state", "contrast", "model", "drug", "basis", "genes", "n_genes", "score", "primary", "potency_nm",
    "status", "reason", "source",
)  # fmt: skip
TARGET, REVERSAL = "target", "reversal"
BLOCKS = ("inhibitor", "antagonist", "antibody", "degrader", "negative modulator")
#: shared genes that a comparison with a treatment needs
SHARED = 200


def _methods(state_drugs: pd.DataFrame, fold: float, alpha: float, **_: Any) -> str:
    return (
        f"Drugs were listed as hypotheses for a state where they block a gene that is up in its resistant cells (q < "
        f"{alpha:g}, log2 fold change of {fold:g} or more; without replicates by fold change alone, and said so) or "
        f"where a treatment measured in bulk moved genes against the state's change (rank correlation, after {LAMB})."
    )


@analysis(
    title="Drugs to try against a state (hypotheses)",
    reference=LAMB,
    methods=_methods,
    formula="score = log2fc of a blocked gene, or -rho of treatment and state statistics",
    oracle="No outside reference: hypotheses, never tested (tests/omics/test_cells_activity.py)",
    limits="Blocking what is up need not kill. Level knowledge: no p-value and no weight.",
)
def state_drugs(
    cell_contrasts: pd.DataFrame,
    differential: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
    fold: float = 1.0,
    most: int = 20,
) -> pd.DataFrame:
    """One row per data set, state, contrast and drug: `COLUMNS`, at most `most` of each basis for a state.

    `score` is the largest log2 fold change of a gene that the drug blocks, or the negative rank correlation of the
    treatment's statistics with those of the state (above 0 = against it). Always `not_testable`. Raises NotApplicable
    where no resistant cells were compared.
    """
    table = cell_contrasts[
        cell_contrasts["kind"].isin(["resistance", PATIENTS, GROUPS]) & (cell_contrasts["direction"] == 1)
    ]
    if table.empty:
        raise NotApplicable("no resistant cells were compared with their parents")
    targets = knowledge.table("drug_targets")
    targets = targets[targets["action"].astype(str).str.casefold().isin(BLOCKS)]
    treated = _treatments(differential)
    rows: list[dict[str, Any]] = []
    for (dataset, state, contrast, model), part in table.groupby(
        ["dataset", "state", "contrast", "model"], sort=True, dropna=False
    ):
        base = {"dataset": dataset, "state": state, "contrast": contrast, "model": model}
        tested = bool(part["q_value"].notna().any())
        up = part[(part["log2fc"] >= fold) & ((part["q_value"] < alpha) | (not tested))]
        change = dict(zip(up["gene"], up["log2fc"], strict=True))
        rows += [{**base, **r} for r in _blocked(targets[targets["target"].isin(set(change))], change, tested, most)]
        rows += [{**base, **r} for r in _against(part, treated, most)]
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    return out.sort_values(["dataset", "state", "contrast", "basis"], kind="mergesort", ignore_index=True)


def _blocked(targets: pd.DataFrame, change: dict[Any, Any], tested: bool, most: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for drug, own in targets.groupby("drug", sort=True):
        genes = sorted(set(own["target"]), key=lambda g: (-change[g], g))
        potency = own["potency_nm"].astype(float).min()
        rows.append(
            {
                "drug": drug, "basis": TARGET, "genes": ";".join(genes), "n_genes": len(genes),
                "score": float(change[genes[0]]), "primary": bool((own["primary"] == "yes").any()),
                "potency_nm": potency, "status": "not_testable",
                "reason": "hypothesis: the drug blocks what is up" + ("" if tested else "; without replicates"),
                "source": "; ".join(sorted(set(own["source"].astype(str))))[:200],
            }
        )  # fmt: skip
    return sorted(rows, key=lambda r: (not r["primary"], -float(r["score"]), str(r["drug"])))[:most]


def _treatments(differential: pd.DataFrame | None) -> dict[tuple[str, str], pd.Series]:
    """Statistics by gene of every treatment against vehicle that was measured in bulk."""
    if differential is None or not len(differential):
        return {}
    table = differential[(differential["kind"] == "treatment") & (differential["layer"] == "rna")]
    table = table[table["statistic"].notna()]
    return {
        (str(c), str(d)): part.drop_duplicates("gene").set_index("gene")["statistic"].astype(float)
        for (c, d), part in table.groupby(["contrast", "dataset"], sort=True)
    }


def _against(part: pd.DataFrame, treated: dict[tuple[str, str], pd.Series], most: int) -> list[dict[str, Any]]:
    from scipy.stats import spearmanr

    measure = "statistic" if part["statistic"].notna().any() else "log2fc"
    own = part.drop_duplicates("gene").set_index("gene")[measure].astype(float).dropna()
    rows: list[dict[str, Any]] = []
    for (contrast, dataset), other in treated.items():
        both = own.index.intersection(other.index)
        if len(both) < SHARED:
            continue
        r = float(spearmanr(own[both], other[both]).statistic)
        if r >= 0:
            continue
        drug = contrast.split(": ", 1)[-1].split(" vs ", 1)[0].strip()
        rows.append(
            {
                "drug": drug, "basis": REVERSAL, "genes": "", "n_genes": len(both), "score": -r, "primary": False,
                "potency_nm": np.nan, "status": "not_testable",
                "reason": "hypothesis: the treatment moved genes against the change of the state",
                "source": f"{contrast} ({dataset})",
            }
        )  # fmt: skip
    return sorted(rows, key=lambda r: (-float(r["score"]), str(r["drug"])))[:most]
