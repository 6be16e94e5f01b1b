"""Dose-response fits per second on one core, and how often each program finds the optimum, beside peers.

Usage: python -m benchmarks.curves [N] [--no-memory]

All programs fit the same N simulated curves (default 300; nine doses in triplicate) inside one run and one thread, with
standard errors where they give them, and with the same bounds where they take any (h 0.1 to 10, EC50 two decades
outside the doses, E0 and Einf 0.0001 to 2). 'at optimum': residual sum of squares within 1e-6 of the lowest that any
bounded program found for that curve. Plain curve_fit, thunor and drc have no bounds and may go below it, which counts.
Seconds are of the processor. Peers that are not installed are named and left out; `synergy` is under the GPL and is
called here only, never by the package.
The peak memory of one million curves is that of a process of its own, input included.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from rechallenge.stats.hill import Bounds, fit_hill

Floats = NDArray[np.float64]
DOSES = np.repeat(20 / 3.0 ** np.arange(9), 3)
H, LEVEL, MARGIN = (0.1, 10.0), (1e-4, 2.0), 2.0
REPEATS = 5
UNBOUNDED = ("rechallenge", "scipy curve_fit", "thunor", "drc")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
MEMORY = """
import resource, sys
import numpy as np
from rechallenge.stats.hill import fit_hill
n = int(sys.argv[1])
rng = np.random.default_rng(0)
x = np.tile(np.repeat(20 / 3.0 ** np.arange(9), 3), n)
curve = np.repeat(np.arange(n), 27)
y = 0.1 + 0.9 / (1 + x ** 1.4) + rng.normal(0, 0.05, x.size)
replicate = np.tile(np.tile(np.arange(3), 9), n)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fits = fit_hill(curve, x, y, replicate=replicate)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unit = 1 if sys.platform == "darwin" else 1024
print(before * unit, after * unit, int((fits.status == "estimated").sum()))
"""


def simulate(n: int, seed: int = 1) -> Floats:
    """[n, 27] responses: a third good curves, a third noisy, a third shallow or with the EC50 near the top."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    h = np.exp(rng.normal(np.where(kind == 2, -0.4, 0.2), 0.4))
    ec50 = 10 ** np.where(kind == 2, rng.uniform(0.5, 1.5, n), rng.uniform(-2.5, 1.0, n))
    einf, noise = rng.uniform(0, 0.6, n), np.where(kind == 1, 0.15, 0.05)
    curve = einf[:, None] + (1 - einf[:, None]) / (1 + (DOSES / ec50[:, None]) ** h[:, None])
    return np.asarray(np.maximum(curve + rng.normal(0, 1, curve.shape) * noise[:, None], 1e-3))


def rss(y: Floats, h: Floats, einf: Floats, e0: Floats, ec50: Floats) -> Floats:
    """Residual sum of squares of each row; inf where a program gave no parameters."""
    with np.errstate(all="ignore"):
        fitted = einf[:, None] + (e0 - einf)[:, None] / (1 + np.exp(h[:, None] * np.log(DOSES / ec50[:, None])))
        total = ((y - fitted) ** 2).sum(axis=1)
    return np.where(np.isfinite(total), total, np.inf)


def ours(y: Floats, bounds: Bounds | None) -> Floats:
    n = len(y)
    fits = fit_hill(np.repeat(np.arange(n), DOSES.size), np.tile(DOSES, n), y.ravel(), bounds=bounds)
    return np.column_stack([fits.h, fits.einf, fits.e0, fits.ec50])


def _hill(x: Floats, log_h: float, einf: float, e0: float, log_ec50: float) -> Floats:
    return einf + (e0 - einf) / (1 + np.exp(np.exp(log_h) * (np.log(x) - log_ec50)))


def scipy_loop(y: Floats) -> Floats:
    """curve_fit in logs as most people call it: unbounded Levenberg-Marquardt from h = 1 at the half-way dose."""
    out = np.full((len(y), 4), np.nan)
    for i, row in enumerate(y):
        a, b = float(row.min()), float(row.max())
        middle = float(np.log(DOSES[np.argmin(np.abs(row - 0.5 * (a + b)))]))
        try:
            p, _ = curve_fit(_hill, DOSES, row, p0=[0.0, a, b, middle])
        except RuntimeError:
            continue
        out[i] = [np.exp(p[0]), p[1], p[2], np.exp(p[3])]
    return out


