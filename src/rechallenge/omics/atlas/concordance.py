"""Which enzymes change together with the metabolites that they make: concordance, discordance, pathways.

For every enzyme g and contrast

    D_g = sum_m w_gm t_m / ||w_g||

over its footprint (`footprints`: measured main products, and half as much the products one step on) of moderated t. The
p-value of this layer comes from rotation of the samples, which keeps the correlation between metabolites; shuffling
metabolites does not. RNA, protein, tracer and stages are further layers, each with a sign; a directional partial
conjunction joins them. The same with the sign of one layer of the metabolites turned gives the discordant enzymes: more
enzyme, less product. A pool that rises proves no flux.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge import contrasts as comparisons
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.atlas import footprints, layers
from rechallenge.omics.atlas.comparing import (
    OneContrast,
    anything,
    footprint_words,
    metabolite_layer,
    origin_of,
    product_change,
    specificity,
    stage_layer,
)
from rechallenge.omics.atlas.layers import LAYERS, SIDES, Layer
from rechallenge.omics.atlas.names import compounds
from rechallenge.stats.conjunction import Joined, conjunction, opposition, partial_conjunction
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
ROAST = "doi:10.1093/bioinformatics/btq401"
CONJUNCTION = "doi:10.1111/j.1541-0420.2007.00984.x"
SIMES = "doi:10.1093/biomet/73.3.751"
HUMAN_GEM = "doi:10.1126/scisignal.aaz1482"
CONCORDANT, DISCORDANT = "concordant", "discordant"
#: what is said of an enzyme in a contrast
AGREES, OPPOSED, BOTH, SUGGESTIVE = "concordant", "discordant", "layers disagree", "suggestive"
ALONE, METABOLITES, NOTHING, UNTESTED = "enzyme alone", "metabolites alone", "nothing shown", "not tested"
CAUTION = "runs either way: without tracing its footprint has no sign of its own"
COLUMNS = (
    "dataset", "contrast", "contrast_kind", "model", "reference", "gene", "enzyme", "pathway", "kind", "verdict",
    "direction", "resistance", "p_value", "q_value", "statistic", "n_layers", "layers", "opposed",
    "rna_log2fc", "rna_z", "rna_p", "protein_log2fc", "protein_z", "protein_p",
    "metabolite_score", "metabolite_z", "metabolite_p", "metabolite_q", "metabolite_any_p", "contrast_score",
    "contrast_p",
    "tracer_effect", "tracer_basis", "tracer_z", "tracer_p", "stage_score", "stage_z", "stage_p",
    "product_log2fc", "product_ci_low", "product_ci_high", "n_products", "n_next", "footprint", "specificity",
    "same_footprint", "isozymes", "rate_limiting", "caution", "n", "n_test", "n_reference", "df", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip
#: columns of each layer: effect, z, p
_PARTS = {
    "rna": ("log2fc", "z", "p"), "protein": ("log2fc", "z", "p"), "metabolite": ("score", "z", "p"),
    "tracer": ("effect", "z", "p"), "stage": ("score", "z", "p"),
}  # fmt: skip
METABOLITE_COLUMNS = (
    "dataset", "contrast", "metabolite", "feature", "log2fc", "se", "ci_low", "ci_high", "statistic", "p_value",
    "q_value", "n", "status", "source_table", "source_rows",
)  # fmt: skip
PATHWAY_COLUMNS = (
    "dataset", "contrast", "pathway", "n_enzymes", "n_measured", "score", "statistic", "p_value", "q_value",
    "mean_rna_z", "n_rna", "concordant", "discordant", "n", "status", "reason",
)  # fmt: skip


def _methods(
    result: dict[str, pd.DataFrame],
    n_rotations: int,
    layers_needed: int,
    fdr: float,
    any_alpha: float,
    max_missing: float,
    **_: Any,
) -> str:
    enzymes = result["enzymes"]
    tested = enzymes[enzymes["status"] == "estimated"]
    used = sorted({x for text in tested["layers"] for x in text.split(", ") if x}, key=LAYERS.index)
    small = tested["n_test"].min() if len(tested) else np.nan
    power = (
        " With four samples a side an effect of the size of AKR1B1's is usually missed: an enzyme that is not named is "
        "not thereby excluded."
        if small <= 5
        else ""
    )
    return (
        f"Enzymes of a curated core (directions checked against Human-GEM, {HUMAN_GEM}) were scored by the moderated t "
        "of their measured main products (weight 1) and of the products one step on (weight 0.5), cofactors left out; "
        f"p-values of this layer by {n_rotations:,} rotations of the samples (ROAST, {ROAST}). Features missing in "
        f"more than {100 * max_missing:g} % of the samples were left out. The layers {', '.join(used) or 'at hand'} "
        f"were joined by a directional partial conjunction of at least {layers_needed} of them ({CONJUNCTION}), with "
        "one of the enzyme and one of its metabolites required; discordant enzymes by the same with one layer of the "
        "metabolites turned. q-values by Benjamini and Hochberg (doi:10.1111/j.2517-6161.1995.tb02031.x) over the "
        f"enzymes tested in a contrast, called at {fdr:g}; pools alone were called only where the smallest q-value of "
        f"all footprints, turned together ({SIMES}), showed that anything changes (p <= {any_alpha:g}). Neither "
        "regulatory class nor druggability entered a p-value. A pool that rises proves no flux." + power
    )


@analysis(
    title="Enzymes whose expression and metabolites change together",
    reference=(ROAST, CONJUNCTION, HUMAN_GEM, SIMES),
    gives=("enzymes", "enzyme_metabolites", "enzyme_pathways"),
    methods=_methods,
    formula="D_g = sum w_gm t_m / ||w_g||, p by rotation; layers joined by (L - u + 1) p_(u) per sign",
    oracle=(
        "LDHA in hypoxic fibroblasts: discordant with measured fluxes (tests/omics/test_atlas.py); rotation "
        "against simulated and real nulls (tests/stats/test_rotation.py, benchmarks/atlas_null.py)"
    ),
    limits=(
        "At four against four an enzyme like AKR1B1 at half effect is usually missed. Covers a curated core of "
        "enzymes, not all of metabolism. Pools at q < .1 appear in 4 to 10 % of random splits, so pools alone "
        "are called only where the joint test agrees. A pool that rises proves no flux."
    ),
)
def enzymes(
    metabolite_values: pd.DataFrame,
    metabolites_samples: pd.DataFrame,
    models: pd.DataFrame,
    differential: pd.DataFrame | None = None,
    tracing: pd.DataFrame | None = None,
    contrasts: pd.DataFrame | None = None,
    metabolites: pd.DataFrame | None = None,
    *,
    layers_needed: int = 2,
    n_rotations: int = 9999,
    n_permutations: int = 999,
    fdr: float = 0.1,
    any_alpha: float = 0.03,
    max_missing: float = 0.2,
    block: str = "auto",
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Enzyme-metabolite concordance: the tables `enzymes`, `enzyme_metabolites` and `enzyme_pathways`.

    `metabolite_values` are log2 values, long (dataset, feature, sample, value) or wide (dataset, feature, one column
    per sample), `metabolites_samples` their sheet; `metabolites`, the table as read, says where a row came from.
    `differential` brings RNA, protein or flux contrasts (columns contrast, layer, feature, log2fc, p_value) and
    `tracing` the tracer's (contrast, metabolite, measure, isotopologue, pathway, effect, p_value) under the same names.

    `enzymes` has two rows per data set, contrast and enzyme, `kind` concordant and discordant; `direction` is that of
    the enzyme, `statistic` the signed normal quantile of its p-value, `opposed` the layer that points the other way.
    `metabolite_any_p` is the p-value of "no enzyme's metabolites change" in the contrast, by the same rotations of all
    footprints together; only at `any_alpha` or below does a verdict rest on pools alone, since `metabolite_q` finds
    something in up to `fdr` of all contrasts without any change.
    `product_log2fc` is the mean log2 change of the measured main products with its t interval. `contrast_score`
    (products against substrates) and `specificity` (share of `n_permutations` shuffled footprints that score as far,
    by chance and not a test) are for reading alone. All groups of a data set share one linear model; `block` is auto
    (the batch, else replicate labels that groups share: equal labels are the same experiment), batch, replicate or
    none. Raises NotApplicable where no contrast can be made.
    """
    found: dict[str, list[pd.DataFrame]] = {"enzymes": [], "enzyme_metabolites": [], "enzyme_pathways": []}
    for dataset in sorted(metabolites_samples["dataset"].astype(str).unique()):
        levels = layers.wide(metabolite_values, metabolites, dataset)
        sheet = metabolites_samples[metabolites_samples["dataset"].astype(str) == dataset]
        data = layers.samples(levels, sheet, max_missing)
        if not data.features:
            continue
        ours, against = footprints.weights(data.columns)
        weights = [np.pad(w, ((0, 0), (0, len(data.features) - w.shape[1]))) for w in (ours, against)]
        for comparison in comparisons.of(data.sheet, models, contrasts):
            one = OneContrast(dataset, data, comparison, models, weights[0], weights[1], block)
            options = {"n_rotations": n_rotations, "n_permutations": n_permutations, "seed": seed}
            table = _enzymes(one, differential, tracing, layers_needed, fdr, any_alpha, **options)
            found["enzymes"].append(table)
            found["enzyme_metabolites"].append(_metabolites(one))
            found["enzyme_pathways"].append(_pathways(one, table, fdr, n_rotations, seed))
    if not found["enzymes"]:
        raise NotApplicable(
            "no two groups of samples to compare: the sheet of the metabolites needs a resistant model and its parent, "
            "or a treatment and vehicle in one model"
        )
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}


