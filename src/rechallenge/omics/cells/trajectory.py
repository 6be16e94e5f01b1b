"""From parental to resistant: whether a way exists at all, and the order of cells and states along it.

Diffusion pseudotime always gives an order, also to cells that have none. It is shown only where (a) the two groups are
apart, (b) cells lie between them in truth (`rechallenge.omics.cells.paths`), and (c) pseudotimes from several parental
roots agree. Otherwise the verdict says which of these fails, and there is no pseudotime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import cycle, paths
from rechallenge.omics.cells.embedding import on_a_map, principal
from rechallenge.omics.cells.reading import counts, kept
from rechallenge.omics.cells.sides import sides
from rechallenge.omics.cells.states import PCS
from rechallenge.stats import neighbours

Floats = NDArray[np.float64]
DPT = "doi:10.1038/nmeth.3971"
SPLIT = "doi:10.1093/biostatistics/kxac047"
TRAJECTORY = (
    "dataset", "contrast", "kind", "parental", "resistant", "n_parental", "n_resistant", "n_samples_parental",
    "n_samples_resistant", "separation", "noise", "between_share", "density", "p_value", "gaps",
    "root_agreement", "n_roots",
    "stability", "stability_low", "n_cells_used", "exploratory", "status", "verdict",
)  # fmt: skip
PSEUDOTIME = (
    "dataset", "contrast", "cell", "sample", "model", "treatment", "state", "pseudotime", "pseudotime_sd", "status",
)  # fmt: skip
STATES = (
    "dataset", "contrast", "state", "order", "pseudotime", "ci_low", "ci_high", "same_order", "n_cells", "n_samples",
    "status",
)  # fmt: skip
#: cells of a side below which nothing is asked, and cells that the graph is made of
FEW, MOST = 50, 20_000
#: neighbours and diffusion components of pseudotime
NEAR, COMPONENTS = 30, 10
#: roots agree from this median of Spearman's rho between them; groups are apart from this area under the curve
AGREE, APART = 0.5, 0.7
RESAMPLED, PART, RESAMPLED_OF = 20, 0.8, 3000


def _methods(trajectory: dict[str, pd.DataFrame] | pd.DataFrame, roots: int, alpha: float, without_cycle: bool,
             **_: Any) -> str:  # fmt: skip
    return (
        f"A way from parental to resistant cells is claimed where the groups are apart (area under the curve at least "
        f"{APART:g}), where cells lie between them in both of two independent halves of their counts more often than "
        f"chance within group, sample and depth allows, in every stretch of the middle (p < {alpha:g}; {SPLIT}) and "
        f"at least {100 * paths.DENSE:.0f} % as densely as if all were spread evenly, and where diffusion pseudotimes "
        f"({DPT}; {NEAR} neighbours, {COMPONENTS} components) from {roots} parental roots agree (median Spearman's rho "
        f"at least {AGREE:g}). Order and place of states come with their range over {RESAMPLED} parts of the cells, "
        "each without one of the samples in turn where a side has three."
        + (f" Genes of the cell cycle ({cycle.TIROSH}) took no part in the order." if without_cycle else "")
    )


@analysis(
    title="Trajectory from parental to resistant cells",
    reference=(DPT, SPLIT),
    gives=("trajectory", "pseudotime", "trajectory_states"),
    methods=_methods,
    formula=(
        "diffusion pseudotime from parental roots; shown where AUC between groups, density between them in two "
        "halves of the counts, and agreement of roots all pass"
    ),
    oracle=(
        "scanpy 1.11's pseudotime to 3e-6, RNAmix (rho .946) (tests/stats/test_neighbours.py, "
        "tests/omics/cells/test_cells_trajectory.py)"
    ),
    limits=(
        "The density asked for was set after seeing two data sets. Finds 15 of 20 planted ways, so absence is "
        "no proof. An order is no time and no lineage. With one sample a side it is exploratory."
    ),
)
def trajectory(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    variable_genes: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    patients: pd.DataFrame | None = None,
    *,
    roots: int = 10,
    alpha: float = 0.05,
    without_cycle: bool = True,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`trajectory`: one row per data set and contrast (resistance, treatment or declared, and the two groups of each
    patient, as before and after treatment; `TRAJECTORY`); `pseudotime`:
    one row per cell of a contrast that has a way (`PSEUDOTIME`, 0 to 1); `trajectory_states`: its states in order
    (`STATES`).

    `status` is `path`, `no_path` or `not_testable`, and `verdict` says why in words. The density that is asked was
    chosen after seeing simulated ways (about a third of an even spread in the sparsest stretch) and two replicates of
    one treatment (about a tenth). `exploratory` marks contrasts with
    fewer than two samples on a side: what holds of these cells need not hold of another sample. Cells of the two models
    under other treatments and stages count among what may lie between. `between_share` is the share of cells in the
    middle beyond chance, `density` how densely cells lie in the sparsest stretch of it (1: as densely as if spread
    evenly over the way), `gaps` the stretches without (0 parental mean, 1 resistant mean). With `without_cycle`
    the genes of the cell cycle are left out of the components that the order is told from: with them it follows the
    cycle. Raises NotApplicable where no two groups can be compared.
    """
    rows: list[dict[str, Any]] = []
    times: list[pd.DataFrame] = []
    states: list[pd.DataFrame] = []
    for dataset, part in cell_states.groupby("dataset", sort=True):
        part = part.sort_values("cell", kind="stable").reset_index(drop=True)
        sheet, compared = sides(part, models, contrasts, patients)
        if not compared:
            continue
        there = (sheet["model"] != "").to_numpy()
        part, sheet = part[there].reset_index(drop=True), sheet[there].reset_index(drop=True)
        part["model"] = sheet["model"]
        chosen = variable_genes[(variable_genes["dataset"] == dataset) & variable_genes["chosen"]]["gene"].tolist()
        points = _told_by(part, cells, chosen, without_cycle)
        for one in compared:
            row, time, order = _one(str(dataset), sheet, part, one, cells, chosen, points, roots, alpha, seed)
            rows.append(row)
            times += time
            states += order
    if not rows:
        raise NotApplicable("no two groups of cells can be compared: name a resistant model's parent, or a vehicle")
    return {
        "trajectory": pd.DataFrame(rows)[list(TRAJECTORY)],
        "pseudotime": pd.concat(times, ignore_index=True) if times else _empty(PSEUDOTIME),
        "trajectory_states": pd.concat(states, ignore_index=True) if states else _empty(STATES),
    }


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    number = {"pseudotime", "pseudotime_sd", "order", "ci_low", "ci_high", "same_order", "n_cells", "n_samples"}
    return pd.DataFrame({c: pd.Series(dtype="float64" if c in number else object) for c in columns})


