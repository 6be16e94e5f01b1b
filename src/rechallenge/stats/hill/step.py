"""Where a curve is a step between two tested doses, its slope says nothing of where between them the level lies.

A slope at its upper bound is left out of the covariance as if it were known, and the linear interval of the dose
becomes far too narrow: with slope 5 and half-log doses it covered 2 % of the curves whose slope had ended at the bound.
What the data do say is between which doses the response passes the level.
"""

from __future__ import annotations

import numpy as np

from rechallenge.stats.hill.types import AT_BOUND, Bools, Floats, HillFits, Reason

#: the doses that bracket the level are told from it at this confidence, whatever that of the interval is
CONFIDENCE = 0.95


def step_bracket(
    fits: HillFits, level: float, scale: int, falling: bool, log_dose: Floats, replicate: Bools
) -> tuple[Floats, Floats]:
    """Natural logs of the nearest tested doses [N], [N] on either side of the level whose mean response differs from
    it; -inf and inf where no such dose was tested, nan for curves whose slope is determined.

    A dose mean differs when it is further from the level than t standard errors, from the residual SD and with
    n_replicates - 1 (without replicates: residual) degrees of freedom. ``scale`` as in ``intervals.locate``.
    """
    from scipy.stats import t as student

    total = len(fits)
    lo, hi = np.full(total, np.nan), np.full(total, np.nan)
    steep = ((fits.at_bound & AT_BOUND["h"]) != 0) & (fits.h > np.sqrt(np.prod(fits.h_limits)))
    steep |= fits.reason == Reason.SINGULAR
    steep &= np.isfinite(log_dose)
    if not steep.any():
        return lo, hi
    lo[steep], hi[steep] = -np.inf, np.inf
    data = fits.data
    owner = np.repeat(np.arange(total), np.diff(data.start))
    used = steep[owner] & (data.x > 0)
    owner, x, mean, weight = owner[used], np.log(data.x[used]), data.mean[used], data.weight[used]
    target = fits.einf + (fits.e0 - fits.einf) * level if scale else np.full(total, level)
    down = np.where(scale == 1, fits.e0 >= fits.einf, falling)
    df = np.where(replicate, fits.n_replicates - 1, fits.df)
    with np.errstate(invalid="ignore", divide="ignore"):
        margin = student.ppf(0.5 + CONFIDENCE / 2, np.maximum(df, 1))[owner] * fits.s[owner] / np.sqrt(weight)
    above = np.where(down[owner], mean - target[owner], target[owner] - mean)
    before = (above > margin) & (x < log_dose[owner])
    after = (-above > margin) & (x > log_dose[owner])
    np.maximum.at(lo, owner[before], x[before])
    np.minimum.at(hi, owner[after], x[after])
    return lo, hi
