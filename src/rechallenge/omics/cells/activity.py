"""What every state does: pathways, regulators, metabolism and cell cycle of each state in each sample.

Scores are made per state and sample on counts that were added up, never per cell: pathways and metabolic routes by
single-sample enrichment, regulators by a univariate linear model on their regulons. They are compared between groups of
samples as everything else is. A regulator's targets move together for many reasons; its score in a contrast is
therefore also compared with permuted regulons in which every factor keeps the number and signs of its targets and every
target the number of its factors (taken uncalibrated, permuted regulons were "active" in 11.7 % of tests at 5 %). A
regulator is called only where both say so: the p-value is the larger of the two (intersection-union).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import knowledge
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.questions.collections import PROGRAMMES
from rechallenge.knowledge.questions.collections import gene_sets as collections
from rechallenge.knowledge.questions.collections import regulons as known_regulons
from rechallenge.omics.cells import cycle, reading
from rechallenge.omics.cells.pseudobulk import ALL, compared, counted, matrix, units
from rechallenge.stats import networks
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.single_sample import single_sample

Floats = NDArray[np.float64]
SSGSEA = "doi:10.1038/nature08460"
ULM = "doi:10.1093/bioadv/vbac016"
BERGER = "doi:10.1080/00401706.1982.10487790"
PATHWAY, REGULATOR, METABOLISM, CYCLE = "pathway", "regulator", "metabolism", "cycle"
#: statistics of genes beyond this weigh no more
CLIP = 30.0
SCORES = (
    "dataset", "state", "sample", "model", "patient", "treatment", "stage", "replicate", "batch", "group", "n_cells",
    "kind", "collection", "term", "size", "score", "unit", "used",
)  # fmt: skip
CONTRASTS = (
    "dataset", "state", "contrast", "contrast_kind", "model", "kind", "collection", "term", "size", "effect", "se",
    "ci_low", "ci_high", "statistic", "df", "p_samples", "z_permuted", "p_permuted", "p_value", "q_value", "n",
    "n_group", "n_reference", "direction", "status", "reason", "source_table",
)  # fmt: skip


def log_cpm(values: Floats) -> Floats:
    """log2 counts per million plus one of summed counts [genes, units]; a unit without counts is nan."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log2(values / values.sum(axis=0) * 1e6 + 1))


def metabolic_routes(smallest: int) -> dict[str, list[str]]:
    """Enzymes by pathway of the built-in table of enzymes."""
    table = knowledge.table("enzymes")
    found = {str(p): sorted(set(g)) for p, g in table.groupby("pathway")["gene"]}
    return {p: g for p, g in found.items() if len(g) >= smallest}


def set_scores(
    levels: Floats, genes: Sequence[str], sets: Mapping[str, Sequence[str]], smallest: int
) -> list[tuple[str, Any, int]]:
    """(term, scores [units], size) of sets by single-sample enrichment; genes without any count take no part."""
    there = (levels > 0).any(axis=1)
    return single_sample(levels[there], np.asarray(genes, dtype=object)[there], sets, smallest)


def regulator_scores(
    levels: Floats, genes: Sequence[str], known: pd.DataFrame, smallest: int
) -> list[tuple[str, Any, int]]:
    """(factor, scores [units], targets): t of a linear model of each unit's levels, less the mean over units, on the
    regulon's weights."""
    there = (levels > 0).any(axis=1)
    names = pd.Index(np.asarray(genes, dtype=object)[there])
    net = networks.network(known, names)
    size = np.bincount(net.factor, minlength=len(net.factors))
    centred = levels[there] - levels[there].mean(axis=1, keepdims=True)
    kept = np.flatnonzero(size >= smallest)
    if not kept.size or len(names) < 3:
        return []
    score = np.column_stack([networks.ulm(centred[:, j], net) for j in range(levels.shape[1])])
    return [(net.factors[i], score[i], int(size[i])) for i in kept]


def _methods(state_activity: pd.DataFrame, least_cells: int, smallest: int, **_: Any) -> str:
    used = ", ".join(sorted(set(state_activity.loc[state_activity["kind"] == PATHWAY, "collection"])))
    return (
        f"Counts of the cells of every state and sample with {least_cells} or more of them were added up; pathways "
        f"({used}; {smallest} or more genes) and routes of metabolism were scored by single-sample enrichment "
        f"({SSGSEA}), transcription factors by a univariate linear model on their regulons ({ULM}), and phases of the "
        f"cell cycle were told cell by cell ({cycle.TIROSH})."
    )


