"""Activity of transcription factors, from how their targets changed.

The score is the t of a univariate linear model: the contrast statistic of all genes on the regulon's weights, 0 for a
gene that is no target (Badia-i-Mompel et al. 2022, doi:10.1093/bioadv/vbac016). Its textbook p-value is no p-value:
genes that many factors share behave unlike the rest, so regulons of the same make-up "are active" far too often. The
score is therefore compared with permuted regulons in which every factor keeps the number and the signs of its targets
and every target the number of its factors. Scores less their permuted mean, in units of their permuted standard
deviation, are pooled over regulons of like size, which gives small p-values from few permutations. What the permutation
cannot take away: targets that move together for another reason than their factor, as those of a shared process do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.questions.collections import INSTALLED
from rechallenge.knowledge.questions.collections import regulons as edges
from rechallenge.report.words import equals, number
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.networks import FEWEST, calibrated, network, permuted, scores, ulm
from rechallenge.tables.contract import Column, Contract

ULM = "doi:10.1093/bioadv/vbac016"
COLLECTRI = "doi:10.1093/nar/gkad841"
#: statistics are cut here
CLIP = 30.0
#: q below which a sentence says that a regulon is shifted
CALLED = 0.05
KEYS = ("dataset", "layer", "contrast", "kind", "model")
COLUMNS = (
    *KEYS, "tf", "score", "null_mean", "null_sd", "z", "p_value", "p_nominal", "q_value", "n_targets", "n_genes",
    "n_regulons", "n_permutations", "n", "direction", "regulons", "status", "reason", "source_table",
)  # fmt: skip

REGULONS = Contract(
    name="regulons",
    about="The study's own regulons: one row per transcription factor and target.",
    columns=(
        Column("tf", "transcription factor", required=True, refers="gene", also=("source", "regulator", "factor")),
        Column("target", "gene that it regulates", required=True, refers="gene", also=("gene",)),
        Column("weight", "above 0 activates, below 0 represses", "number", default=1.0, also=("mor", "effect", "sign")),
    ),
    key=("tf", "target"),
    example="tf,target,weight\nFOSL2,AKR1B1,1\nFOSL2,MMP1,1\n",
)


def ranking(part: pd.DataFrame) -> pd.Series:
    """Statistic per gene symbol of one contrast; of a gene that is there twice the surer one."""
    there = part[part["statistic"].notna() & part["gene"].fillna("").astype(str).ne("")]
    order = there.assign(_a=there["statistic"].abs()).sort_values(
        ["_a", "gene", "feature"], ascending=[False, True, True], kind="mergesort"
    )
    one = order.drop_duplicates("gene").set_index("gene")["statistic"].astype(float).sort_index()
    return one.clip(-CLIP, CLIP)


def _methods(tf_activity: pd.DataFrame, n_permutations: int, smallest: int, **_: Any) -> str:
    where = (
        f", of CollecTRI ({COLLECTRI}) among others," if tf_activity["regulons"].str.contains(INSTALLED).any() else ""
    )
    return (
        f"Activities of transcription factors with {smallest} or more measured targets{where} are t values of a "
        f"univariate linear model of the contrast statistic on regulon weights ({ULM}); p-values come from "
        f"{n_permutations} permuted networks with the same degrees of factors and targets, and q-values are by "
        "Benjamini and Hochberg within a contrast."
    )


@analysis(
    title="Activity of transcription factors",
    reference=(ULM, COLLECTRI),
    methods=_methods,
    formula=(
        "t of the regression of the contrast statistic on the regulon's weights; z against degree-preserving "
        "permuted regulons"
    ),
    oracle=(
        "The glucocorticoid receptor is first in airway (tests/regulators/test_tf_activity.py); t is that of a "
        "regression, permuted networks keep their level there"
    ),
    limits=(
        "Targets that move together for another reason count for their factor. Regulons are incomplete: FOSL2 "
        "has none for AKR1B1."
    ),
)
def tf_activity(
    differential: pd.DataFrame,
    regulons: pd.DataFrame | None = None,
    *,
    smallest: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per contrast of transcripts and factor with `smallest` or more measured targets: `COLUMNS`.

    `score` is the t of the linear model with its textbook `p_nominal`; `z` and `p_value` are against permuted regulons
    and `q_value` is over the factors of a contrast. `direction` is that of `z`. With fewer than 20 regulons no network
    can be permuted: then the status is `not_testable`. Raises NotApplicable without transcripts or without regulons.
    """
    from scipy.stats import t as student

    table = differential[(differential["layer"] == "rna") & differential["statistic"].notna()]
    if table.empty:
        raise NotApplicable("no contrast of transcripts was tested")
    known = edges(regulons)
    out = []
    for key, part in table.groupby(list(KEYS), sort=True, dropna=False):
        x = ranking(part)
        net = network(known, x.index)
        size = np.bincount(net.factor, minlength=len(net.factors))
        kept = np.flatnonzero(size >= smallest)
        if not kept.size or x.size < 3 or not x.std() > 0:
            continue
        values = x.to_numpy(float)
        score = ulm(values, net)[kept]
        frame = pd.DataFrame(dict(zip(KEYS, key, strict=True)), index=range(kept.size))
        origin = known.groupby("tf")["regulons"].agg(lambda s: ", ".join(sorted(set(s))))
        frame["tf"] = [net.factors[i] for i in kept]
        frame["score"], frame["n_targets"], frame["n_genes"] = score, size[kept], x.size
        frame["p_nominal"] = 2 * student.sf(np.abs(score), x.size - 2)
        frame["regulons"] = frame["tf"].map(origin)
        frame["n_regulons"], frame["n"] = kept.size, float(part["n"].median()) if "n" in part else np.nan
        frame["status"], frame["reason"], frame["n_permutations"] = "estimated", "", n_permutations
        if kept.size < FEWEST:
            frame["status"], frame["n_permutations"] = "not_testable", 0
            frame["reason"] = f"{kept.size} regulons are too few to be permuted: fetch collectri"
        else:
            null = scores(values, net, permuted(net, x.size, n_permutations, seed))[:, kept]
            z, p, mean, sd = calibrated(score, null, size[kept])
            frame["z"], frame["p_value"], frame["null_mean"], frame["null_sd"] = z, p, mean, sd
            frame["q_value"] = bh(p)
            frame.loc[np.isnan(p), ["status", "reason"]] = "not_testable", "permutation does not change its targets"
        out.append(frame)
    if not out:
        raise NotApplicable(
            f"no transcription factor has {smallest} measured targets: rechallenge knowledge fetch collectri, or give "
            "the table regulons"
        )
    whole = pd.concat(out, ignore_index=True).reindex(columns=list(COLUMNS))
    whole["direction"] = np.sign(whole["z"].fillna(0)).astype(int)
    whole["source_table"] = "differential"
    return whole.sort_values([*KEYS, "p_value", "tf"], kind="mergesort", ignore_index=True)


