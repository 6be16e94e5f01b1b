"""A genome-wide scan of survival: 20,000 genes x 370 patients in batches, beside a loop of lifelines.

Usage: python -m benchmarks.cox [GENES]

The loop is timed on as many genes as fit into about half a minute and scaled up; both use one process. Agreement is the
largest difference, relative to the size (at least 0.05), of coefficient, standard error and likelihood-ratio statistic
on those genes. A few genes of a cohort of 50,000 say what a very large one would take.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

from rechallenge.stats import cox, meta

PATIENTS, EVENTS = 370, 130


def data(genes: int, *, tied: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, events, standardised expression (genes, patients); tied times are whole months."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((genes, PATIENTS))
    survival = rng.exponential(30, PATIENTS)
    end = np.sort(survival)[EVENTS - 1]
    at = np.minimum(survival, end)
    return (np.ceil(at) if tied else at), survival <= end, x


def loop(when: np.ndarray, event: np.ndarray, x: np.ndarray, seconds: float) -> tuple[float, pd.DataFrame]:
    """Seconds per gene and the numbers of a lifelines loop."""
    from lifelines import CoxPHFitter

    rows = []
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in x:
            frame = pd.DataFrame({"x": row, "t": when, "e": event})
            fit = CoxPHFitter().fit(frame, "t", "e")
            test = fit.log_likelihood_ratio_test()
            rows.append((fit.params_["x"], fit.standard_errors_["x"], test.test_statistic))
            if time.perf_counter() - start > seconds:
                break
    spent = time.perf_counter() - start
    return spent / len(rows), pd.DataFrame(rows, columns=["coef", "se", "lrt"])


def large(genes: int = 32, people: int = 50_000, share: float = 0.05) -> tuple[float, float]:
    """Genes x people per second of the processor and bytes per gene and person beyond the input, for one call."""
    from benchmarks.scaling import peak_memory

    rng = np.random.default_rng(3)
    x = rng.standard_normal((genes, people))
    survival = rng.exponential(30, people)
    end = np.quantile(survival, share)
    when = np.ceil(np.minimum(survival, end) * 30) / 30  # days, so that some are tied
    before, start = peak_memory(), time.process_time()
    cox.fit(cox.risk(when, survival <= end), x)
    spent = time.process_time() - start
    return genes * people / spent, (peak_memory() - before) / (genes * people)


def main(genes: int = 20_000) -> None:
    rate, size = large()
    print(f"32 genes x 50,000 people, 5 % with an event: {rate:,.0f} genes x people/s, {size:.0f} bytes each in a call")
    print(f"{'':34s}{'batches (s)':>12s}{'loop (s)':>12s}{'times':>8s}{'differ by':>12s}")
    for tied in (False, True):
        when, event, x = data(genes, tied=tied)
        start = time.perf_counter()
        got = cox.fit(cox.risk(when, event), x)
        mine = time.perf_counter() - start
        each, other = loop(when, event, x, 15.0)
        n = len(other)
        parts = [(got.coef[:n, 0], "coef"), (got.se[:n, 0], "se"), (got.lrt[:n], "lrt")]
        apart = max(float(np.max(np.abs(a - other[c]) / np.maximum(np.abs(other[c]), 0.05))) for a, c in parts)
        name = f"{genes:,} x {PATIENTS}, {'whole months' if tied else 'no ties'}"
        print(f"{name:34s}{mine:12.2f}{each * genes:12.1f}{each * genes / mine:8.0f}{apart:12.1e}")
    rng = np.random.default_rng(2)
    start = time.perf_counter()
    meta.pool(rng.normal(0, 0.3, (genes, 6)), rng.uniform(0.1, 0.3, (genes, 6)))
    print(f"{f'REML over 6 cohorts, {genes:,} genes':34s}{time.perf_counter() - start:12.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
