"""The key enzyme: which enzyme the case rests on, with every piece of evidence in sight.

Over all contrasts of a resistant model with its parent the p-values of one enzyme are joined per direction by
Bonferroni: the lines may share parental samples, so they are no independent draws. A second line in which the enzyme is
shown again (partial conjunction over lines) is a replication. Rank: called enzymes first, then by the number of lines,
then by p-value. What databases say of an enzyme (rate-limiting, an approved inhibitor) is shown beside and never ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge import knowledge
from rechallenge.analysis import analysis
from rechallenge.contrasts import grouped
from rechallenge.faults import NotApplicable
from rechallenge.omics.atlas import footprints
from rechallenge.omics.atlas.concordance import AGREES, ALONE, BOTH, CONCORDANT, CONJUNCTION, OPPOSED, SUGGESTIVE
from rechallenge.omics.atlas.layers import genes_of, same
from rechallenge.stats.conjunction import partial_conjunction
from rechallenge.stats.multiplicity import bh

SUPPORTED, SUGGESTED = "supported", "suggestive"
CONTRADICTED, UNSUPPORTED = "discordant", "unsupported by metabolites"
NOTHING, UNTESTED = "nothing shown", "not tested"
COLUMNS = (
    "rank", "gene", "enzyme", "pathway", "verdict", "direction", "p_value", "q_value", "statistic", "n_contrasts",
    "n_concordant", "contrasts_concordant", "contrasts_suggestive", "contrasts_discordant", "contrasts_alone",
    "replication_p",
    "best_contrast", "rna_log2fc", "product_log2fc", "footprint", "tracer", "stage", "specificity",
    "downstream_concordant", "rate_limiting", "inhibitors", "inhibitor_approved", "expressed", "expression_level",
    "expression_unit", "same_footprint", "caution", "n", "status", "reason",
)  # fmt: skip
ISOZYME_COLUMNS = (
    "contrast", "isozymes", "gene", "direction", "rna_log2fc", "rna_p", "level_reference", "level_test",
    "share_reference", "share_of_change", "unit", "carries", "basis", "n", "status", "reason",
)  # fmt: skip
#: units of expression in which a floor means something -> the scale that is used
_LINEAR = {"counts": "CPM", "tpm": "TPM"}


@analysis(
    title="Key enzymes with their evidence",
    reference=(CONJUNCTION,),
    methods="Enzymes were ranked by their concordance over all contrasts of resistant models with their parents "
    "(p-values per direction joined by Bonferroni, since lines may share parental samples; q-values by Benjamini and "
    "Hochberg, called at {fdr}), a further line counting as replication ({replication_alpha} per line). Rate-limiting "
    "steps, approved inhibitors and expression above {floor} (CPM or TPM) are shown and did not enter the rank.",
    formula="p per direction joined over lines by Bonferroni; replication: partial conjunction of two lines",
    oracle=(
        "No outside reference: AKR1B1 first in 10 of 10 planted studies at full effect (tests/omics/test_atlas.py)"
    ),
    limits=(
        "One to three other enzymes a study are supported where drift makes both layers agree. Concordance is "
        "association."
    ),
)
def key_enzymes(
    enzymes: pd.DataFrame,
    expression: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    *,
    fdr: float = 0.1,
    replication_alpha: float = 0.05,
    floor: float = 1.0,
) -> pd.DataFrame:
    """One row per enzyme that was tested in any contrast, best first: `COLUMNS`.

    Contrasts of resistant models with their parents count; where there is none, every contrast. `verdict`: supported
    (concordant over contrasts, q <= `fdr`), suggestive (some contrast shows it, all together do not), discordant (a
    contrast calls it so), unsupported by metabolites (the enzyme changes, they do not), nothing shown. `replication_p`
    is the p-value of "in fewer than two lines" in the given direction. `downstream_concordant` names supported enzymes
    that are nearer downstream than upstream of it. `expressed`: yes, no or unknown at `floor` (CPM of counts, TPM).
    Raises NotApplicable where nothing was tested.
    """
    resistant = enzymes[enzymes["resistance"] == 1]
    used = (resistant if len(resistant) else enzymes).assign(
        _where=lambda f: f["dataset"].astype(str) + "\x1f" + f["contrast"].astype(str)
    )
    agree = used[(used["kind"] == CONCORDANT) & (used["status"] == "estimated")]
    if agree.empty:
        raise NotApplicable("no enzyme has both an expression contrast and a measured product under one name")
    level, unit = expression_levels(expression, expression_samples)
    rows = [_row(str(gene), part, level, unit, replication_alpha, floor) for gene, part in agree.groupby("gene")]
    out = pd.DataFrame(rows)
    out["q_value"] = bh(out["p_value"])
    supported = (out["q_value"] <= fdr) & (out["direction"] != 0)
    opposed = out["contrasts_discordant"] != ""
    suggested = (out["contrasts_suggestive"] != "") & ~opposed
    alone = out["contrasts_alone"] != ""
    out["verdict"] = np.select(
        [supported, suggested, opposed, alone], [SUPPORTED, SUGGESTED, CONTRADICTED, UNSUPPORTED], NOTHING
    )
    out["downstream_concordant"] = _downstream(out[supported]).reindex(out.index).fillna("")
    out = out.assign(_called=~supported, _lines=-out["n_concordant"], _size=-out["_score"].abs())
    out = out.sort_values(["_called", "_lines", "p_value", "_size", "gene"], kind="mergesort").reset_index(drop=True)
    out["rank"] = np.arange(1, len(out) + 1)
    return out.loc[:, list(COLUMNS)]


def _row(
    gene: str, part: pd.DataFrame, level: Mapping[str, float], unit: str, alpha: float, floor: float
) -> dict[str, Any]:
    """What all contrasts say of one enzyme."""
    part = part.sort_values(["p_value", "_where"], kind="mergesort")
    # one-sided p of either direction; in a contrast that points the other way it is at least a half
    half = part["p_value"].to_numpy(float) / 2
    sign = part["direction"].to_numpy(int)
    sided = {s: np.where(sign == s, half, np.maximum(0.5, 1 - half)) for s in (1, -1)}
    joined = {s: float(partial_conjunction(p[None, :], 1)[0]) for s, p in sided.items()}
    direction = 1 if joined[1] < joined[-1] else -1 if joined[-1] < joined[1] else 0
    p = min(1.0, 2 * min(joined.values()))
    best = part[part["direction"] == direction].iloc[0] if (part["direction"] == direction).any() else part.iloc[0]
    again = part[(part["direction"] == direction) & (part["p_value"] <= alpha)]
    twice = 2 * partial_conjunction(sided[direction][None, :], 2)[0] if direction and len(part) > 1 else np.nan
    drugs = inhibitors().get(gene, ())
    approved = [d for d, status in drugs if status == "approved"]
    value = level.get(gene, np.nan)
    return {
        "gene": gene, "enzyme": best["enzyme"], "pathway": best["pathway"], "direction": direction, "p_value": p,
        "statistic": direction * stats.norm.isf(p / 2) if p < 1 else 0.0, "n_contrasts": part["_where"].nunique(),
        "n_concordant": len(again), "contrasts_concordant": "; ".join(sorted(set(again["contrast"]))),
        "contrasts_discordant": _where(part, OPPOSED, BOTH),
        "contrasts_suggestive": _where(part, AGREES, SUGGESTIVE),
        "contrasts_alone": _where(part, ALONE),
        "replication_p": min(1.0, twice), "best_contrast": best["contrast"], "rna_log2fc": best["rna_log2fc"],
        "product_log2fc": best["product_log2fc"], "footprint": best["footprint"],
        "tracer": _agrees(best, "tracer_z", "tracer_p", direction, alpha),
        "stage": _agrees(best, "stage_z", "stage_p", direction, alpha), "specificity": best["specificity"],
        "rate_limiting": best["rate_limiting"], "inhibitors": ", ".join(f"{d} ({s})" if s else d for d, s in drugs),
        "inhibitor_approved": "yes" if approved else "no" if drugs else "none listed",
        "expressed": "unknown" if np.isnan(value) else "yes" if value >= floor else "no", "expression_level": value,
        "expression_unit": unit if np.isfinite(value) else "", "same_footprint": best["same_footprint"],
        "caution": best["caution"], "n": int(best["n"]), "status": "estimated", "reason": "",
        "_score": best["metabolite_score"],
    }  # fmt: skip


def _where(part: pd.DataFrame, *verdicts: str) -> str:
    """Contrasts with one of these verdicts."""
    return "; ".join(sorted(set(part.loc[part["verdict"].isin(verdicts), "contrast"])))


def _agrees(row: Any, z: str, p: str, direction: int, alpha: float) -> str:
    """Whether a layer points the same way, the other way, nowhere, or was not measured."""
    if not np.isfinite(row[p]):
        return "not measured"
    if row[p] > alpha:
        return "nothing shown"
    return "agrees" if np.sign(row[z]) == direction else "points the other way"


def _downstream(supported: pd.DataFrame) -> pd.Series:
    """Supported enzymes of the same direction that lie downstream of each supported one, as text."""
    enzyme = {e.gene: e for e in footprints.enzymes()}
    sign = dict(zip(supported["gene"], supported["direction"], strict=True))
    said = {}
    for index, gene in supported["gene"].items():
        below = [
            g
            for g in sorted(sign)
            if sign[g] == sign[gene] and g != gene and footprints.is_downstream(enzyme[g], enzyme[gene])
        ]
        said[index] = ", ".join(below)
    return pd.Series(said, dtype=object)


@lru_cache(maxsize=1)
def inhibitors() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Gene -> ((drug, status in the drug table or ''), ...) of drugs that inhibit the enzyme."""
    drugs = knowledge.table("drugs")
    status = dict(zip(drugs["drug"], drugs["status"], strict=True))
    found: dict[str, list[tuple[str, str]]] = {}
    table = knowledge.table("enzyme_inhibitors")
    for gene, drug in zip(table["gene"], table["drug"], strict=True):
        found.setdefault(str(gene), []).append((str(drug), str(status.get(drug, ""))))
    return {g: tuple(sorted(d)) for g, d in found.items()}


