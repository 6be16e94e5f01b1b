"""Combination scores beside the package `synergy`: error against a known truth, and seconds with 200 bootstraps.

Usage: python -m benchmarks.combinations [N]

Both programs see the same N simulated studies per row (default 20): 5 x 5 combinations with both single agents, wells
in duplicate with SD 0.04 of vehicle, three biological replicates that differ in log10 EC50 with SD 0.06. 'bias' and
'RMSE' are of the mean excess against that of the surface without noise, per cent of inhibition; for 'braid' of
log(1 + kappa/2) (0 at additivity). 'cover': share of 95 % intervals that hold the truth: here t intervals over
jackknife pseudo-values of replicates; for `synergy`, which has an interval for BRAID alone, its own bootstrap of 200,
and for the scores percentiles of 200 resamplings of the replicates. 'point ms': one score without interval; 'interval
ms': one score with it, of the processor, one thread; '~': timed on a few resamplings and multiplied. `synergy` is under
the GPL and is called here only, never by the package; where it is not installed its rows are left out.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.simulate.combinations import Agent, Interaction, Reference, inhibition, matrix
from rechallenge.stats.synergy import Hill, Surface, braid, collect, fit_braid, loewe, score

Floats = NDArray[np.float64]
DOSES = (0.125, 0.5, 2.0, 8.0, 32.0)
A, B = Agent("alpha", 2.0, 1.3, 1.0, DOSES), Agent("beta", 1.0, 1.0, 1.0, DOSES)
BOOTSTRAPS = 200
#: resamplings that are timed where all of them would take minutes
TIMED = {"hsa": 200, "bliss": 200, "loewe": 20, "zip": 1}
ROWS: tuple[tuple[str, str, Interaction, Reference], ...] = (
    ("HSA-additive", "hsa", 1.0, "hsa"),
    ("Bliss-additive", "bliss", 1.0, "bliss"),
    ("Loewe-additive", "loewe", 1.0, "loewe"),
    ("Bliss-additive", "zip", 1.0, "bliss"),
    ("synergistic", "hsa", 1.5, "bliss"),
    ("synergistic", "bliss", 1.5, "bliss"),
    ("synergistic", "loewe", 1.5, "bliss"),
    ("antagonistic", "bliss", 0.6, "bliss"),
    ("antagonistic", "loewe", 0.6, "bliss"),
)
KAPPAS = (0.0, 1.0, -0.8)


def truth(method: str, interaction: Interaction, reference: Reference) -> float:
    """Mean excess of the surface without noise, per cent."""
    x, y = (v.ravel() for v in np.meshgrid(DOSES, DOSES, indexing="ij"))
    seen = inhibition(x, y, A, B, interaction=interaction, reference=reference)
    if method == "loewe":
        return float(100 * np.mean(seen - loewe(x, y, A.at(), B.at())[0]))
    against: Reference = "hsa" if method == "hsa" else "bliss"
    return float(100 * np.mean(seen - inhibition(x, y, A, B, reference=against)))


def surface_of(table: pd.DataFrame) -> Surface:
    doses = [table["dose_a_um"].to_numpy(), table["dose_b_um"].to_numpy()]
    return collect(doses, table["viability"], table["replicate"].to_numpy(str), kind="viability")


def peers() -> dict[str, Callable[[], Any]]:
    """The models of `synergy` by method, {} where it is not installed."""
    if importlib.util.find_spec("synergy") is None:
        return {}
    from synergy.combination import BRAID, HSA, ZIP, Bliss, Loewe

    return {"hsa": HSA, "bliss": Bliss, "loewe": lambda: Loewe(mode="delta_hsa"), "zip": ZIP, "braid": BRAID}


def peer_score(model: Callable[[], Any], table: pd.DataFrame) -> float:
    """Mean excess over all wells of combinations, per cent; nan where it fails."""
    x, y, e = (table[c].to_numpy(float) for c in ("dose_a_um", "dose_b_um", "viability"))
    try:
        found = np.asarray(model().fit(x, y, e), dtype=np.float64)
    except (ValueError, RuntimeError):
        return float("nan")
    return float(100 * np.nanmean(found[(x > 0) & (y > 0)]))


def seconds(what: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    value = what()
    return value, time.process_time() - start


def resampled(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    parts = [part for _, part in table.groupby("replicate")]
    return pd.concat([parts[i] for i in rng.integers(0, len(parts), len(parts))])


def bootstrapped(model: Callable[[], Any], table: pd.DataFrame, rng: np.random.Generator, draws: int) -> list[float]:
    return [peer_score(model, resampled(table, rng)) for _ in range(draws)]


def line(name: str, method: str, program: str, exact: float, found: list[tuple[float, float, float]], point: float,
         interval: float, mark: str = "") -> str:  # fmt: skip
    values = np.array(found)
    error = values[:, 0] - exact
    cover = np.nanmean((values[:, 1] <= exact) & (exact <= values[:, 2])) if np.isfinite(values[:, 1]).any() else np.nan
    covered = "      -" if np.isnan(cover) else f"{100 * cover:7.0f}"
    failed = int(np.isnan(error).sum())
    off, size = np.nanmean(error), np.sqrt(np.nanmean(error**2))
    return (
        f"{name:<16}{method:<7}{program:<13}{exact:>7.2f} {off:+7.2f} {size:7.2f} {covered} {1000 * point:9.1f} "
        f"{mark:>1}{1000 * interval:11,.1f}" + (f"  {failed} of {len(error)} without a number" if failed else "")
    )


def scores(name: str, method: Any, interaction: Interaction, reference: Reference, n: int) -> None:
    exact = truth(method, interaction, reference)
    tables = [matrix(A, B, model="m", interaction=interaction, reference=reference, seed=i) for i in range(n)]
    ours, spent, both = [], 0.0, 0.0
    for table in tables:
        surface = surface_of(table)
        found, took = seconds(partial(score, surface, method))
        both += took
        ours.append((found.score if found.status == "estimated" else np.nan, found.ci_low, found.ci_high))
        single = surface_of(table[table["replicate"] == "1"])
        spent += seconds(partial(score, single, method))[1]
    print(line(name, method, "rechallenge", exact, ours, spent / n, both / n), flush=True)
    model = peers().get(method)
    if model is None:
        return
    theirs, spent, boot = [], 0.0, 0.0
    rng = np.random.default_rng(0)
    draws = TIMED[method]
    few = tables[: max(2, n // 10)] if method == "zip" else tables
    for i, table in enumerate(few):
        value, took = seconds(partial(peer_score, model, table))
        spent += took
        if i < 2 or draws == BOOTSTRAPS:
            values, took = seconds(partial(bootstrapped, model, table, rng, draws))
            boot += took * BOOTSTRAPS / draws
        low, high = np.nanpercentile(values, [2.5, 97.5]) if draws == BOOTSTRAPS else (np.nan, np.nan)
        theirs.append((value, float(low), float(high)))
    timed = len(few) if draws == BOOTSTRAPS else min(2, len(few))
    mark = "" if draws == BOOTSTRAPS else "~"
    print(line(name, method, "synergy", exact, theirs, spent / len(few), boot / timed, mark), flush=True)


def kappas(kappa: float, n: int) -> None:
    exact = float(np.log1p(kappa / 2))
    one = np.float64(1.0)
    curves = [Hill(np.asarray(a.einf), np.asarray(a.ec50_um), np.asarray(a.hill)) for a in (A, B)]
    ours, theirs, spent, boot = [], [], 0.0, 0.0
    model = peers().get("braid")
    for i in range(n):
        table = matrix(A, B, model="m", seed=i)
        rng = np.random.default_rng([9, i])
        x, y = table["dose_a_um"].to_numpy(), table["dose_b_um"].to_numpy()
        inside = np.empty(len(table))
        for replicate in table["replicate"].unique():
            mine = (table["replicate"] == replicate).to_numpy()
            move = 10 ** rng.normal(0, 0.06, 2)
            inside[mine] = braid(
                x[mine],
                y[mine],
                curves[0].ec50 * move[0],
                curves[1].ec50 * move[1],
                A.hill,
                B.hill,
                kappa,
                0.0,
                one,
                one,
            )
        table["viability"] = 1 - inside + rng.normal(0, 0.04, len(table))
        surface = surface_of(table)
        found, took = seconds(partial(fit_braid, surface))
        spent += took
        ours.append(tuple(float(np.log1p(v / 2)) for v in (found.kappa, found.ci_low, found.ci_high)))
        if model is not None and i < max(3, n // 4):
            np.random.seed(i)  # noqa: NPY002 - the peer draws from the global generator
            fitted = model()
            e = table["viability"].to_numpy()
            _, took = seconds(partial(fitted.fit, x, y, e, bootstrap_iterations=BOOTSTRAPS))
            boot += took
            low, high = fitted.get_confidence_intervals()["kappa"]
            theirs.append(tuple(float(np.log1p(max(v, -1.99) / 2)) for v in (fitted.kappa, low, high)))
    name = f"kappa {kappa:g}"
    print(line(name, "braid", "rechallenge", exact, ours, spent / n, spent / n), flush=True)  # type: ignore[arg-type]
    if theirs:
        print(line(name, "braid", "synergy", exact, theirs, np.nan, boot / len(theirs)), flush=True)  # type: ignore[arg-type]


def main(n: int = 20) -> None:
    warnings.filterwarnings("ignore")
    if not peers():
        print("synergy is not installed: its rows are left out")
    print(
        f"{'surface':<16}{'method':<7}{'program':<13}{'truth':>7} {'bias':>7} {'RMSE':>7} {'cover':>7} {'point ms':>9} "
        f"{'interval ms':>12}"
    )
    for row in ROWS:
        scores(*row, n)
    for kappa in KAPPAS:
        kappas(kappa, n)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