def _enzymes(
    one: OneContrast,
    differential: pd.DataFrame | None,
    tracer: pd.DataFrame | None,
    layers_needed: int,
    fdr: float,
    any_alpha: float,
    **options: int,
) -> pd.DataFrame:
    """Both kinds of every enzyme in one contrast."""
    metabolite, score = metabolite_layer(one, one.weights, options["n_rotations"], options["seed"])
    shown, _ = metabolite_layer(one, one.against, options["n_rotations"], options["seed"])
    given: dict[str, Layer] = {
        "rna": layers.gene_layer(differential, one.label, "rna"),
        "protein": layers.gene_layer(differential, one.label, "protein"),
        "metabolite": metabolite,
        "tracer": layers.tracer_layer(tracer, differential, one.label),
        "stage": stage_layer(one, options["n_rotations"], options["seed"]),
    }
    up = np.column_stack([given[k].p_up for k in LAYERS])
    down = np.column_stack([given[k].p_down for k in LAYERS])
    sides = [SIDES[k] for k in LAYERS]
    agree = conjunction(up, down, layers_needed, sides)
    oppose, which = opposition(up, down, sides, "enzyme")
    oppose_p = np.where(np.isnan(agree.p_value), np.nan, oppose.p_value)
    q = {CONCORDANT: bh(agree.p_value), DISCORDANT: bh(oppose_p)}
    any_p = anything(one, options["n_rotations"], options["seed"])
    shown_up, shown_down = up.copy(), down.copy()
    if any_p > any_alpha:  # no footprint at all is sure to have changed: pools tell nothing by themselves
        for p in (shown_up, shown_down):
            p[:, LAYERS.index("metabolite")] = np.where(np.isnan(metabolite.p_up), np.nan, 1.0)
    verdict = _verdicts(q, shown_up, shown_down, sides, fdr)
    products, low, high = product_change(one)
    special = specificity(one, score, options["n_permutations"], options["seed"])
    against_p = shown.p_value
    size = {k: (v.effect, v.z, v.p_value) for k, v in given.items()}
    rows = []
    prints = [tuple(np.flatnonzero(w)) + tuple(w[w > 0]) for w in one.weights]
    for i, enzyme in enumerate(footprints.enzymes()):
        there = [k for j, k in enumerate(LAYERS) if not np.isnan(up[i, j])]
        reason = _reason(one, enzyme, given, i, there, layers_needed)
        common = {
            "dataset": one.dataset, "contrast": one.label, "contrast_kind": one.comparison.kind,
            "model": one.comparison.model, "reference": one.comparison.reference.label, "gene": enzyme.gene,
            "enzyme": enzyme.name, "pathway": enzyme.pathway, "verdict": verdict[i], "resistance": one.resistance,
            "n_layers": len(there), "layers": ", ".join(there),
            **{f"{k}_{part}": size[k][j][i] for k, parts in _PARTS.items() for j, part in enumerate(parts)},
            "metabolite_any_p": any_p, "tracer_basis": given["tracer"].basis[i],
            "contrast_score": shown.effect[i], "contrast_p": against_p[i],
            "product_log2fc": products[i],
            "product_ci_low": low[i], "product_ci_high": high[i],
            "n_products": int((one.weights[i] == footprints.PRODUCT).sum()),
            "n_next": int((one.weights[i] == footprints.NEXT).sum()), "footprint": footprint_words(one, i),
            "specificity": special[i], "same_footprint": prints.count(prints[i]) - 1 if prints[i] else 0,
            "isozymes": enzyme.isozymes, "rate_limiting": enzyme.rate_limiting,
            "caution": CAUTION if enzyme.gene in footprints.UNSIGNED else "", "n": one.n, "n_test": one.n_test,
            "n_reference": one.n_reference, "df": one.df, "status": "not_testable" if reason else "estimated",
            "reason": reason, "source_table": "metabolites",
            "source_rows": origin_of(one, np.flatnonzero(one.weights[i])),
        }  # fmt: skip
        for kind, joined, p in ((CONCORDANT, agree, agree.p_value), (DISCORDANT, oppose, oppose_p)):
            sign = int(joined.direction[i]) if np.isfinite(p[i]) else 0
            rows.append(
                {
                    **common,
                    "kind": kind,
                    "direction": sign,
                    "p_value": p[i],
                    "q_value": q[kind][i],
                    "statistic": sign * stats.norm.isf(p[i] / 2) if np.isfinite(p[i]) else np.nan,
                    "opposed": LAYERS[which[i]] if kind == DISCORDANT and np.isfinite(p[i]) else "",
                }
            )
    out = pd.DataFrame(rows)
    first = out["kind"] == CONCORDANT
    out["metabolite_q"] = np.repeat(bh(out.loc[first, "metabolite_p"]), 2)
    return out.loc[:, list(COLUMNS)]


