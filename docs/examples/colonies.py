"""Colony formation: which share of single cells still grows to a colony under the drug, and does resistance keep it?

    plating efficiency = colonies / cells seeded                      (vehicle)
    surviving fraction = colonies / (cells seeded x plating efficiency)

per model and experiment (Franken et al. 2006, doi:10.1038/nprot.2006.339). The experiment is the unit: dishes of one
experiment are added up. A resistant line is compared with its parent on log2 surviving fraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import Fault, NotApplicable
from rechallenge.stats.factorial import contrast
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import Column, Contract, place, source_rows

FRANKEN = "doi:10.1038/nprot.2006.339"
#: fewer colonies than this on the vehicle dishes of an experiment make its plating efficiency a guess
FEW = 20


# 1. The table contract: what the lab's table must hold, in the lab's words.
def enough_colonies(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A rule looks at the whole table; its faults name row and remedy."""
    vehicle = frame[frame["dose_um"] == 0]
    for (model, replicate), rows in vehicle.groupby(["model", "replicate"], sort=True):
        if rows["colonies"].sum() < FEW:
            yield Fault(
                "few-colonies",
                f"{model}, experiment {replicate}: {rows['colonies'].sum():g} colonies without drug.",
                f"Seed more cells: below {FEW} colonies the plating efficiency is a guess.",
                column="colonies",
                severity="warning",
                **place(frame, rows.index[0]),
            )


CONTRACT = Contract(
    name="colonies",
    about="Colonies counted, one row per dish; vehicle has dose 0.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model"),
        Column("drug", "the drug; dishes with dose 0 are its vehicle", required=True, refers="drug"),
        Column("dose_um", "dose", "number", required=True, unit="µM", low=0),
        Column("replicate", "experiment (biological replicate)", required=True, also=("experiment",)),
        Column("seeded", "cells seeded", "number", required=True, low=0, low_open=True),
        Column("colonies", "colonies of 50 cells or more", "number", required=True, measured=True, low=0),
    ),
    rules=(enough_colonies,),
    example="model,drug,dose_um,replicate,seeded,colonies\nHuh-7 P,sorafenib,0,1,500,210\n"
    "Huh-7 P,sorafenib,5,1,500,31\n",
)
COLUMNS = (
    "model", "parent", "drug", "dose_um", "survival", "survival_parent", "effect", "se", "df", "ci_low", "ci_high",
    "statistic", "p_value", "q_value", "n", "status", "reason", "source_rows",
)  # fmt: skip