@analysis(
    title="Activity of every state in every sample",
    reference=(SSGSEA, ULM, cycle.TIROSH),
    methods=_methods,
    formula="single-sample enrichment and univariate linear model of summed counts per state and sample",
    oracle=(
        "R GSVA for ssGSEA; exact to 1e-13 of the definition of ULM (tests/stats/test_sparse_activity.py, "
        "tests/omics/test_cells_activity.py)"
    ),
    limits="Scores compare samples of one term, not terms. Targets shared by factors are not told apart.",
)
def state_activity(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    regulons: pd.DataFrame | None = None,
    patients: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES, "hallmark"),
    least_cells: int = 10,
    smallest: int = 10,
    smallest_regulon: int = 5,
    smallest_route: int = 5,
) -> pd.DataFrame:
    """One row per data set, state (and `all`), sample and term: `SCORES`.

    `kind` is pathway, regulator, metabolism or cycle (share of cells in S, G2M). Scores compare samples and states of
    one term, not terms. Raises NotApplicable where no data set holds counts.
    """
    sheet = units(cell_states, patients, least=least_cells)
    sets = collections(gene_sets, collections_used)
    known = known_regulons(regulons)
    out = []
    for dataset in counted(cells, cell_states):
        genes, values, mine = matrix(cells, cell_states, sheet, dataset)
        use = mine["used"].to_numpy() & (values.sum(axis=0) > 0)
        if not use.any():
            continue
        mine = mine[use].reset_index(drop=True)
        levels = log_cpm(values[:, use])
        made = [
            (PATHWAY, name, "enrichment score", set_scores(levels, genes, members, smallest))
            for name, members in sets.items()
        ]
        routes = set_scores(levels, genes, metabolic_routes(smallest_route), smallest_route)
        made.append((METABOLISM, "enzymes", "enrichment score", routes))
        if use.sum() > 1:
            made.append((REGULATOR, "regulons", "t", regulator_scores(levels, genes, known, smallest_regulon)))
        made.append((CYCLE, PROGRAMMES, "fraction of cells", _phases(cells, cell_states, dataset, mine)))
        for kind, collection, unit, found in made:
            for term, scores, size in found:
                part = mine.assign(kind=kind, collection=collection, term=term, size=size, score=scores, unit=unit)
                out.append(part)
    if not out:
        raise NotApplicable(f"no state has {least_cells} cells in a sample")
    table: pd.DataFrame = pd.concat(out, ignore_index=True)[list(SCORES)]
    by = ["dataset", "kind", "collection", "term", "state", "sample"]
    return table.sort_values(by, kind="mergesort", ignore_index=True)


def _phases(
    cells: pd.DataFrame, cell_states: pd.DataFrame, dataset: str, mine: pd.DataFrame
) -> list[tuple[str, Floats, int]]:
    """Share of the cells of every unit in S and in G2/M; nothing where too few genes of the cycle were measured."""
    own = cell_states[cell_states["dataset"] == dataset].reset_index(drop=True)
    kept = reading.kept(cells, own)
    phase, sizes = cycle.phases(kept, reading.genes(kept))
    if phase is None:
        return []
    out = []
    for name in (cycle.S, cycle.G2M):
        inside = pd.Series((phase == name).astype(float))
        parts = inside.groupby([own["state"].astype(str), own["sample"].astype(str)]).mean()
        whole = inside.groupby(own["sample"].astype(str)).mean()
        score = [
            whole[r.sample] if r.state == ALL else parts[(r.state, r.sample)]
            for r in mine[["state", "sample"]].itertuples(index=False)
        ]
        out.append((name, np.array(score, dtype=float), sizes[name]))
    return out


def _contrast_methods(activity_contrasts: pd.DataFrame, n_permutations: int, **_: Any) -> str:
    if activity_contrasts["p_value"].isna().all():
        return "Scores of states were compared as differences; no group had two samples, so that nothing was tested."
    text = (
        "Scores of states were compared between groups of samples by moderated t (doi:10.2202/1544-6115.1027), the "
        "sample or patient being the unit; q-values by Benjamini and Hochberg within state, contrast and kind of score."
    )
    if activity_contrasts["p_permuted"].notna().any():
        text += (
            f" Regulators were also compared with {n_permutations} permuted networks of the same degrees, and the "
            f"larger of the two p-values counts ({BERGER})."
        )
    return text