def _verdicts(q: dict[str, Floats], up: Floats, down: Floats, sides: list[str], fdr: float) -> list[str]:
    """What is said of each enzyme. Either side is also called for itself, at the same rate over all that have it:
    suggestive is what both sides show, with one sign, where the joint test falls short."""
    alone, sign = {}, {}
    for side in ("enzyme", "metabolites"):
        columns = [j for j, s in enumerate(sides) if s == side]
        each = Joined(*(partial_conjunction(x[:, columns], 1) for x in (up, down)))
        alone[side], sign[side] = bh(each.p_value) <= fdr, each.direction
    agrees, opposed = q[CONCORDANT] <= fdr, q[DISCORDANT] <= fdr
    untested = np.isnan(q[CONCORDANT])
    choices = [
        (untested, UNTESTED),
        (agrees & opposed, BOTH),
        (agrees, AGREES),
        (opposed, OPPOSED),
        (alone["enzyme"] & alone["metabolites"] & (sign["enzyme"] == sign["metabolites"]), SUGGESTIVE),
        (alone["enzyme"] & ~alone["metabolites"], ALONE),
        (alone["metabolites"] & ~alone["enzyme"], METABOLITES),
    ]
    return list(np.select([c for c, _ in choices], [v for _, v in choices], NOTHING))