def expression_levels(
    expression: pd.DataFrame | None, sheet: pd.DataFrame | None, columns: list[str] | None = None
) -> tuple[dict[str, float], str]:
    """(enzyme -> highest mean level over groups, or mean over the samples `columns`; unit). Empty where no data set is
    in counts or TPM: a floor means nothing on another scale."""
    if expression is None or sheet is None or expression.empty or "unit" not in sheet:
        return {}, ""
    for wanted, unit in _LINEAR.items():
        sets = sorted(set(sheet.loc[sheet["unit"].astype(str).str.casefold() == wanted, "dataset"].astype(str)))
        for dataset in sets:
            part = expression[expression["dataset"].astype(str) == dataset]
            mine = grouped(sheet[sheet["dataset"].astype(str) == dataset])
            names = [s for s in (columns if columns is not None else mine["sample"]) if s in part.columns]
            if not names:
                continue
            values = part[names].apply(pd.to_numeric, errors="coerce")
            if wanted == "counts":
                values = 1e6 * values / values.sum()
            gene = part["feature"].astype(str).map(genes_of(part["feature"]))
            per_gene = values.groupby(gene).sum()
            if columns is None:
                group = mine.set_index("sample").loc[names, ["model", "treatment", "stage"]].agg("\x1f".join, axis=1)
                level = per_gene.T.groupby(group.to_numpy()).mean().max()
            else:
                level = per_gene.mean(axis=1)
            return {str(g): float(v) for g, v in level.items()}, unit
    return {}, ""