# 2. The analysis: a pure function from tables to a table, with what a reader must know of it.
@analysis(
    title="Survival of colonies",
    reference=(FRANKEN, "doi:10.1093/biomet/34.1-2.28"),
    methods="Surviving fractions are colonies over cells seeded, relative to vehicle of the same experiment "
    f"({FRANKEN}); resistant lines were compared with their parents on log2 surviving fraction by Student's t test "
    "over shared experiments, else Welch's ({confidence:.0%} intervals; q by Benjamini and Hochberg).",
    formula="SF = colonies / (seeded x plating efficiency); effect = log2 SF(resistant) - log2 SF(parent)",
    oracle="No outside reference: equal to the paired t test of scipy (tests/test_example.py)",
    limits="Where no colony is left the dish gives no logarithm and its experiment is left out. Colonies at one "
    "density say nothing of cells that help each other grow.",
)
def colony_survival(colonies: pd.DataFrame, models: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per resistant model, drug and dose: `COLUMNS`; `effect` is log2, above 0 the resistant line does better.

    Raises NotApplicable where no resistant model and its parent were seeded with one drug.
    """
    keys = ["model", "drug", "dose_um", "replicate"]
    dishes = colonies.groupby(keys, sort=True)[["colonies", "seeded"]].sum().reset_index()
    dishes["share"] = dishes["colonies"] / dishes["seeded"]
    vehicle = dishes[dishes["dose_um"] == 0].set_index(["model", "drug", "replicate"])["share"]
    at = pd.MultiIndex.from_frame(dishes[["model", "drug", "replicate"]])
    dishes["survival"] = dishes["share"] / vehicle.reindex(at).to_numpy()
    made = []
    for line in models[models["parent"].astype(str) != ""].itertuples():
        for (drug, dose), mine in dishes[(dishes["model"] == line.model) & (dishes["dose_um"] > 0)].groupby(
            ["drug", "dose_um"], sort=True
        ):
            theirs = dishes[(dishes["model"] == line.parent) & (dishes["drug"] == drug) & (dishes["dose_um"] == dose)]
            if theirs.empty:
                continue
            arms = [_logs(mine), _logs(theirs)]
            found = contrast(arms, [1, -1], confidence=confidence, names=[str(line.model), str(line.parent)])
            rows = colonies[colonies["model"].isin([line.model, line.parent]) & (colonies["drug"] == drug)]
            made.append(
                (line.model, line.parent, drug, dose, _mean(mine), _mean(theirs), found.effect, found.se, found.df,
                 found.ci_low, found.ci_high, found.statistic, found.p_value, np.nan, found.n, found.status,
                 found.reason, source_rows(rows["_file"], rows["_row"]) if "_file" in rows else "")
            )  # fmt: skip
    if not made:
        raise NotApplicable("no resistant model and its parent were seeded with one drug")
    out = pd.DataFrame(made, columns=list(COLUMNS))
    out["q_value"] = bh(out["p_value"].to_numpy(float))
    return out


def _logs(dishes: pd.DataFrame) -> dict[str, float]:
    """Experiment -> log2 surviving fraction; experiments without a colony have none."""
    kept = dishes[dishes["survival"] > 0]
    return dict(zip(kept["replicate"].astype(str), np.log2(kept["survival"]), strict=True))


def _mean(dishes: pd.DataFrame) -> float:
    return float(dishes["survival"].mean())


# 3. The evidence: one plain sentence with its numbers per row.
@claims(title="Resistant lines that keep forming colonies")
def colony_claims(colony_survival: pd.DataFrame) -> pd.DataFrame:
    """Rows of Evidence: about the drug, +1 where the resistant line survives it."""
    rows = []
    for r in colony_survival[colony_survival["status"] == "estimated"].itertuples():
        shown = r.q_value < 0.05
        rows.append(
            {
                "entity": r.drug, "entity_type": "drug", "stream": "colonies", "level": "association",
                "model": r.model, "contrast": f"{r.model} vs {r.parent}", "direction": int(np.sign(r.effect)) * shown,
                "effect": r.effect, "effect_unit": "log2 surviving fraction", "se": r.se, "ci_low": r.ci_low,
                "ci_high": r.ci_high, "statistic": r.statistic, "p_value": r.p_value, "q_value": r.q_value, "n": r.n,
                "status": "estimated", "analysis": "colony_survival", "source_table": "colonies",
                "source_rows": r.source_rows,
                "claim": f"{r.drug} at {r.dose_um:g} µM leaves {r.survival:.0%} of the colonies of {r.model} and "
                f"{r.survival_parent:.0%} of those of {r.parent}: "
                + ("" if shown else "no difference shown, ")
                + f"{2**r.effect:.2f}-fold ({2**r.ci_low:.2f} to {2**r.ci_high:.2f}; q = {r.q_value:.2g}; n = {r.n} "
                "experiments).",
            }
        )  # fmt: skip
    return claim_table(rows)


# 4. The figure: an Altair chart, or None where there is nothing to draw.
@figure(title="Survival of colonies", caption="Surviving fraction of every experiment over dose, one panel per drug.")
def colony_curves(colonies_table: pd.DataFrame) -> Any:
    """Every experiment as a point."""
    import altair as alt

    from rechallenge.report.theme import SINGLE, sized

    table = colonies_table.groupby(["model", "drug", "dose_um", "replicate"])[["colonies", "seeded"]].sum()
    table = (table["colonies"] / table["seeded"]).rename("share").reset_index()
    if table.empty:
        return None
    chart = (
        alt.Chart(table)
        .mark_point(size=12)
        .encode(
            alt.X("dose_um:Q", title="Dose (µM)"),
            alt.Y("share:Q", title="Colonies per cell seeded"),
            alt.Color("model:N", title=None),
        )
    )
    return sized(chart, SINGLE)
