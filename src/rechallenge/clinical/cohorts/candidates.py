"""Which genes get the full treatment, and why each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.people import ALL, order_of
from rechallenge.faults import NotApplicable

NAMED, TARGET, TOP = "named in study.toml", "target of", "strongest in the scan"
#: targets of one therapy that are looked at
MOST_TARGETS = 8


def _methods(clinical_candidates: pd.DataFrame, top: int, **_: Any) -> str:
    selected = int(clinical_candidates["selected"].sum())
    return (
        f"{len(clinical_candidates) - selected} genes or markers were named beforehand (in study.toml, or as targets "
        f"of "
        f"the therapies) and {selected} are the strongest of the scan of all genes"
        + (
            ": chosen by their p-values, they are called on q in a single cohort and must be seen in a second where "
            "there "
            "are several."
            if selected
            else "."
        )
    )


@analysis(
    title="Genes looked at in patients",
    methods=_methods,
    formula="No formula: named genes, targets of the therapies, the strongest of each scan, with the reason",
    oracle=(
        "No outside reference: a selection by rules; what the data chose must pass on q "
        "(tests/clinical/test_survival.py)"
    ),
    limits="Genes chosen by the scan are optimistic in the cohort that chose them.",
)
def clinical_candidates(
    survival_scan: pd.DataFrame | None = None,
    response_scan: pd.DataFrame | None = None,
    therapies: pd.DataFrame | None = None,
    *,
    genes: tuple[str, ...] = (),
    markers: tuple[str, ...] = (),
    top: int = 20,
) -> pd.DataFrame:
    """One row per gene or marker with the reason: gene, kind, why, selected, measured.

    The genes of the option `genes`, the primary targets of the study's therapies (at most eight each), and the `top`
    strongest of the scans of survival (first endpoint, all patients) and of response (half each where there are both).
    `selected` says that the data chose it: such a gene must pass on its q-value. `measured` False: no cohort has it.
    """
    scans = [s for s in (survival_scan, response_scan) if s is not None and len(s)]
    if not scans:
        raise NotApplicable("no cohort of patients could be analysed")
    known: dict[str, str] = {}
    for s in scans:
        known.update({str(g).upper(): str(g) for g in s.loc[s["kind"] == "gene", "gene"].unique()})
    rows: dict[str, dict[str, Any]] = {}

    def take(name: str, why: str, selected: bool, kind: str = "gene") -> None:
        gene = known.get(name.upper(), name) if kind == "gene" else name
        there = name.upper() in known or kind == "marker"
        entry = rows.setdefault(gene, {"gene": gene, "kind": kind, "why": why, "selected": selected, "measured": there})
        if why not in entry["why"]:
            entry["why"] += f"; {why}"
        entry["selected"] &= selected

    for marker in markers:
        take(marker, NAMED, False, "marker")
    for gene in _named(genes, known):
        take(gene, NAMED, False)
    for drug in () if therapies is None else therapies["therapy"]:
        for gene in _targets(str(drug)):
            if gene.upper() in known:
                take(gene, f"{TARGET} {drug}", False)
    share = top if len(scans) == 1 else top // 2
    for name, one in (("survival", survival_scan), ("response", response_scan)):
        if one is not None and len(one):
            for rank, gene in enumerate(strongest(one, share), start=1):
                take(gene, f"{TOP} of {name} (rank {rank})", True)
    return pd.DataFrame(list(rows.values()), columns=["gene", "kind", "why", "selected", "measured"])


def _named(genes: tuple[str, ...], known: dict[str, str]) -> list[str]:
    """The genes as the cohorts name them: an alias becomes its symbol where the alias itself is not measured."""
    from rechallenge.clinical.cohorts.expression import symbols

    given = [g.strip() for g in genes if g.strip()]
    better = symbols(given)
    return [g if g.upper() in known else s for g, s in zip(given, better, strict=True)]


def _targets(drug: str) -> list[str]:
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions import targets_of

    try:
        return [str(t) for t in targets_of(drug, primary=True)["target"].head(MOST_TARGETS)]
    except KnowledgeError:
        return []


def strongest(scan: pd.DataFrame, count: int) -> list[str]:
    """The genes of smallest p (of their best cohort) at the first endpoint, names breaking ties."""
    rows = scan[(scan["kind"] == "gene") & scan["p_value"].notna()]
    if "endpoint" in rows and len(rows):
        first = min(rows["endpoint"].unique(), key=order_of)
        rows = rows[(rows["endpoint"] == first) & (rows["subset"] == ALL)]
    if rows.empty or count < 1:
        return []
    strength = rows.assign(_s=-rows["statistic"].abs()) if "statistic" in rows else rows.assign(_s=rows["p_value"])
    best = strength.sort_values(["_s", "gene"], kind="mergesort").drop_duplicates("gene")
    return [str(g) for g in best["gene"].head(count)]


def where_measured(candidates: pd.DataFrame, genes: np.ndarray[Any, Any]) -> list[tuple[str, int]]:
    """Candidates that a cohort measures, with their row in it, in the order of the candidates."""
    place = {str(g): i for i, g in enumerate(genes)}
    wanted = candidates.loc[candidates["kind"] == "gene", "gene"]
    return [(g, place[g]) for g in wanted if g in place]
