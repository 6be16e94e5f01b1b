"""What a study itself says of a drug's plasma concentration: its `[exposure]`, read alike by every stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TOTAL = ("cmax_total", "cmax_total_um", "cmax", "cmax_um", "total", "total_um", "cavg_ss", "cavg_ss_um",
         "ctrough_ss", "ctrough_ss_um")  # fmt: skip
FREE = ("cmax_free", "cmax_free_um", "free", "free_um", "unbound_um")
UNBOUND = ("fraction_unbound", "unbound_fraction", "fu")


def own_exposure(exposures: pd.DataFrame | None, *names: str) -> dict[str, float]:
    """The largest `total` and `free` concentration (µM) and `unbound` fraction that the study gives under any of the
    drug's `names` (compared without case and punctuation); only what is there. `exposures`: drug, quantity, value."""
    import pandas as pd

    if exposures is None or exposures.empty or not {"drug", "quantity", "value"} <= set(exposures.columns):
        return {}
    mine = exposures[exposures["drug"].map(_plain).isin({_plain(n) for n in names if n})]
    found: dict[str, float] = {}
    for quantity, value in zip(mine["quantity"], pd.to_numeric(mine["value"], errors="coerce"), strict=True):
        name = str(quantity).strip().casefold()
        kind = "total" if name in TOTAL else "free" if name in FREE else "unbound" if name in UNBOUND else ""
        if kind and value > 0:
            found[kind] = max(float(value), found.get(kind, 0.0))
    return found


def own_limits(exposures: pd.DataFrame | None, *names: str) -> tuple[float, float] | None:
    """The study's own total and free concentration (µM), the free one by its unbound fraction where only that is given;
    NaN for what is unknown, None where the study gives neither."""
    own = own_exposure(exposures, *names)
    nan = float("nan")
    total = own.get("total", nan)
    free = own.get("free", total * own.get("unbound", nan))
    return None if total != total and free != free else (total, free)


def verdict(dose: float, total: float, free: float) -> str:
    """As the knowledge tables judge a dose (µM): within free, within total, above by ten times at most, beyond, or
    unknown."""
    if not dose > 0:
        return "unknown"
    if dose <= free:
        return "yes"
    if total != total:
        return "unknown"
    return "total only" if dose <= total else "above" if dose <= 10 * total else "no"


def _plain(name: object) -> str:
    return "".join(ch for ch in str(name).casefold() if ch.isalnum())