def scipy_starts(y: Floats, starts: int = 16) -> Floats:
    """curve_fit in logs inside the bounds, from the half-way dose and from a grid of slopes and EC50; the best wins."""
    low, high = np.log(DOSES.min()), np.log(DOSES.max())
    margin = MARGIN * np.log(10)
    box = ([np.log(H[0]), LEVEL[0], LEVEL[0], low - margin], [np.log(H[1]), LEVEL[1], LEVEL[1], high + margin])
    out = np.full((len(y), 4), np.nan)
    for i, row in enumerate(y):
        a, b = np.clip(row.min(), *LEVEL), np.clip(row.max(), *LEVEL)
        middle = float(np.log(DOSES[np.argmin(np.abs(row - 0.5 * (a + b)))]))
        grid = [(0.0, middle)]
        grid += [(g, m) for g in (-0.7, 0.3, 1.6) for m in np.linspace(low, high, (starts - 1) // 3)]
        best = np.inf
        for log_h, centre in grid:
            try:
                p, _ = curve_fit(_hill, DOSES, row, p0=[log_h, a, b, centre], bounds=box)
            except RuntimeError:
                continue
            total = float(((row - _hill(DOSES, *p)) ** 2).sum())
            if total < best:
                best, out[i] = total, [np.exp(p[0]), p[1], p[2], np.exp(p[3])]
    return out


def synergy(y: Floats) -> Floats:
    from synergy.single import Hill

    span = (DOSES.min() * 10**-MARGIN, DOSES.max() * 10**MARGIN)
    out = np.full((len(y), 4), np.nan)
    for i, row in enumerate(y):
        model = Hill(E0_bounds=LEVEL, Emax_bounds=LEVEL, h_bounds=H, C_bounds=span)
        try:
            model.fit(DOSES, row)
        except RuntimeError:
            continue
        if model.is_specified:
            out[i] = [model.h, model.Emax, model.E0, model.C]
    return out


def curve_curator(y: Floats) -> Floats:
    from curve_curator.models import LogisticModel

    x = np.log10(DOSES)
    out = np.full((len(y), 4), np.nan)
    for i, row in enumerate(y):
        model = LogisticModel()
        model.set_boundaries(x, pec50_delta=MARGIN, slope_limits=H, y_limits=LEVEL)
        model.efficiently_fit_ols(x, row, noise=float(row.std()))
        p = model.get_fitted_params()
        out[i] = [p["slope"], p["back"], p["front"], 10.0 ** -p["pec50"]]
    return out


def thunor(y: Floats) -> Floats:
    from thunor.curve_fit import HillCurveLL4, fit_drc

    out = np.full((len(y), 4), np.nan)
    for i, row in enumerate(y):
        fit = fit_drc(DOSES, row, fit_cls=HillCurveLL4, null_rejection_threshold=None)
        if fit is not None:
            out[i] = fit.popt
    return out


DRC = """
suppressMessages(library(drc))
y <- as.matrix(read.csv(commandArgs(TRUE)[1], header = FALSE)); x <- scan(commandArgs(TRUE)[2], quiet = TRUE)
out <- matrix(NA, nrow(y), 4); start <- proc.time()
for (i in seq_len(nrow(y))) {
  m <- try(drm(y ~ x, data = data.frame(x = x, y = y[i, ]), fct = LL.4(),
               control = drmc(errorm = FALSE, noMessage = TRUE)), silent = TRUE)
  if (inherits(m, "drc")) { s <- try(summary(m), silent = TRUE); out[i, ] <- coef(m) }
}
used <- proc.time() - start
cat(used[["user.self"]] + used[["sys.self"]], "\\n")
write.table(out, commandArgs(TRUE)[3], row.names = FALSE, col.names = FALSE)
"""


def drc(y: Floats) -> tuple[Floats, float]:
    """Parameters and the seconds R spent, or RuntimeError with R's words."""
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        np.savetxt(base / "y.csv", y, delimiter=",")
        np.savetxt(base / "x.txt", DOSES)
        (base / "fit.R").write_text(DRC)
        command = ["Rscript", "fit.R", "y.csv", "x.txt", "out.txt"]
        run = subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "Rscript failed")
        return np.genfromtxt(base / "out.txt"), float(run.stdout.split()[-1])


def timed(fit: Callable[[Floats], Floats], y: Floats, repeats: int = 1) -> tuple[Floats, float]:
    """Parameters [h, einf, e0, ec50] and the lowest CPU seconds of a few runs."""
    best, parameters = np.inf, np.empty((0, 4))
    for _ in range(repeats):
        start = time.process_time()
        parameters = fit(y)
        best = min(best, time.process_time() - start)
    return parameters, best


def memory(n: int = 1_000_000) -> str:
    """Peak memory of a process that fits ``n`` curves with three replicates."""
    run = subprocess.run([sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, check=True)
    before, after, estimated = (int(v) for v in run.stdout.split())
    return (
        f"{n:,} curves of 27 wells, with replicates: peak {after / 1e9:.2f} GB, of which {before / 1e9:.2f} GB was "
        f"there before the fit (input); {estimated:,} estimated"
    )


def measure(n: int = 300, *, with_memory: bool = True) -> dict[str, tuple[float, float]]:
    """Print the table; returns fits per second and share at the optimum per program."""
    y = simulate(n)
    many = np.tile(y, (max(1, 20_000 // n), 1))
    box = Bounds(h=H, log10_ec50_margin=(MARGIN, MARGIN), e0=LEVEL, einf=LEVEL)
    ours(y[:2], box)
    ours(y[:2], None)
    seconds: dict[str, float] = {}
    found: dict[str, Floats] = {}
    missing: list[str] = []
    for name, bounds in (("rechallenge", None), ("rechallenge, bounded", box)):
        parameters, used = timed(lambda rows, b=bounds: ours(rows, b), many, REPEATS)  # type: ignore[misc]
        found[name], seconds[name] = parameters[:n], used / len(many)
    peers: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
        "scipy curve_fit": ("scipy", scipy_loop),
        "scipy, 16 starts": ("scipy", scipy_starts),
        "synergy": ("synergy", synergy),
        "CurveCurator": ("curve_curator", curve_curator),
        "thunor": ("thunor", thunor),
    }
    for name, (module, fit) in peers.items():
        if importlib.util.find_spec(module) is None:
            missing.append(f"{name} (Python package {module} not installed)")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name], used = timed(fit, y)
        seconds[name] = used / n
    if shutil.which("Rscript") is None:
        missing.append("drc (no Rscript)")
    else:
        try:
            found["drc"], used = drc(y)
            seconds["drc"] = used / n
        except RuntimeError as problem:
            missing.append(f"drc ({problem})")
    sums = {name: rss(y, *parameters.T) for name, parameters in found.items()}
    bounded = [name for name in sums if name not in UNBOUNDED]
    lowest = np.min([sums[name] for name in bounded], axis=0)
    out = {name: (1 / seconds[name], float(np.mean(sums[name] <= lowest * (1 + 1e-6)))) for name in sums}
    print(f"{n} curves of {DOSES.size} wells, one thread")
    print(f"{'program':24s}{'fits/s':>12s}{'ratio':>10s}{'at optimum':>12s}{'no fit':>8s}")
    for name, (rate, share) in out.items():
        lost = int(np.sum(~np.isfinite(sums[name])))
        print(f"{name:24s}{rate:12,.0f}{out['rechallenge'][0] / rate:10,.1f}{100 * share:11.1f}%{lost:8d}")
    for name in missing:
        print(f"not measured: {name}")
    if with_memory:
        print(memory())
    return out


def main(arguments: tuple[str, ...] = ()) -> None:
    """Run ``measure`` in a process whose numerical libraries use one thread."""
    command = [sys.executable, "-m", "benchmarks.curves", "--here", *arguments]
    subprocess.run(command, env={**os.environ, **dict.fromkeys(THREADS, "1")}, check=True)


if __name__ == "__main__":
    if "--here" in sys.argv:
        numbers = [a for a in sys.argv[1:] if not a.startswith("-")]
        measure(int(numbers[0]) if numbers else 300, with_memory="--no-memory" not in sys.argv)
    else:
        main(tuple(sys.argv[1:]))