@claims(title="Active transcription factors")
def tf_claims(tf_activity: pd.DataFrame) -> pd.DataFrame:
    """One claim per tested factor and contrast of a resistant line with its parent or of stages, moved or not."""
    tested = tf_activity[tf_activity["kind"].isin(["resistance", "trend"]) & tf_activity["p_value"].notna()]
    rows = [
        {
            "entity": row["tf"],
            "entity_type": "regulator",
            "stream": "tf_activity",
            "level": "gradient" if row["kind"] == "trend" else "association",
            "model": row["model"],
            "contrast": row["contrast"],
            "direction": row["direction"],
            "effect": row["z"],
            "effect_unit": "SD of permuted regulons",
            "statistic": row["score"],
            "p_value": row["p_value"],
            "q_value": row["q_value"],
            "n": row["n_targets"],
            "status": "estimated",
            "analysis": "tf_activity",
            "source_table": "differential",
            "claim": f"Targets of {row['tf']} {_moved(row)} in "
            f"{row['contrast']} ({row['dataset']}): score {number(row['score'])}, {number(row['z'])} standard "
            f"deviations from permuted regulons ({equals('p', row['p_value'])}, {equals('q', row['q_value'])}; "
            f"{row['n_targets']} targets among {row['n_genes']} genes; textbook {equals('p', row['p_nominal'])}).",
        }
        for row in tested.to_dict("records")
    ]
    return claim_table(rows)


def _moved(row: Any) -> str:
    if not row["q_value"] < CALLED:
        return "are not shown to be shifted"
    return f"are shifted {'up' if row['direction'] > 0 else 'down'}"


@figure(
    title="Activity of transcription factors",
    caption="Activity against permuted regulons (z) of the transcription factors with the smallest p-values, at most "
    "twenty in each of at most six contrasts (resistance first); orange: q < 0.05.",
)
def tf_activities(tf_activity: pd.DataFrame) -> Any:
    """The most changed factors of every contrast."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    data = tf_activity[tf_activity["p_value"].notna()].copy()
    if data.empty:
        return None
    data["panel"] = data["dataset"].astype(str) + ": " + data["contrast"].astype(str)
    panels = data.assign(_o=data["kind"] != "resistance").sort_values(["_o", "panel"])["panel"].unique()[:6]
    data = data[data["panel"].isin(panels)].sort_values(["panel", "p_value", "tf"]).groupby("panel").head(20)
    data["called"] = np.where(data["q_value"] < CALLED, "q < 0.05", "not called")
    data = data[["panel", "tf", "z", "score", "q_value", "n_targets", "called"]].sort_values(["panel", "z"])
    chart = (
        alt.Chart(data)
        .mark_point(filled=True, size=25)
        .encode(
            alt.X("z:Q", title="Activity (SD of permuted regulons)"),
            alt.Y("tf:N", title=None, sort=alt.EncodingSortField("z", order="descending")),
            alt.Color("called:N", title=None, scale=alt.Scale(domain=["q < 0.05", "not called"],
                                                             range=["#D55E00", "#999999"])),
            tooltip=["tf:N", "z:Q", "score:Q", "q_value:Q", "n_targets:Q"],
        )
        .properties(width=130, height=alt.Step(9))
    )  # fmt: skip
    return sized(facets(chart, data, "panel", columns=2, independent_y=True), DOUBLE)
