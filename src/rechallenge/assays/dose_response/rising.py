"""Whether the response rises with the dose, from the data alone: no IC50 is read from such a curve."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: rise (top third of the doses less the bottom third, fraction of vehicle) from which no IC50 nor bound is given
LARGE_RISE = 0.3
#: level of the one-sided test of the slope over log dose, and of the test that a dose mean lies off the level
ALPHA = 0.01


def rise_of_response(dosed: pd.DataFrame, n_curves: int, level: float) -> pd.DataFrame:
    """Per curve: `_rise` (NaN where no rise is shown), and `_returns` (below the level, and above it at higher doses).

    `dosed` holds curve, dose_um (above 0), replicate and response, one row per biological replicate and dose. A rise
    is shown where the slope of the response over log dose is above 0 (one-sided t test at `ALPHA`); its size is the
    mean over the highest third of the doses less that over the lowest third. A dose mean lies off the level where it
    does so by t at `ALPHA` with the scatter between replicates pooled over the doses; nothing is said where there is
    one replicate.
    """
    from scipy.stats import t as student

    data = dosed.assign(x=np.log(dosed["dose_um"]))
    of = data["curve"]
    x = data["x"] - data["x"].groupby(of).transform("mean")
    y = data["response"] - data["response"].groupby(of).transform("mean")
    sums = pd.DataFrame({"xx": x * x, "xy": x * y, "yy": y * y, "n": 1.0}).groupby(of).sum()
    sums = sums.reindex(range(n_curves))
    df = sums["n"] - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = sums["xy"] / sums["xx"]
        rest = (sums["yy"] - slope * sums["xy"]).clip(lower=0.0)
        p = pd.Series(student.sf(slope / np.sqrt(rest / df / sums["xx"]), df), index=sums.index)
    means = data.groupby(["curve", "dose_um"])["response"].agg(["mean", "var", "size"])
    place = means.groupby(level="curve").cumcount()
    total = means.groupby(level="curve")["mean"].transform("size")
    third = (total / 3).clip(lower=1.0).astype("int64")
    low = means["mean"].where(place < third).groupby(level="curve").mean()
    high = means["mean"].where(place >= total - third).groupby(level="curve").mean()
    out = pd.DataFrame({"_rise": (high - low).reindex(range(n_curves))})
    out["_rise"] = out["_rise"].where((p < ALPHA) & (slope > 0))

    loose = (means["size"] - 1).groupby(level="curve").transform("sum")
    pooled = (means["var"].fillna(0.0) * (means["size"] - 1)).groupby(level="curve").transform("sum")
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = student.ppf(1.0 - ALPHA, loose) * np.sqrt(pooled / loose / means["size"])
    under = (means["mean"] + reach < level).astype("int64").groupby(level="curve").cumsum() > 0
    over = (means["mean"] - reach > level) & under
    out["_returns"] = over.groupby(level="curve").any().reindex(range(n_curves), fill_value=False)
    return out
