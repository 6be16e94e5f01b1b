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

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge import contrasts as comparisons
from rechallenge.analysis import analysis
from rechallenge.contrasts import Comparison
from rechallenge.faults import NotApplicable
from rechallenge.omics.atlas import footprints, layers
from rechallenge.omics.atlas.layers import LAYERS, SIDES, Layer, Samples
from rechallenge.omics.atlas.names import compounds
from rechallenge.stats.conjunction import conjunction, opposition, partial_conjunction
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.rotation import Projected, project, rotate
from rechallenge.tables.contract import source_rows

Floats = NDArray[np.float64]
ROAST = "doi:10.1093/bioinformatics/btq401"
CONJUNCTION = "doi:10.1111/j.1541-0420.2007.00984.x"
HUMAN_GEM = "doi:10.1126/scisignal.aaz1482"
CONCORDANT, DISCORDANT = "concordant", "discordant"
#: what is said of an enzyme in a contrast
AGREES, OPPOSED, BOTH = "concordant", "discordant", "layers disagree"
ALONE, METABOLITES, NOTHING, UNTESTED = "enzyme alone", "metabolites alone", "nothing shown", "not tested"
CAUTION = "runs either way: without tracing its footprint has no sign of its own"
COLUMNS = (
    "dataset", "contrast", "contrast_kind", "model", "reference", "gene", "enzyme", "pathway", "kind", "verdict",
    "direction", "resistance", "p_value", "q_value", "statistic", "n_layers", "layers", "opposed",
    "rna_log2fc", "rna_z", "rna_p", "protein_log2fc", "protein_z", "protein_p",
    "metabolite_score", "metabolite_z", "metabolite_p", "metabolite_q", "contrast_score", "contrast_p",
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


def _methods(enzymes: pd.DataFrame, n_rotations: int, layers_needed: int, fdr: float, max_missing: float, **_: Any) -> str:
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
        f"Enzymes of a curated core (directions checked against Human-GEM, {HUMAN_GEM}) were scored by the moderated t of "
        "their measured main products (weight 1) and of the products one step on (weight 0.5), cofactors left out; "
        f"p-values of this layer by {n_rotations:,} rotations of the samples (ROAST, {ROAST}). Features missing in more "
        f"than {100 * max_missing:g} % of the samples were left out. The layers {', '.join(used) or 'at hand'} were joined "
        f"by a directional partial conjunction of at least {layers_needed} of them ({CONJUNCTION}), with one of the enzyme "
        "and one of its metabolites required; discordant enzymes by the same with one layer of the metabolites turned. "
        f"q-values by Benjamini and Hochberg over the enzymes tested in a contrast, called at {fdr:g}. Neither regulatory "
        "class nor druggability entered a p-value. A pool that rises proves no flux." + power
    )