def _one(
    dataset: str, sheet: pd.DataFrame, part: pd.DataFrame, one: groups.Comparison, cells: pd.DataFrame,
    chosen: list[str], points_of: Floats, roots: int, alpha: float, seed: int,
) -> tuple[dict[str, Any], list[pd.DataFrame], list[pd.DataFrame]]:  # fmt: skip
    """One contrast: its row, the pseudotime of its cells and its states in order (nothing where there is no way)."""
    ends = [groups.members(sheet, g) for g in (one.reference, one.group)]
    among = (sheet["model"].isin([one.reference.model, one.group.model])).to_numpy()
    side = np.where(ends[1], 1, np.where(ends[0], 0, 2))
    n = [int(e.sum()) for e in ends]
    samples = [int(part["sample"][e].nunique()) for e in ends]
    row: dict[str, Any] = {
        "dataset": dataset, "contrast": one.contrast, "kind": one.kind, "parental": one.reference.label,
        "resistant": one.group.label, "n_parental": n[0], "n_resistant": n[1], "n_samples_parental": samples[0],
        "n_samples_resistant": samples[1], "separation": np.nan, "noise": np.nan, "between_share": np.nan,
        "density": np.nan,
        "p_value": np.nan, "gaps": "", "root_agreement": np.nan, "n_roots": 0, "stability": np.nan,
        "stability_low": np.nan, "n_cells_used": 0, "exploratory": min(samples) < 2,
    }  # fmt: skip
    if min(n) < FEW:
        return (
            {**row, "status": "not_testable", "verdict": f"fewer than {FEW} cells on a side ({n[0]} and {n[1]})"},
            [],
            [],
        )
    at = np.flatnonzero(among)
    used = at[on_a_map(len(at), MOST, seed)]
    mine = part.iloc[used].reset_index(drop=True)
    points = points_of[used]
    group = side[used]
    row["n_cells_used"] = len(used)
    table = kept(cells, mine)
    counted = bool((table["values"] == "counts").all())
    found: paths.Middle | None = None
    if counted:
        strata = pd.factorize(mine["sample"], sort=True)[0].astype(np.int64)
        total = table["n_counts"].to_numpy(dtype=float)
        found = paths.middle(counts(table, chosen).matrix, total, group, strata, seed)
        row |= {"separation": found.separation, "noise": found.noise, "between_share": found.share,
                "density": float(found.density.min()) if len(found.density) else np.nan, "p_value": found.p_value,
                "gaps": "; ".join(f"{a:g} to {b:g}" for a, b in found.gaps(alpha))}  # fmt: skip
    order = ordered(points, far_end(points, group), roots, seed)
    row |= {"root_agreement": order.agreement, "n_roots": order.n_roots}
    status, said = verdict(found, order, one, alpha)
    if row["exploratory"]:
        said += "; exploratory, as a side has one sample, and a batch cannot be told from a change"
    row |= {"status": status, "verdict": said}
    if status != "path":
        return row, [], []
    again = _resampled(mine, points, group, order.time, roots, seed)
    row |= {"stability": float(np.median(again.rho)), "stability_low": float(again.rho.min())}
    rest = np.setdiff1d(at, used)
    time, spread = np.full(len(part), np.nan), np.full(len(part), np.nan)
    time[used], spread[used] = order.time, order.spread
    if len(rest):
        near = neighbours.nearest_of(points, points_of[rest], 5).index
        time[rest], spread[rest] = order.time[near].mean(axis=1), order.spread[near].mean(axis=1)
    out = part[["dataset", "cell", "sample", "model", "treatment", "state"]].iloc[at].copy()
    out["contrast"], out["status"] = one.contrast, "path"
    out["pseudotime"], out["pseudotime_sd"] = time[at], spread[at]
    return row, [out[list(PSEUDOTIME)]], [_states(dataset, one.contrast, out, again)]


