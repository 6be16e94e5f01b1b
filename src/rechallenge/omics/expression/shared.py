"""What resistant lines share.

Two lines compared with the same parental samples overlap by chance far more than independence says: a parental sample
that is low by chance makes a gene look up in both. So genes are called shared by an intersection-union test (a gene is
as significant as in the line where it is least), which holds whatever the lines have in common, and the number of
genes expected to overlap is given both for independent lines and for lines that share their control.

Source of the intersection-union test: Berger 1982 (doi:10.1080/00401706.1982.10487790).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.contrasts import VEHICLE
from rechallenge.faults import NotApplicable
from rechallenge.omics.expression.design import RESISTANCE, stage_number
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
BERGER = "doi:10.1080/00401706.1982.10487790"

SHARED = (
    "layer",
    "feature",
    "contrasts",
    "n_lines",
    "direction",
    "log2fc",
    "least",
    "p_value",
    "q_value",
    "n",
    "status",
)
OVERLAP = (
    "layer", "contrast_a", "contrast_b", "direction", "n_features", "n_a", "n_b", "observed", "expected_independent",
    "expected_shared_control", "correlation_by_design",
)  # fmt: skip


def one_sided(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """p of being up and of being down, from two-sided p and the sign of the effect."""
    p, up = table["p_value"].to_numpy(dtype=float), table["log2fc"].to_numpy(dtype=float) > 0
    return np.where(up, p / 2, 1 - p / 2), np.where(up, 1 - p / 2, p / 2)


def own_lines(table: pd.DataFrame) -> pd.DataFrame:
    """One contrast per data set, layer and resistant model: the line as it is, else under the first of its treatments;
    of several stages the last (a line without a stage is beyond all of them)."""
    where = ["dataset", "layer", "model"]
    names = table[[*where, "contrast", "treatment", "stage"]].drop_duplicates()
    names["_given"] = names["treatment"] != VEHICLE
    names["_stage"] = [stage_number(str(s)) if s else np.inf for s in names["stage"].fillna("")]
    order = names.sort_values(
        ["_given", "treatment", "_stage", "contrast"], ascending=[True, True, False, True], kind="mergesort"
    )
    kept = order.drop_duplicates(where)
    return table.merge(kept[["dataset", "layer", "contrast"]], on=["dataset", "layer", "contrast"], how="inner")


@analysis(
    title="Genes that resistant lines share",
    gives=("shared_genes", "overlap"),
    reference=BERGER,
    methods="Features changed alike in every resistant line were found by an intersection-union test "
    f"({BERGER}), which needs no independence of lines that share their parental samples.",
    formula=(
        "p = max over lines of p (intersection-union); overlap expected given the shared control, by one normal"
        " variable per control"
    ),
    oracle=(
        "No outside reference: rejection by simulation with a shared parental control (tests/omics/test_expression.py)"
    ),
    limits=(
        "Conservative: a gene is as sure as in its least sure line. Lines from one parent and one laboratory "
        "share more than a control."
    ),
)
def shared_genes(differential: pd.DataFrame, *, fold: float = 1.0, alpha: float = 0.05) -> dict[str, pd.DataFrame]:
    """`shared_genes`: one row per feature measured in two or more resistant lines (`SHARED`; `log2fc` is the mean over
    lines, `least` the smallest in size, 0 where the signs differ). `overlap`: for each two lines and direction how many
    features are called in both (q < `alpha`, |log2fc| >= `fold`) and how many are expected to be.

    Raises NotApplicable with fewer than two resistant lines.
    """
    table = own_lines(differential[(differential["kind"] == RESISTANCE) & differential["p_value"].notna()])
    parts = []
    overlaps = []
    for layer, part in table.groupby("layer", sort=True):
        names = sorted(set(zip(part["dataset"], part["contrast"], strict=True)))
        if len(names) < 2:
            continue
        parts.append(_shared(part, str(layer)))
        overlaps += [_overlap(part, str(layer), a, b, fold, alpha) for a, b in combinations(names, 2)]
    if not parts:
        raise NotApplicable("only one resistant line was compared with its parent")
    return {
        "shared_genes": pd.concat(parts, ignore_index=True),
        "overlap": pd.DataFrame([r for rows in overlaps for r in rows], columns=list(OVERLAP)),
    }


def _shared(part: pd.DataFrame, layer: str) -> pd.DataFrame:
    part = part.assign(_line=part["dataset"] + ": " + part["contrast"])
    up, down = one_sided(part)
    part = part.assign(_up=up, _down=down)
    by = part.groupby("feature", sort=True)
    out = pd.DataFrame({"n_lines": by["_line"].nunique(), "contrasts": by["_line"].agg("; ".join)})
    out["gene"] = by["gene"].first()
    out["log2fc"] = by["log2fc"].mean()
    sign = by["log2fc"].agg(lambda v: 1 if (v > 0).all() else -1 if (v < 0).all() else 0)
    out["least"] = by["log2fc"].agg(lambda v: float(np.abs(v).min())) * sign
    p_up, p_down = by["_up"].max(), by["_down"].max()
    out["p_value"] = np.minimum(1.0, 2 * np.minimum(p_up, p_down))
    out["direction"] = sign
    out["n"] = by["n"].sum()
    out = out[out["n_lines"] > 1].reset_index()
    out["q_value"], out["layer"], out["status"] = bh(out["p_value"]), layer, "estimated"
    return out.reindex(columns=list(SHARED))


def _overlap(
    part: pd.DataFrame, layer: str, a: tuple[str, str], b: tuple[str, str], fold: float, alpha: float
) -> list[dict[str, object]]:
    one, two = (part[(part["dataset"] == d) & (part["contrast"] == c)].set_index("feature") for d, c in (a, b))
    common = one.index.intersection(two.index)
    one, two = one.loc[common], two.loc[common]
    rho = design_correlation(one, two)
    rows = []
    for sign, word in ((1, "up"), (-1, "down")):
        called = [(t["q_value"] < alpha) & (sign * t["log2fc"] >= fold) for t in (one, two)]
        n, k, m = len(common), int(called[0].sum()), int(called[1].sum())
        both = int((called[0] & called[1]).sum())
        chance = _both(k / n, m / n, rho) if n and k and m else 0.0
        rows.append(dict(zip(OVERLAP, (layer, ": ".join(a), ": ".join(b), word, n, k, m, both,
                                       k * m / n if n else 0.0, n * chance, rho), strict=True)))  # fmt: skip
    return rows


def control(line: pd.DataFrame) -> tuple[str, ...]:
    """The samples that a contrast is made against: data set, model, treatment, stage."""
    return tuple(str(line[c].iloc[0]) for c in ("dataset", "against", "against_treatment", "against_stage"))


def control_share(line: pd.DataFrame) -> float:
    """How much of a contrast's noise comes from its control, as a correlation with it; 0 where sizes are not known."""
    n, n0 = float(line["n_test"].median()), float(line["n_reference"].median())
    return float(np.sqrt(n / (n + n0))) if n > 0 and n0 > 0 else 0.0


def design_correlation(one: pd.DataFrame, two: pd.DataFrame) -> float:
    """Correlation of two estimates that share their control, from the numbers of samples; 0 where they share none."""
    if not len(one) or control(one) != control(two):
        return 0.0
    return control_share(one) * control_share(two)


def _both(share_a: float, share_b: float, rho: float) -> float:
    """P(both beyond their quantiles) of two normals with correlation rho."""
    if rho == 0:
        return share_a * share_b
    limits = [stats.norm.isf(share_a), stats.norm.isf(share_b)]
    return float(stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-limits[0], -limits[1]]))