@analysis(
    title="Isozymes: which gene carries the reaction",
    methods="Of genes for one activity the one with the largest share of the change in expression ({floor} CPM or TPM "
    "as floor) was named as its carrier; without levels, the only one whose RNA changes. CPM are not corrected for "
    "length.",
    formula="share of change = change of a gene / net change of its group, in CPM or TPM",
    oracle="No outside reference: planted carriers (tests/omics/test_atlas.py)",
    limits="Transcripts stand for activity. CPM are not corrected for length.",
)
def isozymes(
    enzymes: pd.DataFrame,
    expression: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    *,
    floor: float = 1.0,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Per contrast and group of isozymes, what each gene contributes: `ISOZYME_COLUMNS`.

    With expression in counts or TPM `share_reference` is a gene's share of the group's level in the reference and
    `share_of_change` that of the group's net change; `carries` is yes for the gene with most of it, where its RNA
    changes (p <= `alpha`). Subunits of one complex are listed with isozymes: of them all are needed. Raises
    NotApplicable where no group of isozymes has RNA contrasts of two genes.
    """
    table = enzymes[(enzymes["kind"] == CONCORDANT) & (enzymes["isozymes"] != "") & enzymes["rna_p"].notna()]
    table = table.drop_duplicates(["contrast", "gene"])
    rows: list[dict[str, Any]] = []
    for (contrast, group), part in table.groupby(["contrast", "isozymes"], sort=True):
        if len(part) < 2:
            continue
        level, unit = _two_levels(expression, expression_samples, str(part["contrast"].iloc[0]))
        rows += _carriers(str(contrast), str(group), part, level, unit, floor, alpha)
    if not rows:
        raise NotApplicable("no activity with several genes has RNA contrasts of two of them")
    return pd.DataFrame(rows).loc[:, list(ISOZYME_COLUMNS)]


def _two_levels(
    expression: pd.DataFrame | None, sheet: pd.DataFrame | None, contrast: str
) -> tuple[dict[str, tuple[float, float]], str]:
    """Gene -> level in the (reference, test) group of a contrast of two models or two treatments."""
    if expression is None or sheet is None:
        return {}, ""
    ordered = grouped(sheet)
    model = ordered["model"].map(same)
    treatment = ordered["treatment"].map(same)
    text = same(contrast)
    if ": " in text and " vs " in text:
        name, _, rest = text.rpartition(": ")
        sides = [(name, t) for t in rest.split(" vs ")]
    else:
        sides = [(m, "vehicle") for m in text.split(" vs ")]
    if len(sides) != 2:
        return {}, ""
    found = [
        expression_levels(expression, sheet, list(ordered.loc[(model == m) & (treatment == t), "sample"]))
        for m, t in sides
    ]
    (test, unit), (reference, _) = found
    return {g: (reference[g], test[g]) for g in sorted(set(test) & set(reference))}, unit


def _carriers(
    contrast: str,
    group: str,
    part: pd.DataFrame,
    level: Mapping[str, tuple[float, float]],
    unit: str,
    floor: float,
    alpha: float,
) -> list[dict[str, Any]]:
    part = part.sort_values("gene")
    genes = list(part["gene"])
    known = all(g in level for g in genes)
    before = np.array([level[g][0] for g in genes]) if known else np.full(len(genes), np.nan)
    after = np.array([level[g][1] for g in genes]) if known else np.full(len(genes), np.nan)
    net = float(np.sum(after - before))
    share = (after - before) / net if known and net != 0 else np.full(len(genes), np.nan)
    changed = (part["rna_p"] <= alpha).to_numpy()
    if known:
        eligible = changed & (np.maximum(before, after) >= floor)
        first = (
            int(np.argmax(np.where(eligible, share, -np.inf))) if eligible.any() and np.isfinite(share).any() else -1
        )
        basis = f"share of the change in {unit}"
    else:
        first = int(np.flatnonzero(changed)[0]) if changed.sum() == 1 else -1
        basis = "the only one whose RNA changes; levels not known"
    return [
        {
            "contrast": contrast, "isozymes": group, "gene": gene, "direction": int(np.sign(row["rna_z"])),
            "rna_log2fc": row["rna_log2fc"], "rna_p": row["rna_p"],
            "level_reference": before[i], "level_test": after[i],
            "share_reference": before[i] / before.sum() if known and before.sum() > 0 else np.nan,
            "share_of_change": share[i], "unit": unit if known else "",
            "carries": "yes" if i == first else "no" if first >= 0 else "unknown",
            "basis": basis, "n": row["n"], "status": "estimated" if known else "not_estimable",
            "reason": "" if known else "no expression in counts or TPM for this contrast",
        }
        for i, (gene, (_, row)) in enumerate(zip(genes, part.iterrows(), strict=True))
    ]  # fmt: skip