def _told_by(part: pd.DataFrame, cells: pd.DataFrame, chosen: list[str], without_cycle: bool) -> Floats:
    """Components [cells, k] of the cells: those of the states, or, where genes of the cell cycle are among the variable
    ones, anew without these."""
    if without_cycle:
        dividing = set(np.array(chosen, dtype=object)[np.concatenate(list(cycle.members(chosen).values()))])
        if dividing and len(chosen) - len(dividing) >= PCS:
            left = [g for g in chosen if g not in dividing]
            return principal(kept(cells, part), left, min(PCS, len(part) - 1)).scores
    return _points(part)


def _points(frame: pd.DataFrame) -> Floats:
    values = frame[[c for c in frame.columns if c.startswith("pc") and c[2:].isdigit()]].to_numpy(dtype=float)
    return np.asarray(values[:, np.isfinite(values).all(axis=0)])


@dataclass(frozen=True)
class Order:
    """`time` of every cell from 0 to 1 (mean over roots), its `spread` (standard deviation over roots), `agreement`
    (median of Spearman's rho between roots; NaN where the graph falls into pieces), `n_roots`, and `joined`: the share
    of cells in the largest piece of the graph."""

    time: Floats
    spread: Floats
    agreement: float
    n_roots: int
    joined: float


def far_end(points: Floats, group: NDArray[Any]) -> NDArray[np.int64]:
    """Cells that may be roots: the half of group 0 that is farther from group 1 along the line between their means."""
    first = np.flatnonzero(group == 0)
    line = points[group == 1].mean(axis=0) - points[first].mean(axis=0)
    place = points[first] @ line
    return np.asarray(first[place <= np.median(place)])


def ordered(points: Floats, first: NDArray[np.int64], roots: int, seed: int) -> Order:
    """Diffusion pseudotime of points [n, d] from roots drawn among the points `first`."""
    from scipy.stats import rankdata

    graph = neighbours.weights(neighbours.nearest(points, NEAR, seed))
    piece = neighbours.pieces(graph)
    largest = np.bincount(piece).argmax()
    inside = np.flatnonzero(piece == largest)
    joined = len(inside) / len(points)
    nothing = np.full(len(points), np.nan)
    pool = first[piece[first] == largest]
    if joined < 0.9 or len(pool) < 2:
        return Order(nothing, nothing, np.nan, 0, joined)
    walk = neighbours.diffusion(graph[inside][:, inside] if joined < 1 else graph, COMPONENTS)
    place = np.full(len(points), -1, dtype=np.int64)
    place[inside] = np.arange(len(inside))
    rng = np.random.default_rng([seed, 31])
    picked = np.sort(rng.choice(pool, min(roots, len(pool)), replace=False))
    runs = np.array([walk.distances(int(place[r])) for r in picked])
    runs /= np.maximum(runs.max(axis=1, keepdims=True), 1e-300)
    ranks = np.array([rankdata(r) for r in runs])
    rho = np.corrcoef(ranks)[np.triu_indices(len(ranks), 1)]
    time, spread = nothing.copy(), nothing.copy()
    mean = runs.mean(axis=0)
    time[inside] = (mean - mean.min()) / max(float(np.ptp(mean)), 1e-300)
    spread[inside] = runs.std(axis=0, ddof=1)
    return Order(time, spread, float(np.median(rho)), len(picked), joined)


