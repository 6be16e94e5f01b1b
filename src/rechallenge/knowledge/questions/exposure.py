"""Can a patient have this concentration? The tested dose beside every sourced exposure.

Free (unbound) concentrations are the fairer comparison for a cell culture; most sources give total ones, so both are
said. Numbers marked as contested, and tissue levels, are shown but decide nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import tables
from rechallenge.knowledge.questions.facts import one_drug

if TYPE_CHECKING:
    import pandas as pd

#: a dose more than this many times the highest total plasma concentration is out of reach
FAR_ABOVE = 10.0
TOTAL = ("cmax_total", "cavg_ss", "ctrough_ss")
WORDS = {
    "cmax_total": "highest plasma concentration, total",
    "cmax_free": "highest plasma concentration, free",
    "cavg_ss": "average plasma concentration, total",
    "ctrough_ss": "trough plasma concentration, total",
    "plasma_range_low": "lower end of a plasma range",
    "plasma_range_high": "upper end of a plasma range",
    "tissue_total": "tissue concentration, total",
    "fraction_unbound": "unbound fraction",
    "protein_bound_percent": "bound to plasma protein",
    "cl_f": "apparent clearance",
}
VERDICTS = {
    "yes": "within the free plasma concentration",
    "total only": "within the total plasma concentration, not shown to be within the free one",
    "above": f"above the total plasma concentration, by {FAR_ABOVE:g} times at most",
    "no": f"more than {FAR_ABOVE:g} times the total plasma concentration",
    "unknown": "no sourced plasma concentration",
}


@dataclass(frozen=True)
class Achievable:
    """A dose beside what patients reach. Concentrations in µM; nan and '' where unknown.

    `verdict` is a key of `VERDICTS`. `free_basis` says whether the free concentration was read or computed here
    (highest total times highest unbound fraction). `spread` is the largest over the smallest total
    number (1 = one number). `rows` are all exposure rows of the drug, deciding or not.
    """

    drug: str
    dose_um: float
    verdict: str
    total_um: float
    total_source: str
    ratio_total: float
    free_um: float
    free_basis: str
    ratio_free: float
    spread: float
    rows: pd.DataFrame
    text: str

    def __str__(self) -> str:
        return self.text


def achievable(drug: str, dose_um: float) -> Achievable:
    """Whether a dose (µM) lies within what patients have in plasma. KnowledgeError for an unknown drug, ValueError for
    a dose that is not positive."""
    if not dose_um > 0:
        raise ValueError(f"a dose is a positive number of µM, not {dose_um!r}")
    name = one_drug(drug)
    frame = tables.table("exposure")
    rows = frame[frame["drug"] == name].reset_index(drop=True)
    sound = rows[rows["value"].notna() & ~rows["confidence"].isin(["contested", "unknown"])]
    totals = sound[sound["quantity"].isin(TOTAL) & (sound["unit"] == "uM")].sort_values("value", kind="stable")
    total, source = (float(totals["value"].iloc[-1]), _where(totals.iloc[-1])) if len(totals) else (math.nan, "")
    free, basis = _free(sound, total)
    spread = float(totals["value"].iloc[-1] / totals["value"].iloc[0]) if len(totals) else math.nan
    ratio_total, ratio_free = dose_um / total, dose_um / free
    verdict = _verdict(ratio_total, ratio_free)
    text = _text(name, dose_um, verdict, (total, source, ratio_total), (free, basis, ratio_free), spread, rows)
    return Achievable(name, dose_um, verdict, total, source, ratio_total, free, basis, ratio_free, spread, rows, text)


def _free(sound: pd.DataFrame, total: float) -> tuple[float, str]:
    """The highest free concentration: as read, or the highest total times the highest unbound fraction."""
    read = sound.loc[(sound["quantity"] == "cmax_free") & (sound["unit"] == "uM"), "value"]
    fraction = sound.loc[sound["quantity"] == "fraction_unbound", "value"]
    options = []
    if len(read):
        options.append((float(read.max()), "as sourced"))
    if len(fraction) and total == total:
        how = f"computed here: {total:.3g} µM x unbound fraction {fraction.max():.3g}"
        options.append((total * float(fraction.max()), how))
    return max(options, default=(math.nan, ""))


def _verdict(ratio_total: float, ratio_free: float) -> str:
    if ratio_free <= 1:
        return "yes"
    if math.isnan(ratio_total):
        return "unknown"
    if ratio_total <= 1:
        return "total only"
    return "above" if ratio_total <= FAR_ABOVE else "no"


def _text(
    drug: str,
    dose: float,
    verdict: str,
    total: tuple[float, str, float],
    free: tuple[float, str, float],
    spread: float,
    rows: pd.DataFrame,
) -> str:
    """The answer in plain lines: verdict, total, free, disagreement, then every source."""
    start = {"yes": "Yes", "total only": "In part", "above": "Hardly", "no": "No"}.get(verdict, "")
    if verdict == "unknown":
        lines = [
            f"Unknown: no plasma concentration that can be relied on is on record for {drug}, "
            f"so {dose:g} µM cannot be judged."
        ]
    else:
        lines = [f"{start}: {dose:g} µM {drug} is {VERDICTS[verdict]}."]
    if not math.isnan(total[0]):
        times = f"{_times(total[2])} the highest sourced total plasma concentration ({total[0]:.3g} µM; {total[1]})"
        lines.append(f"It is {times}{_orders(total[2])}.")
    if not math.isnan(free[0]):
        lines.append(f"It is {_times(free[2])} the highest free concentration ({free[0]:.3g} µM, {free[1]}).")
    elif len(rows):
        lines.append("The free concentration is unknown.")
    if spread > 2:
        low = total[0] / spread
        lines.append(
            f"The total numbers differ {spread:.0f}-fold ({low:.3g} to {total[0]:.3g} µM), in dose and population as "
            "well; the highest is used."
        )
    if not len(rows):
        lines.append("The exposure table has no row for this drug.")
        return "\n".join(lines)
    contested = rows[(rows["confidence"] == "contested") & (rows["unit"] == "uM") & rows["value"].notna()]
    if math.isnan(total[0]) and len(contested):
        high = float(contested["value"].max())
        lines.append(f"Only contested numbers exist: it is {_times(dose / high)} the highest of them ({high:.3g} µM).")
    lines.append("Sources:")
    lines += [f"  {line_of(r)}" for r in rows.to_dict("records")]
    return "\n".join(lines)


def line_of(row: dict[Any, Any]) -> str:
    """One exposure row in words."""
    value = "unknown" if row["value"] != row["value"] else f"{row['value']:.4g} {row['unit'].replace('uM', 'µM')}"
    state = "" if row["state"] == "unknown" else row["state"].replace("_", " ")
    state = "" if state in row["regimen"] else state
    how = ", ".join(filter(None, (state, row["dose"], row["regimen"], row["population"])))
    parts = [f"{value}: {WORDS.get(row['quantity'], row['quantity'])}" + (f" ({how})" if how else "")]
    note = row["note"] if row["note"] != row["source"] else ""
    parts.append(f"[{row['confidence']}] {row['source']}" + (f"; {note}" if note else ""))
    return "; ".join(parts)


def _where(row: Any) -> str:
    how = ", ".join(filter(None, (row["dose"], row["regimen"])))
    return f"{how}; {row['confidence']}" if how else str(row["confidence"])


def _times(ratio: float) -> str:
    if ratio < 1:
        return f"{ratio:.2g} of"
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def _orders(ratio: float) -> str:
    n = round(math.log10(ratio)) if ratio > 0 else 0
    words = {1: "one order", 2: "two orders", 3: "three orders", 4: "four orders", 5: "five orders"}
    return f", about {words.get(n, f'{n} orders')} of magnitude" if n >= 1 else ""
