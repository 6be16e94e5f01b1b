"""Coverage of the 95 % intervals of the absolute IC50 and of the ratio of two, on curves with a known answer.

Usage: python -m benchmarks.coverage_curves [N] [--full]

N simulated data sets per row (default 400). Nine doses in 3-fold steps, wells with SD 0.05 of the control, E0 1, Einf
0.1, h 1.4 (0.6 where 'shallow'); biological replicates differ in log10 IC50 with the SD given and then also in top and
bottom (SD 0.03 each). 'at 0.8 x top': the true IC50 is 0.8 times the highest dose. Every data set counts: an interval
covers when it holds the true IC50, open ends included. Where the true IC50 lies above the tested doses, a bound that
holds is right in every data set but the 2.5 % in which the curve is wrongly seen to have crossed, so that coverage
there is at least 97.5 % for any honest method.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.hill import HillFits, fit_hill, ic50_interval, log_ratio

Floats = NDArray[np.float64]
TOP = 20.0
METHODS: dict[str, dict[str, Any]] = {
    "delta": {"method": "delta"},
    "inv-res": {"method": "inverted", "variance": "residual"},
    "replicate": {"method": "replicate"},
    "inv-rep": {"method": "inverted", "variance": "replicate"},
    "bootstrap": {"method": "bootstrap"},
    "auto": {},
}


@dataclass(frozen=True)
class Scenario:
    """Slope and true IC50 (µM) of a population of replicates."""

    name: str
    h: float
    ic50: float


SCENARIOS = (
    Scenario("good", 1.4, 1.2),
    Scenario("shallow", 0.6, 1.2),
    Scenario("at 0.4 x top", 1.4, 0.4 * TOP),
    Scenario("at 0.8 x top", 1.4, 0.8 * TOP),
    Scenario("at 1.2 x top", 1.4, 1.2 * TOP),
)


def simulate(
    scenario: Scenario, groups: int, spread: float, wells: int, n: int, rng: np.random.Generator
) -> tuple[HillFits, float]:
    """Fits of ``n`` data sets (wells averaged per replicate and dose first) and the true log10 IC50."""
    doses = TOP / 3.0 ** np.arange(9)
    shift = rng.normal(0, spread, (n, groups, 1))
    ends = 0.03 if spread > 0 else 0.0
    top, bottom = 1 + rng.normal(0, ends, (n, groups, 1)), 0.1 + rng.normal(0, ends, (n, groups, 1))
    ec50 = scenario.ic50 / ((1 - 0.5) / (0.5 - 0.1)) ** (1 / scenario.h)
    curve = bottom + (top - bottom) / (1 + (doses / (ec50 * 10**shift)) ** scenario.h)
    y = curve + rng.normal(0, 0.05 / np.sqrt(wells), curve.shape)
    number, replicate, dose = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(groups), doses, indexing="ij"))
    return fit_hill(number, dose, y.ravel(), replicate=replicate), float(np.log10(scenario.ic50))


def row(scenario: Scenario, groups: int, spread: float, wells: int, n: int, seed: int) -> dict[str, float]:
    """Coverage per method and, of the default, misses on either side, open intervals and median width."""
    rng = np.random.default_rng([seed, groups, int(100 * spread), wells, SCENARIOS.index(scenario)])
    fits, truth = simulate(scenario, groups, spread, wells, n, rng)
    out: dict[str, float] = {}
    for name, options in METHODS.items():
        interval = ic50_interval(fits, 0.5, **options)
        held = (interval.log10_lo <= truth) & (truth <= interval.log10_hi)
        out[name] = float(np.mean(held)) if (interval.status != "not_estimable").any() else np.nan
    out["low miss"], out["high miss"] = (
        float(np.mean(interval.log10_lo > truth)),
        float(np.mean(interval.log10_hi < truth)),
    )
    width = 10 ** np.where(np.isfinite(interval.log10_lo), interval.log10_hi - interval.log10_lo, np.inf)
    out["open"], out["fold"] = float(np.mean(~np.isfinite(width))), float(np.median(width))
    # The ratio to a sensitive line (the 'good' scenario), drawn independently.
    partner, partner_truth = simulate(SCENARIOS[0], groups, spread, wells, n, rng)
    both, change = _pair(fits, partner), truth - partner_truth
    for name in ("mover", "delta"):
        ratio = log_ratio(both, np.arange(n), n + np.arange(n), 0.5, method=name)  # type: ignore[arg-type]
        out[f"ratio {name}"] = float(np.mean((ratio.log10_lo <= change) & (change <= ratio.log10_hi)))
    return out


def _pair(first: HillFits, second: HillFits) -> HillFits:
    """Both sets of curves as one, refitted from their cells."""
    parts = []
    for k, fits in enumerate((first, second)):
        data = fits.data
        owner = np.repeat(np.arange(len(fits)), np.diff(data.cell_start))
        dose = data.x[data.start[owner] + data.cell_dose]
        parts.append((owner + k * len(first), dose, data.cell_mean, data.cell_replicate))
    number, dose, mean, replicate = (np.concatenate(column) for column in zip(*parts, strict=True))
    return fit_hill(number, dose, mean, replicate=replicate)


def main(n: int = 400, *, full: bool = False, seed: int = 1) -> list[dict[str, float | str]]:
    """Print the table and a verdict on the default method; returns the rows."""
    groups = (1, 2, 3, 4, 6) if full else (2, 3, 6)
    spreads, wells = (0.0, 0.05, 0.15) if full else (0.0, 0.15), (1, 3) if full else (1,)
    names = [*METHODS, "low miss", "high miss", "open", "fold", "ratio mover", "ratio delta"]
    print(f"{n} data sets a row; binomial standard error at 95 %: {100 * np.sqrt(0.95 * 0.05 / n):.1f} %")
    print(f"{'scenario':14s}{'repl.':>6s}{'SD':>6s}{'wells':>6s}" + "".join(f"{c:>12s}" for c in names))
    rows: list[dict[str, float | str]] = []
    for scenario in SCENARIOS:
        for spread in spreads:
            for count in wells:
                for g in groups:
                    values = row(scenario, g, spread, count, n, seed)
                    rows.append({"scenario": scenario.name, "replicates": g, "sd": spread, "wells": count, **values})
                    cells = [f"{values[c]:12.2f}" if c == "fold" else f"{100 * values[c]:12.1f}" for c in names]
                    cells = [f"{'-':>12s}" if "nan" in cell else cell for cell in cells]
                    print(f"{scenario.name:14s}{g:6d}{spread:6.2f}{count:6d}" + "".join(cells), flush=True)
    inside = [r for r in rows if float(r["replicates"]) >= 3 and r["scenario"] != SCENARIOS[-1].name]
    for column in ("auto", "ratio mover", "ratio delta"):
        share = np.array([float(r[column]) for r in inside])
        print(f"{column}, 3 or more replicates, IC50 tested: {100 * share.min():.1f} to {100 * share.max():.1f} %")
    return rows


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--full"]
    main(int(arguments[0]) if arguments else 400, full="--full" in sys.argv)