def verdict(found: paths.Middle | None, order: Order, one: groups.Comparison, alpha: float) -> tuple[str, str]:
    """Status and sentence; the first thing that fails is named."""
    a, b = one.reference.label, one.group.label
    agreed = (
        f"{order.n_roots} parental roots agree at a median rho of {order.agreement:.2f}"
        if order.n_roots
        else f"the graph of neighbours falls into pieces, the largest with {100 * order.joined:.0f} % of the cells"
    )
    if found is None:
        return "not_testable", f"whether cells lie between {a} and {b} cannot be tested without counts; {agreed}"
    if found.separation < APART:
        return "no_path", (
            f"no trajectory: {a} and {b} are not apart (area under the curve {found.separation:.2f}), so that there is "
            f"no way from one to the other; {agreed}"
        )
    if not found.stretches:
        return "not_testable", (
            f"the depth does not tell whether cells lie between {a} and {b}: the noise of a place is "
            f"{found.noise:.2f} of their distance; {agreed}"
        )
    gaps = found.gaps(alpha)
    if gaps:
        where = " and ".join(f"from {100 * x:.0f} to {100 * y:.0f} % of the way" for x, y in gaps)
        least = float(found.density.min())
        return "no_path", (
            f"no trajectory: {a} and {b} are apart, and too few cells lie between them {where}: at the sparsest "
            f"{100 * least:.0f} % of an even spread (at least {100 * paths.DENSE:.0f} % is asked; largest p "
            f"{found.p_value:.2g}); {agreed}"
        )
    if not order.n_roots or order.agreement < AGREE:
        return "no_path", (
            f"no trajectory: {agreed}, so that no order of the cells can be told, though "
            f"{100 * found.share:.1f} % of the cells lie between {a} and {b}"
        )
    return "path", (
        f"cells lead from {a} to {b}: {100 * found.share:.1f} % of the cells lie between them beyond chance, in every "
        f"stretch (at the sparsest {100 * found.density.min():.0f} % of an even spread, largest p "
        f"{found.p_value:.2g}); {agreed}"
    )


@dataclass(frozen=True)
class _Again:
    """Over parts of the cells: `rho` with the pseudotime of all, and places of the states [parts, states]."""

    rho: Floats
    places: Floats
    names: list[str]


def _resampled(mine: pd.DataFrame, points: Floats, group: NDArray[Any], time: Floats, roots: int, seed: int) -> _Again:
    """Pseudotime anew in parts of the cells, and without one sample in turn where each side keeps two."""
    names = sorted(mine["state"].unique(), key=int)
    code = mine["state"].map({s: i for i, s in enumerate(names)}).to_numpy(dtype=np.int64)
    sample = mine["sample"].to_numpy(dtype=object)
    droppable = sorted(
        s for s in set(sample)
        if all(len(set(sample[group == g]) - {s}) >= 2 or s not in set(sample[group == g]) for g in (0, 1))
    )  # fmt: skip
    pool = on_a_map(len(mine), RESAMPLED_OF, seed)
    rho, places = [], []
    for r in range(RESAMPLED):
        rng = np.random.default_rng([seed, 37, r])
        some = pool[sample[pool] != droppable[r % len(droppable)]] if droppable else pool
        some = np.sort(rng.choice(some, int(PART * len(some)), replace=False))
        again = ordered(points[some], far_end(points[some], group[some]), roots, seed + r + 1)
        ok = np.isfinite(again.time) & np.isfinite(time[some])
        place = np.full(len(names), np.nan)
        if ok.sum() > 10:
            from scipy.stats import spearmanr

            rho.append(float(spearmanr(again.time[ok], time[some][ok]).statistic))
            for i in range(len(names)):
                own = ok & (code[some] == i)
                if own.any():
                    place[i] = float(np.median(again.time[own]))
        else:
            rho.append(0.0)
        places.append(place)
    return _Again(np.array(rho), np.array(places), names)


def _states(dataset: str, contrast: str, out: pd.DataFrame, again: _Again) -> pd.DataFrame:
    """States by their median pseudotime, with the range of 95 % of the parts and how often the order was the same."""
    middle = out.groupby("state")["pseudotime"].median()
    names = sorted(middle.index, key=lambda s: (middle[s], int(s)))
    at = {s: again.names.index(s) for s in names}
    rows = []
    for i, state in enumerate(names):
        places = again.places[:, at[state]]
        places = places[np.isfinite(places)]
        before = [again.places[:, at[s]] for s in names[:i]]
        after = [again.places[:, at[s]] for s in names[i + 1 :]]
        own = again.places[:, at[state]]
        same = np.all([b < own for b in before] + [a > own for a in after], axis=0) if len(names) > 1 else own == own
        low, high = np.quantile(places, [0.025, 0.975]) if len(places) else (np.nan, np.nan)
        mine = out[out["state"] == state]
        rows.append({"dataset": dataset, "contrast": contrast, "state": state, "order": i + 1,
                     "pseudotime": float(middle[state]), "ci_low": float(low), "ci_high": float(high),
                     "same_order": float(np.mean(same)), "n_cells": len(mine), "n_samples": mine["sample"].nunique(),
                     "status": "estimated"})  # fmt: skip
    return pd.DataFrame(rows)[list(STATES)]