@analysis(
    title="Activity of states compared",
    reference=(ULM, BERGER),
    methods=_contrast_methods,
    formula="difference of mean scores, moderated t over samples; p = max(p_samples, p_permuted regulons)",
    oracle=(
        "No outside reference: permuted regulons are called at 5 % within binomial error "
        "(tests/omics/test_cells_activity.py)"
    ),
    limits=(
        "Single states are chosen by their result and weigh nothing in the ranking. One sample a side is not testable."
    ),
)
def activity_contrasts(
    state_activity: pd.DataFrame,
    cell_contrasts: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    regulons: pd.DataFrame | None = None,
    *,
    smallest_regulon: int = 5,
    n_permutations: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per data set, state, contrast and term: `CONTRASTS`.

    `effect` is the difference of mean scores between groups of samples, with its interval; `p_samples` its moderated t
    test over samples. Of regulators `z_permuted` and `p_permuted` compare their score on the contrast of genes with
    permuted regulons and `p_value` is the larger p. Fewer than two samples on a side: `not_testable`.
    """
    known = known_regulons(regulons)
    out = []
    for (dataset, state, kind), part in state_activity.groupby(["dataset", "state", "kind"], sort=True):
        wide = part.pivot_table(index=["collection", "term"], columns="sample", values="score", sort=True).dropna()
        sheet = part.drop_duplicates("sample").sort_values("sample", ignore_index=True)
        names = [f"{c}\x1f{t}" for c, t in wide.index]
        table = compared(wide[sheet["sample"]].to_numpy(float), names, sheet, models, contrasts, confidence)
        if table.empty:
            continue
        split = table["feature"].str.split("\x1f", n=1, expand=True)
        table["collection"], table["term"] = split[0], split[1]
        size = part.drop_duplicates(["collection", "term"]).set_index(["collection", "term"])["size"]
        table["size"] = size.reindex(pd.MultiIndex.from_frame(table[["collection", "term"]])).to_numpy()
        table = table.rename(columns={"log2fc": "effect", "kind": "contrast_kind", "p_value": "p_samples"})
        table["dataset"], table["state"], table["kind"] = str(dataset), str(state), str(kind)
        table["z_permuted"], table["p_permuted"] = np.nan, np.nan
        if kind == REGULATOR:
            mine = cell_contrasts[(cell_contrasts["dataset"] == dataset) & (cell_contrasts["state"] == state)]
            table = _with_permuted(table, mine, known, smallest_regulon, n_permutations, seed)
        table["p_value"] = table["p_samples"]
        if kind == REGULATOR:
            both = np.maximum(table["p_samples"], table["p_permuted"])
            alone = table["p_samples"].notna() & table["p_permuted"].isna()
            table["p_value"] = both
            table.loc[alone, "status"] = "not_testable"
            table.loc[alone, "reason"] = "too few regulons to be permuted: rechallenge knowledge fetch collectri"
            against = np.sign(table["effect"]) * np.sign(table["z_permuted"]) < 0
            table.loc[against & table["p_value"].notna(), "p_value"] = 1.0
        table["q_value"] = table.groupby("contrast")["p_value"].transform(lambda v: bh(v.to_numpy()))
        out.append(table)
    if not out:
        raise NotApplicable("no two groups of samples can be compared")
    whole = pd.concat(out, ignore_index=True)
    whole["source_table"] = "cells"
    by = ["dataset", "state", "contrast", "kind", "collection", "term"]
    return whole.sort_values(by, kind="mergesort", ignore_index=True).reindex(columns=list(CONTRASTS))


def _with_permuted(
    table: pd.DataFrame, genes: pd.DataFrame, known: pd.DataFrame, smallest: int, times: int, seed: int
) -> pd.DataFrame:
    """z and p of every regulator of `table` against permuted regulons, contrast by contrast."""
    out = table.copy()
    for contrast, part in genes.groupby("contrast", sort=True):
        tested = part[part["statistic"].notna()]
        if len(tested) < 3:
            continue
        x = tested.set_index("gene")["statistic"].astype(float).clip(-CLIP, CLIP).sort_index()
        called = permuted_scores(x, known, smallest=smallest, times=times, seed=seed)
        mine = out["contrast"] == contrast
        out.loc[mine, "z_permuted"] = out.loc[mine, "term"].map(called["z"])
        out.loc[mine, "p_permuted"] = out.loc[mine, "term"].map(called["p"])
    return out


def permuted_scores(
    statistic: pd.Series, known: pd.DataFrame, *, smallest: int = 5, times: int = 200, seed: int = 0
) -> pd.DataFrame:
    """score, z, p and p_nominal by factor (index) of a statistic per gene (index) against permuted regulons.

    p_nominal is the textbook p-value of the linear model, which is not to be believed. Empty where fewer than 20
    regulons can be permuted.
    """
    from scipy.stats import t as student

    net = networks.network(known, pd.Index(statistic.index))
    size = np.bincount(net.factor, minlength=len(net.factors))
    kept = np.flatnonzero(size >= smallest)
    if kept.size < networks.FEWEST or not statistic.std() > 0:
        return pd.DataFrame(columns=["score", "z", "p", "p_nominal"], dtype=float)
    values = statistic.to_numpy(float)
    score = networks.ulm(values, net)[kept]
    null = networks.scores(values, net, networks.permuted(net, len(values), times, seed))[:, kept]
    z, p, _, _ = networks.calibrated(score, null, size[kept])
    nominal = 2 * student.sf(np.abs(score), len(values) - 2)
    return pd.DataFrame({"score": score, "z": z, "p": p, "p_nominal": nominal}, index=[net.factors[i] for i in kept])
