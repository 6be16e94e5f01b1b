"""Which data sets are one: they share a source, a resistant line or, to judge by their numbers, their samples.

A resistant line that was measured on two platforms, or a series that was deposited twice, is one replication of
resistance and not two. Data sets are joined where they

- name the same `source` (column of `contrast_results`),
- hold the same resistant line (`model`) in the same layer, or
- agree more closely than two independent lines do (rank correlation of their effects of `DUPLICATE` or more).

Joined data sets give one estimate per gene: the mean of their effects, with the error of one of them and not a smaller
one, since what is measured twice has not been replicated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

#: rank correlation from which two data sets are taken for one, and the common genes needed to say so; two resistant
#: lines of one study that share their control reach .43 (GSE200098), either and their mean .8
DUPLICATE, ENOUGH = 0.97, 100
GROUPS = ("layer", "dataset", "counts_as", "n_joined", "why")


def declared_sources(contrast_results: pd.DataFrame | None) -> dict[str, str]:
    """Data set -> its source, where the table of contrasts analysed elsewhere names one."""
    if contrast_results is None or "source" not in contrast_results.columns:
        return {}
    named = contrast_results[["dataset", "source"]].fillna("").astype(str)
    named = named[named["source"].str.strip() != ""].drop_duplicates("dataset")
    return dict(zip(named["dataset"], named["source"].str.strip(), strict=True))


def lines(part: pd.DataFrame) -> dict[str, set[str]]:
    """Data set -> the resistant lines (models of the study) that it holds."""
    if "model" not in part.columns:
        return {}
    known = part[["dataset", "model"]].drop_duplicates()
    known = known[known["model"].fillna("").astype(str).str.strip() != ""]
    return {str(name): set(rows["model"].astype(str)) for name, rows in known.groupby("dataset", sort=True)}


def groups(
    sets: Mapping[str, pd.DataFrame],
    layer: str,
    *,
    sources: Mapping[str, str],
    models: Mapping[str, set[str]],
    duplicate: float = DUPLICATE,
) -> pd.DataFrame:
    """One row per data set, `GROUPS`: what it counts as (itself, or "A + B") and why.

    `sets` are effects by gene (column `effect`) of each data set.
    """
    parent = {name: name for name in sets}
    why: dict[str, list[str]] = {name: [] for name in sets}

    def top(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for a, b in combinations(sorted(sets), 2):
        origin = sources.get(a, a), sources.get(b, b)
        held = models.get(a, set()), models.get(b, set())
        reason = _one(sets[a], sets[b], origin, held, duplicate)
        if reason:
            why[a].append(f"{reason} as {b}")
            why[b].append(f"{reason} as {a}")
            first, second = sorted((top(a), top(b)))
            parent[second] = first
    members = {t: sorted(n for n in sets if top(n) == t) for t in {top(n) for n in sets}}
    rows = [
        (layer, name, " + ".join(members[top(name)]), len(members[top(name)]), "; ".join(why[name]))
        for name in sorted(sets)
    ]
    return pd.DataFrame(rows, columns=list(GROUPS))


def _one(
    a: pd.DataFrame, b: pd.DataFrame, source: tuple[str, str], held: tuple[set[str], set[str]], duplicate: float
) -> str:
    """Why two data sets are one; empty where they are two."""
    if source[0] == source[1]:
        return f"the same source ({source[0]})"
    if both := held[0] & held[1]:
        return f"the same line ({', '.join(sorted(both))})"
    common = a.index.intersection(b.index)
    if len(common) < ENOUGH:
        return ""
    x, y = a.loc[common, "effect"], b.loc[common, "effect"]
    if x.nunique() < 2 or y.nunique() < 2:
        return ""
    rho = float(stats.spearmanr(x, y).statistic)
    return f"the same effects (rank correlation {rho:.2f})" if rho >= duplicate else ""


def joined(sets: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Effects by gene of what counts as a data set: effect, se, n, z_only."""
    out = {}
    for name, rows in table.groupby("counts_as", sort=True):
        every = [sets[str(d)] for d in rows["dataset"]]
        # statistics are on no scale that fold changes could be averaged with
        parts = [t for t in every if not t["z_only"].all()] or every
        out[str(name)] = parts[0] if len(parts) == 1 else _mean(parts)
    return out


def _mean(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Mean effect; the root mean square of the errors, known where all that measured the gene know theirs."""
    long = pd.concat(list(parts)).rename_axis("gene").reset_index()
    by = long.assign(v=long["se"] ** 2).groupby("gene", sort=True)
    known = by["se"].count() == by["effect"].count()
    return pd.DataFrame(
        {
            "effect": by["effect"].mean(),
            "se": np.sqrt(by["v"].mean()).where(known),
            "n": by["n"].max(),
            "z_only": by["z_only"].all(),
        }
    )