@analysis(
    title="Enzymes whose expression and metabolites change together",
    reference=(ROAST, CONJUNCTION, HUMAN_GEM),
    gives=("enzymes", "enzyme_metabolites", "enzyme_pathways"),
    methods=_methods,
)
def enzymes(
    metabolite_levels: pd.DataFrame,
    metabolites_samples: pd.DataFrame,
    models: pd.DataFrame,
    differential: pd.DataFrame | None = None,
    isotopologue_contrasts: pd.DataFrame | None = None,
    contrasts: pd.DataFrame | None = None,
    *,
    layers_needed: int = 2,
    n_rotations: int = 9999,
    n_permutations: int = 999,
    fdr: float = 0.1,
    max_missing: float = 0.2,
    block_replicates: bool = False,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Enzyme-metabolite concordance: the tables `enzymes`, `enzyme_metabolites` and `enzyme_pathways`.

    `metabolite_levels` is wide (dataset, feature, one log2 column per sample), `metabolites_samples` its sheet.
    `differential` brings RNA, protein or flux contrasts (columns contrast, layer, feature, log2fc, p_value) and
    `isotopologue_contrasts` the tracer's (contrast, metabolite, isotopologue, effect, p_value) under the same names.

    `enzymes` has two rows per data set, contrast and enzyme, `kind` concordant and discordant; `direction` is that of
    the enzyme, `statistic` the signed normal quantile of its p-value, `opposed` the layer that points the other way.
    `product_log2fc` is the mean log2 change of the measured main products with its t interval. `contrast_score`
    (products against substrates) and `specificity` (share of `n_permutations` shuffled footprints that score as far,
    by chance and not a test) are for reading alone. A batch column is a nuisance term, and with `block_replicates` the
    replicate too (equal labels, same experiment). Raises NotApplicable where no contrast can be made.
    """
    found: dict[str, list[pd.DataFrame]] = {"enzymes": [], "enzyme_metabolites": [], "enzyme_pathways": []}
    for dataset in sorted(metabolites_samples["dataset"].astype(str).unique()):
        levels = metabolite_levels[metabolite_levels["dataset"].astype(str) == dataset]
        sheet = metabolites_samples[metabolites_samples["dataset"].astype(str) == dataset]
        data = layers.samples(levels, sheet, max_missing)
        if not data.features:
            continue
        ours, against = footprints.weights(data.columns)
        weights = [np.pad(w, ((0, 0), (0, len(data.features) - w.shape[1]))) for w in (ours, against)]
        for comparison in comparisons.of(data.sheet, models, contrasts):
            one = _Contrast(dataset, data, comparison, models, weights[0], weights[1], block_replicates)
            options = {"n_rotations": n_rotations, "n_permutations": n_permutations, "seed": seed}
            table = _enzymes(one, differential, isotopologue_contrasts, layers_needed, fdr, **options)
            found["enzymes"].append(table)
            found["enzyme_metabolites"].append(_metabolites(one))
            found["enzyme_pathways"].append(_pathways(one, table, fdr, n_rotations, seed))
    if not found["enzymes"]:
        raise NotApplicable(
            "no two groups of samples to compare: the sheet of the metabolites needs a resistant model and its parent, or "
            "a treatment and vehicle in one model"
        )
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}


class _Contrast:
    """One comparison of one data set: who is in it, the linear model, and why there is none (`reason`)."""

    def __init__(
        self,
        dataset: str,
        data: Samples,
        comparison: Comparison,
        models: pd.DataFrame,
        weights: Floats,
        against: Floats,
        block_replicates: bool,
    ):
        self.dataset, self.data, self.comparison = dataset, data, comparison
        self.weights, self.against = weights, against
        self.resistance = comparisons.direction(comparison, models) if len(models) else 0
        sheet = data.sheet
        test = comparisons.members(sheet, comparison.group)
        reference = comparisons.members(sheet, comparison.reference)
        self.n_test, self.n_reference = int(test.sum()), int(reference.sum())
        self.member = test | reference
        group = sheet[["model", "treatment", "stage"]].agg("\x1f".join, axis=1)
        design = pd.get_dummies(group).to_numpy(float)
        column = {name: i for i, name in enumerate(pd.get_dummies(group).columns)}
        c = np.zeros(design.shape[1])
        c[column[group[test].iloc[0]]], c[column[group[reference].iloc[0]]] = 1.0, -1.0
        blocks = ["batch", "replicate"] if block_replicates else ["batch"]
        self.model, self.reason = _model(data.y, design, c, sheet, blocks)

    @property
    def n(self) -> int:
        return self.n_test + self.n_reference

    @property
    def df(self) -> float:
        return float(self.model.df) if self.model else np.nan

    @property
    def label(self) -> str:
        return self.comparison.contrast


def _model(
    y: Floats, design: Floats, contrast: Floats, sheet: pd.DataFrame, blocks: list[str]
) -> tuple[Projected | None, str]:
    """The contrast in a model with group means and blocks; without a block that would take the contrast away."""
    parts, c = [design], contrast
    for block in blocks:
        labels = sheet[block].fillna("").astype(str)
        if labels.nunique() < 2:
            continue
        dummies = pd.get_dummies(labels, drop_first=True).to_numpy(float)
        wider, longer = np.column_stack([*parts, dummies]), np.r_[c, np.zeros(dummies.shape[1])]
        if np.abs(longer @ np.linalg.pinv(wider) @ wider - longer).max() > 1e-8:
            return None, f"the {block} column cannot be told from the groups that are compared"
        parts, c = [*parts, dummies], longer
    x = np.column_stack(parts)
    spare = len(x) - np.linalg.matrix_rank(x)
    if spare < 2:
        return None, f"{len(x)} biological replicates in all leave {max(spare, 0)} residual degrees of freedom (2 needed)"
    return project(y, x, c), ""


def _enzymes(
    one: _Contrast,
    differential: pd.DataFrame | None,
    tracer: pd.DataFrame | None,
    layers_needed: int,
    fdr: float,
    **options: int,
) -> pd.DataFrame:
    """Both kinds of every enzyme in one contrast."""
    metabolite, score = _metabolite_layer(one, one.weights, options["n_rotations"], options["seed"])
    shown, _ = _metabolite_layer(one, one.against, options["n_rotations"], options["seed"])
    given: dict[str, Layer] = {
        "rna": layers.gene_layer(differential, one.label, "rna"),
        "protein": layers.gene_layer(differential, one.label, "protein"),
        "metabolite": metabolite,
        "tracer": layers.tracer_layer(tracer, differential, one.label),
        "stage": _stage_layer(one, options["n_rotations"], options["seed"]),
    }
    up = np.column_stack([given[k].p_up for k in LAYERS])
    down = np.column_stack([given[k].p_down for k in LAYERS])
    sides = [SIDES[k] for k in LAYERS]
    agree = conjunction(up, down, layers_needed, sides)
    oppose, which = opposition(up, down, sides, "enzyme")
    oppose_p = np.where(np.isnan(agree.p_value), np.nan, oppose.p_value)
    q = {CONCORDANT: bh(agree.p_value), DISCORDANT: bh(oppose_p)}
    verdict = _verdicts(q, up, down, sides, fdr)
    products, low, high = _product_change(one)
    special = _specificity(one, score, options["n_permutations"], options["seed"])
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
            "tracer_basis": given["tracer"].basis[i], "contrast_score": shown.effect[i], "contrast_p": against_p[i],
            "product_log2fc": products[i],
            "product_ci_low": low[i], "product_ci_high": high[i],
            "n_products": int((one.weights[i] == footprints.PRODUCT).sum()),
            "n_next": int((one.weights[i] == footprints.NEXT).sum()), "footprint": _footprint_words(one, i),
            "specificity": special[i], "same_footprint": prints.count(prints[i]) - 1 if prints[i] else 0,
            "isozymes": enzyme.isozymes, "rate_limiting": enzyme.rate_limiting,
            "caution": CAUTION if enzyme.gene in footprints.UNSIGNED else "", "n": one.n, "n_test": one.n_test,
            "n_reference": one.n_reference, "df": one.df, "status": "not_testable" if reason else "estimated",
            "reason": reason, "source_table": "metabolites", "source_rows": _origin(one, np.flatnonzero(one.weights[i])),
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


def _metabolite_layer(one: _Contrast, weights: Floats, n_rotations: int, seed: int) -> tuple[Layer, Floats]:
    if one.model is None:
        return layers.nothing(one.reason), np.full(len(weights), np.nan)
    turned = rotate(one.model, weights, n_rotations=n_rotations, seed=seed)
    return Layer(turned.score, turned.p_up, turned.p_down, ("",) * len(weights)), turned.score


def _stage_layer(one: _Contrast, n_rotations: int, seed: int) -> Layer:
    """Trend of the footprints over the stages of the model that is tested, vehicle alone; needs three stages."""
    sheet = one.data.sheet
    mine = (sheet["model"] == one.comparison.model) & (sheet["treatment"] == one.comparison.group.treatment)
    number = sheet["stage"].map(stage_number)
    mine &= number.notna()
    if one.comparison.kind == "treatment" or number[mine].nunique() < 3:
        return layers.nothing("no three stages")
    level = number[mine].to_numpy(float)
    design = np.column_stack([np.ones(len(level)), level])
    model, reason = _model(one.data.y[mine.to_numpy()], design, np.array([0.0, 1.0]), sheet[mine], ["batch"])
    if model is None:
        return layers.nothing(reason)
    turned = rotate(model, one.weights, n_rotations=n_rotations, seed=seed)
    return Layer(turned.score, turned.p_up, turned.p_down, ("",) * len(one.weights))


def stage_number(stage: str) -> float:
    """The number in the name of a stage; nan where there is none.

    >>> stage_number("S3"), stage_number("2.5 µM")
    (3.0, 2.5)
    """
    found = re.search(r"\d+(?:\.\d+)?", str(stage))
    return float(found[0]) if found else float("nan")


def _verdicts(q: dict[str, Floats], up: Floats, down: Floats, sides: list[str], fdr: float) -> list[str]:
    """What is said of each enzyme; sides that stand alone are called at the same rate over all that have them."""
    alone = {}
    for side in ("enzyme", "metabolites"):
        columns = [j for j, s in enumerate(sides) if s == side]
        p = np.minimum(1.0, 2 * np.fmin(*(partial_conjunction(x[:, columns], 1) for x in (up, down))))
        alone[side] = bh(p) <= fdr
    agrees, opposed = q[CONCORDANT] <= fdr, q[DISCORDANT] <= fdr
    untested = np.isnan(q[CONCORDANT])
    choices = [
        (untested, UNTESTED),
        (agrees & opposed, BOTH),
        (agrees, AGREES),
        (opposed, OPPOSED),
        (alone["enzyme"] & ~alone["metabolites"], ALONE),
        (alone["metabolites"] & ~alone["enzyme"], METABOLITES),
    ]
    return list(np.select([c for c, _ in choices], [v for _, v in choices], NOTHING))


def _reason(
    one: _Contrast, enzyme: footprints.Enzyme, given: dict[str, Layer], i: int, there: list[str], needed: int
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
        said.append(absent or (f"RNA of {enzyme.gene} has no p-value" if has_effect else f"RNA of {enzyme.gene} not measured"))
    if not said:
        said.append(f"{len(there)} of {needed} layers needed ({', '.join(there)})")
    return "; ".join(said)


def _product_change(one: _Contrast) -> tuple[Floats, Floats, Floats]:
    """Mean log2 change of the measured main products of each enzyme, with its 95 % t interval."""
    averages = (one.weights == footprints.PRODUCT).astype(float)
    count = averages.sum(axis=1)
    if one.model is None:
        empty = np.full(len(averages), np.nan)
        return empty, empty, empty
    mean = one.model.effects @ (averages / np.maximum(count, 1)[:, None]).T
    effect = np.where(count > 0, one.model.scale * mean[0], np.nan)
    se = one.model.scale * np.sqrt(np.sum(mean[1:] ** 2, axis=0) / one.model.df)
    reach = stats.t.ppf(0.975, one.model.df) * se
    return effect, effect - reach, effect + reach


def _specificity(one: _Contrast, score: Floats, n: int, seed: int) -> Floats:
    """Share of footprints laid over other measured metabolites that score at least as far from zero."""
    if one.model is None:
        return np.full(len(score), np.nan)
    t = one.model.statistic
    length = np.linalg.norm(one.weights, axis=1)
    w = one.weights / np.where(length == 0, 1.0, length)[:, None]
    rng = np.random.default_rng([seed, 1])
    shuffled = np.column_stack([rng.permutation(t) for _ in range(n)]) if n else np.empty((len(t), 0))
    beyond = (np.abs(w @ shuffled) >= np.abs(score)[:, None] - 1e-12).sum(axis=1)
    return np.where(length == 0, np.nan, (beyond + 1) / (n + 1))


def _footprint_words(one: _Contrast, i: int) -> str:
    """`sorbitol +1.20, fructose +0.83 (next)`: the measured footprint with log2 changes."""
    if one.model is None:
        return ""
    change = one.model.effect
    said = []
    for column in sorted(np.flatnonzero(one.weights[i]), key=lambda c: (-one.weights[i, c], one.data.features[c])):
        note = " (next)" if one.weights[i, column] == footprints.NEXT else ""
        size = f"{change[column]:+.2f}".replace("-", "−")
        said.append(f"{one.data.features[column]} {size}{note}")
    return ", ".join(said)


def _origin(one: _Contrast, columns: NDArray[np.int64]) -> str:
    places = [p for c in columns for p in one.data.origin[c]]
    return source_rows([f for f, _ in places], [r for _, r in places]) if places else ""


def _metabolites(one: _Contrast) -> pd.DataFrame:
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
                "source_table": "metabolites", "source_rows": _origin(one, np.array([column])),
            }  # fmt: skip
        rows.append({"dataset": one.dataset, "contrast": one.label, **row})
    out = pd.DataFrame(rows).reindex(columns=list(METABOLITE_COLUMNS))
    out["q_value"] = bh(out["p_value"].astype(float))
    return out.astype({c: float for c in ("log2fc", "se", "ci_low", "ci_high", "statistic", "p_value")}).fillna(
        {"source_table": "", "source_rows": ""}
    )


def _pathways(one: _Contrast, table: pd.DataFrame, fdr: float, n_rotations: int, seed: int) -> pd.DataFrame:
    """Products of whole pathways by the same rotation, two-sided, with what their enzymes do beside it.

    Every measured main product of a pathway's enzymes counts once. The mean z of RNA is a description: the genes of a
    pathway are correlated and no test is made of it.
    """
    names = sorted({e.pathway for e in footprints.enzymes()})
    member = np.array([[e.pathway == name for e in footprints.enzymes()] for name in names])
    weights = np.array([(one.weights[m] == footprints.PRODUCT).any(axis=0).astype(float) for m in member])
    layer, _ = _metabolite_layer(one, weights, n_rotations, seed)
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