def _reason(
    one: OneContrast, enzyme: footprints.Enzyme, given: dict[str, Layer], i: int, there: list[str], needed: int
) -> str:
    """Why an enzyme is not tested; empty where it is."""
    sides = {SIDES[k] for k in there}
    if len(there) >= needed and len(sides) == 2:
        return ""
    said = []
    if "metabolites" not in sides:
        if one.model is None:
            said.append(one.reason)
        else:
            names = ", ".join(enzyme.products)
            said.append(f"not measured: {names}, and nothing one step on that is no substrate")
    if "enzyme" not in sides:
        absent = given["rna"].absent
        has_effect = np.isfinite(given["rna"].effect[i])
        said.append(
            absent or (f"RNA of {enzyme.gene} has no p-value" if has_effect else f"RNA of {enzyme.gene} not measured")
        )
    if not said:
        said.append(f"{len(there)} of {needed} layers needed ({', '.join(there)})")
    return "; ".join(said)


def _metabolites(one: OneContrast) -> pd.DataFrame:
    """Every compound of the enzyme table: its own statistic, or that it was not measured."""
    model = one.model
    rows = []
    if model is not None:
        df = model.df + model.prior_df
        p = 2 * stats.t.sf(np.abs(model.statistic), df)
        reach = stats.t.ppf(0.975, df) * model.se
    for compound in sorted(compounds()):
        column = one.data.columns.get(compound)
        row: dict[str, Any] = {"metabolite": compound, "feature": "", "status": "not_estimable", "n": one.n}
        if column is not None and model is not None:
            row |= {
                "feature": one.data.features[column], "log2fc": model.effect[column], "se": model.se[column],
                "ci_low": model.effect[column] - reach[column], "ci_high": model.effect[column] + reach[column],
                "statistic": model.statistic[column], "p_value": p[column], "status": "estimated",
                "source_table": "metabolites",
            "source_rows": origin_of(one, np.array([column])),
            }  # fmt: skip
        rows.append({"dataset": one.dataset, "contrast": one.label, **row})
    out = pd.DataFrame(rows).reindex(columns=list(METABOLITE_COLUMNS))
    out["q_value"] = bh(out["p_value"].astype(float))
    return out.astype(dict.fromkeys(("log2fc", "se", "ci_low", "ci_high", "statistic", "p_value"), float)).fillna(
        {"source_table": "", "source_rows": ""}
    )


