"""Is a class of compounds shifted as a whole? Classes by name, target and ATC code, against the rest of the library.

The question is competitive: do the members of a class rank beyond what as many compounds drawn at random from the
library would? Statistics become normal scores of their ranks (van der Waerden 1952, Indagationes Mathematicae 14,
453-458), so that one extreme compound cannot carry a class by its size and the mean score of k of N compounds is close
to normal with variance (1 - k/N) / k also for k of 2 or 3, whatever the statistics are distributed like.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rechallenge.analysis import analysis
from rechallenge.assays.screen.annotate import annotate, split
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.normalise import join_rows

GOEMAN = "doi:10.1093/bioinformatics/btm051"
KINDS = {"class": "class", "target": "target", "atc_4": "ATC group (4th level)", "atc_3": "ATC group (3rd level)"}
SHIFTED = {-1: "sensitises as a class", 1: "antagonises as a class"}
NOTHING, UNTESTED = "no shift shown", "not tested"
COLUMNS = (
    "model", "anchor", "anchor_um", "kind", "name", "also", "size", "library", "effect", "effect_unit", "statistic",
    "ci_low", "ci_high", "p_value", "q_value", "rank", "n_hits", "n", "members", "inhibits", "confidence", "direction",
    "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def normal_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Normal scores of the ranks of values [n] (ties share their mean rank), scaled to variance 1; NaN stays NaN."""
    from scipy.stats import norm, rankdata

    x = np.asarray(values, dtype=np.float64)
    out = np.full(x.shape, np.nan)
    known = np.isfinite(x)
    if known.sum() < 2:
        return out
    scores = norm.ppf(rankdata(x[known]) / (known.sum() + 1))
    spread = float(scores.std())
    out[known] = (scores - scores.mean()) / spread if spread > 0 else 0.0
    return out


def _methods(screen_classes: pd.DataFrame, alpha: float, min_class: int, **_: Any) -> str:
    kinds = [KINDS[k] for k in KINDS if k in set(screen_classes["kind"])]
    return (
        f"Classes of at least {min_class} compounds ({', '.join(kinds)}) were tested against the rest of the library "
        "by the mean of the normal scores of their members' interaction statistics (van der Waerden's scores, "
        f"Indagationes Mathematicae 14, 453-458, 1952; a competitive test, {GOEMAN}); classes of the same members "
        "count once, and "
        f"q-values are over the classes of a model and anchor dose, called at {alpha:g}."
    )


