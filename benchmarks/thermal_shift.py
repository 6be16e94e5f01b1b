"""Melting curves of a proteome (NPARC: null, one curve per arm, F test): seconds and optima beside peers.

Usage: python -m benchmarks.thermal_shift [N] [PEER_N]

N simulated proteins (default 4,500; two arms, two runs, ten temperatures) are fitted here; a loop of scipy's bounded
least squares, from the start and within the bounds that the R package uses, fits the first PEER_N of them (default 300)
and its time is scaled to N. 'at optimum': residual sum of squares within 1e-6 of the lower of the two. R's NPARC is
measured on the same N proteins where R and the package are installed; it is under the GPL and is called here only.
Seconds are of the processor, one thread.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from rechallenge.stats.melt import HIGH, LOW, curve, f_test, fit_melts

Floats = NDArray[np.float64]
T = np.array([37.0, 41, 44, 47, 50, 53, 56, 59, 63, 67])
START = (0.0, 550.0, 10.0)
R_CODE = """
suppressMessages({library(NPARC); library(dplyr)})
d <- read.csv(commandArgs(TRUE)[1])
t0 <- proc.time()
fits <- NPARCfit(x = d$temperature, y = d$value, id = d$id, groupsNull = NULL, groupsAlt = d$arm,
                 returnModels = FALSE)
tests <- NPARCtest(fits$metrics, dfType = "empirical")
cat(sum((proc.time() - t0)[c(1, 2)]))
"""


def simulate(n: int, seed: int = 1) -> Floats:
    """[n, 40] fractions soluble: vehicle and drug, two runs each; one protein in fifty is shifted by 4 deg C."""
    rng = np.random.default_rng(seed)
    tm, b, plateau = rng.normal(51, 3.5, n), rng.uniform(8, 22, n), rng.uniform(0, 0.15, n)
    parts = []
    for drug in (0, 0, 1, 1):
        at = tm + rng.normal(0, 0.3, n) + 4.0 * drug * (np.arange(n) % 50 == 0)
        parts.append(curve(np.column_stack([plateau, b * at, b]), T) + rng.normal(0, 0.05, (n, T.size)))
    return np.concatenate(parts, axis=1)


def ours(y: Floats) -> tuple[Floats, Floats, float]:
    """Residual sums of squares of null and alternative, and seconds."""
    start = time.process_time()
    null = fit_melts(y, np.tile(T, 4)).rss
    alternative = fit_melts(y[:, :20], np.tile(T, 2)).rss + fit_melts(y[:, 20:], np.tile(T, 2)).rss
    f_test(null, alternative)
    return null, alternative, time.process_time() - start


def loop(y: Floats) -> tuple[Floats, Floats, float]:
    """The same by scipy, curve after curve."""
    begun = time.process_time()

    def rss(values: Floats) -> float:
        t = np.tile(T, values.size // T.size)
        found = least_squares(lambda p: curve(p[None], t)[0] - values, START, bounds=(LOW, HIGH), x_scale=(1, 500, 10))
        return float(2 * found.cost)

    null = np.array([rss(v) for v in y])
    alternative = np.array([rss(v[:20]) + rss(v[20:]) for v in y])
    return null, alternative, time.process_time() - begun


def r_nparc(y: Floats) -> float | None:
    """Seconds of R's NPARC on the same values; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.csv"
        with path.open("w", newline="", encoding="utf-8") as f:
            write = csv.writer(f)
            write.writerow(["id", "arm", "temperature", "value"])
            for i, row in enumerate(y):
                write.writerows([f"P{i}", "drug" if k >= 20 else "vehicle", T[k % 10], v] for k, v in enumerate(row))
        ended = subprocess.run(["Rscript", "-e", R_CODE, str(path)], capture_output=True, text=True, check=False)
    return float(ended.stdout) if ended.returncode == 0 and ended.stdout.strip() else None


def main(n: int = 4500, peer_n: int = 300) -> None:
    y = simulate(n)
    null, alternative, seconds = ours(y)
    peer_null, peer_alternative, peer_seconds = loop(y[:peer_n])
    best = np.minimum(null[:peer_n] + alternative[:peer_n], peer_null + peer_alternative)
    mine, theirs = null[:peer_n] + alternative[:peer_n], peer_null + peer_alternative
    print(f"{'program':<28}{'proteins':>9}{'seconds':>10}{'per ' + format(n, ','):>12}{'ratio':>8}{'at optimum':>12}")

    def row(name: str, count: int, took: float, optimum: str) -> None:
        whole = took * n / count
        print(f"{name:<28}{count:>9,}{took:>10.2f}{whole:>12.2f}{whole / seconds:>8.1f}{optimum:>12}")

    row("rechallenge", n, seconds, f"{100 * np.mean(mine <= best + 1e-6):.1f} %")
    row("scipy least_squares loop", peer_n, peer_seconds, f"{100 * np.mean(theirs <= best + 1e-6):.1f} %")
    r = r_nparc(y)
    if r is None:
        print("R NPARC is not installed and was left out")
    else:
        row("R NPARC", n, r, "")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]))