def _pathways(one: OneContrast, table: pd.DataFrame, fdr: float, n_rotations: int, seed: int) -> pd.DataFrame:
    """Products of whole pathways by the same rotation, two-sided, with what their enzymes do beside it.

    Every measured main product of a pathway's enzymes counts once. The mean z of RNA is a description: the genes of a
    pathway are correlated and no test is made of it.
    """
    names = sorted({e.pathway for e in footprints.enzymes()})
    member = np.array([[e.pathway == name for e in footprints.enzymes()] for name in names])
    weights = np.array([(one.weights[m] == footprints.PRODUCT).any(axis=0).astype(float) for m in member])
    layer, _ = metabolite_layer(one, weights, n_rotations, seed)
    first = table[table["kind"] == CONCORDANT].set_index("gene")
    rows = []
    for i, name in enumerate(names):
        part = first[first["pathway"] == name]
        rna = part["rna_z"].dropna()
        measured = int(weights[i].sum())
        reason = one.reason or ("" if measured else "none of its products was measured")
        rows.append(
            {
                "dataset": one.dataset, "contrast": one.label, "pathway": name, "n_enzymes": len(part),
                "n_measured": measured, "score": layer.effect[i], "statistic": layer.z[i], "p_value": layer.p_value[i],
                "mean_rna_z": rna.mean() if len(rna) else np.nan, "n_rna": len(rna),
                "concordant": ", ".join(sorted(part.index[part["verdict"].isin([AGREES, BOTH])])),
                "discordant": ", ".join(sorted(part.index[part["verdict"].isin([OPPOSED, BOTH])])),
                "n": one.n, "status": "not_testable" if reason else "estimated", "reason": reason,
            }
        )  # fmt: skip
    out = pd.DataFrame(rows)
    out["q_value"] = bh(out["p_value"])
    return out.loc[:, list(PATHWAY_COLUMNS)]