@analysis(
    title="Classes of compounds that change the response to the anchor drug",
    reference=GOEMAN,
    methods=_methods,
    formula="z = mean normal score of the k members / sqrt((1 - k / N) / k)",
    oracle=("No outside reference: agrees with every possible class of a small library (tests/assays/test_screen.py)"),
    limits=(
        "Competitive: a class stands against this library only. Classes of one name share chemistry and assay "
        "artefacts."
    ),
)
def screen_classes(
    screen_hits: pd.DataFrame,
    screen_wells: pd.DataFrame,
    *,
    alpha: float = 0.05,
    confidence: float = 0.95,
    min_class: int = 2,
    min_library: int = 30,
) -> pd.DataFrame:
    """One row per model, anchor dose and class with `min_class` tested members; columns `COLUMNS`, the surest first.

    `kind` is class, target, atc_4 or atc_3 (from the table of the screen, else from the knowledge tables); classes with
    the same members are one row, their other names in `also`. `effect` is the mean interaction (log2) of the `size`
    members, of `library` compounds; `statistic` the z value of their mean normal score, two-sided `p_value` from it,
    `ci_low` and `ci_high` the limits of that mean score back on the scale of z. `n` counts members. A compound counts
    once, with the mean statistic of its doses; excluded compounds and those without an interaction do not count.
    `inhibits` says of a target whether the knowledge tables call every member its inhibitor. Raises NotApplicable where
    no compound of a library of at least `min_library` has a class.
    """
    from scipy.stats import norm

    about = annotate(screen_wells)
    rows: list[dict[str, Any]] = []
    for key, part in screen_hits.groupby(["model", "anchor", "anchor_um"], sort=True):
        usable = part[(part["excluded"] == "") & part["statistic"].notna()]
        one = usable.groupby("compound", sort=True).agg(
            statistic=("statistic", "mean"), interaction=("interaction", "mean"), hits=("direction", "sum"),
            rows=("source_rows", ";".join),
        )  # fmt: skip
        if len(one) < min_library:
            continue
        score = normal_scores(one["statistic"])
        at = {c: i for i, c in enumerate(one.index)}
        column = {c: one[c].to_numpy() for c in one.columns}
        for named in _classes(about, list(one.index), min_class):
            members = np.array([at[c] for c in named.pop("members")])
            k = len(members)
            z = float(score[members].mean() / np.sqrt((1 - k / len(one)) / k)) if k < len(one) else float("nan")
            ranked = members[np.argsort(column["statistic"][members] * (1 if z < 0 else -1), kind="stable")]
            shift = column["interaction"]
            rows.append(
                {
                    **dict(zip(("model", "anchor", "anchor_um"), key, strict=True)),
                    **named,
                    "size": k,
                    "library": len(one),
                    "effect": float(shift[members].mean()),
                    "statistic": z,
                    "n_hits": int((np.sign(column["hits"][members]) == np.sign(z)).sum()),
                    "n": k,
                    "members": "; ".join(f"{one.index[i]} ({shift[i]:+.2f})" for i in ranked),
                    "source_rows": join_rows(column["rows"][members]),
                }
            )
    if not rows:
        raise NotApplicable(
            f"no class with {min_class} tested compounds is known in a library of at least {min_library}; name classes "
            "in a column class, target or atc of the screen"
        )
    out = pd.DataFrame(rows)
    family = [out[c] for c in ("model", "anchor", "anchor_um")]
    reach = float(norm.ppf(0.5 + confidence / 2))
    out["ci_low"], out["ci_high"] = out["statistic"] - reach, out["statistic"] + reach
    out["p_value"] = 2 * norm.sf(out["statistic"].abs())
    out["effect_unit"], out["confidence"] = "log2, mean interaction of the members", confidence
    out["q_value"] = out["p_value"].groupby(family).transform(lambda p: bh(p.to_numpy()))
    out["direction"] = np.where(out["q_value"] < alpha, np.sign(out["statistic"]), 0).astype(int)
    tested = out["p_value"].notna()
    out["verdict"] = out["direction"].map(SHIFTED).fillna(NOTHING).where(tested, UNTESTED)
    out["status"] = np.where(tested, "estimated", "not_testable")
    out["reason"] = np.where(tested, "", "every compound of the library is in this class")
    out["source_table"] = "screen"
    out = out.sort_values(["model", "anchor", "anchor_um", "p_value", "kind", "name"], kind="mergesort")
    out["rank"] = out.groupby(["model", "anchor", "anchor_um"]).cumcount() + 1
    return out.loc[:, list(COLUMNS)].reset_index(drop=True)


def _classes(about: pd.DataFrame, compounds: list[str], least: int) -> Iterator[dict[str, Any]]:
    """Every class with its members among `compounds`; classes with the same members once."""
    known = about.set_index("compound").loc[compounds]
    found: dict[tuple[str, str], list[str]] = {}
    for compound, row in zip(known.index, known.to_dict("records"), strict=True):
        names = [("class", c) for c in split(row["class"])] + [("target", t) for t in split(row["target"])]
        atc = str(row["atc"]).strip().upper()
        names += [("atc_4", atc[:5])] if len(atc) >= 5 else []
        names += [("atc_3", atc[:4])] if len(atc) >= 4 else []
        for name in names:
            found.setdefault(name, []).append(str(compound))
    order = {k: i for i, k in enumerate(KINDS)}
    same: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for name in sorted(found, key=lambda n: (order[n[0]], n[1])):
        if len(found[name]) >= least:
            same.setdefault(tuple(found[name]), []).append(name)
    for members, names in same.items():
        (kind, title), others = names[0], names[1:]
        target = next((n for k, n in names if k == "target"), "")
        inhibit = bool(target) and all(target in split(str(known.loc[m, "inhibits"])) for m in members)
        yield {
            "kind": kind,
            "name": title,
            "also": "; ".join(f"{KINDS[k]} {n}" for k, n in others),
            "members": list(members),
            "inhibits": target if inhibit else "",
        }
