"""`rechallenge demo`: a simulated study, and what a run recovered of what was planted in it."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from rechallenge import simulate
from rechallenge.record import RunRecord


def write(folder: str | Path, *, seed: int = 0) -> Path:
    """The demonstration study in `folder`."""
    return simulate.write_study(folder, seed=seed)


def recovered(record: RunRecord) -> pd.DataFrame:
    """Planted beside recovered resistance index, one row per resistant model and drug: model, drug, planted, ri,
    ci_low, ci_high, status, inside (the interval holds the planted value; None where nothing was planted)."""
    truth = simulate.truth.resistance_indices(simulate.planted())
    found = record.tables["resistance_index"]
    found = found[found["stage"] == ""]  # the stages of escalation are planted and shown apart
    joined = truth.rename(columns={"ri": "planted"}).merge(found, on=["model", "parent", "drug"], how="left")
    estimated = joined["status"].eq("estimated") & joined["planted"].notna()
    inside = joined["planted"].between(joined["ci_low"], joined["ci_high"])
    joined["inside"] = [bool(i) if e else None for i, e in zip(inside, estimated, strict=True)]
    return joined[["model", "drug", "planted", "ri", "ci_low", "ci_high", "status", "inside"]]


def compare(record: RunRecord) -> str:
    """The comparison as a table for the terminal."""
    if "resistance_index" not in record.tables:
        return "The resistance index was not computed; see the failures below."
    table = recovered(record)
    lines = [
        "Resistance index, planted and recovered (95 % interval):",
        f"  {'model':<10}{'drug':<16}{'planted':>8}{'recovered':>11}   interval",
    ]
    for r in table.to_dict("records"):
        planted = f"{r['planted']:.2f}" if math.isfinite(r["planted"]) else "none"
        line = f"  {r['model']:<10}{r['drug']:<16}{planted:>8}"
        if r["status"] == "estimated":
            line += f"{r['ri']:>11.2f}   {r['ci_low']:.2f} to {r['ci_high']:.2f}"
            line += "" if r["inside"] else "   misses the planted value"
        else:
            line += f"{'-':>11}   {r['status'].replace('_', ' ')}"
        lines.append(line)
    tested = [v for v in table["inside"] if v is not None]
    lines.append(f"{sum(tested)} of {len(tested)} intervals hold the planted value (about 95 % should).")
    return "\n".join(lines)
