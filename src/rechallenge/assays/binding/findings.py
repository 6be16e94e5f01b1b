"""Claims of binding, and the figures: sensorgrams with their fit, isotherms, KD with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.assays.binding.affinity import OPEN, UNCHANGED
from rechallenge.assays.binding.contract import each
from rechallenge.assays.binding.fits import KINETIC, STEADY
from rechallenge.evidence import claim_table
from rechallenge.report.words import bound, equals, interval, number


def _best(binding: pd.DataFrame) -> pd.DataFrame:
    """One row per protein, variant and ligand: kinetic before steady state, a number before a bound."""
    rank = binding["status"].map({"estimated": 0, "censored": 1}).fillna(2) * 2 + (binding["method"] != KINETIC)
    ordered = binding.assign(_rank=rank).sort_values(["protein", "variant", "ligand", "_rank"], kind="mergesort")
    return ordered.drop_duplicates(["protein", "variant", "ligand"]).drop(columns="_rank")


@claims(title="What the ligand binds, and how tightly")
def binding_claims(binding: pd.DataFrame, binding_mutants: pd.DataFrame) -> pd.DataFrame:
    """One claim per protein, variant and ligand, and one per mutant. Binding says nothing of resistance (0)."""
    rows = []
    for row in each(_best(binding)):
        name = row.protein + ("" if row.variant == "wild type" else f" {row.variant}")
        rows.append(
            {
                "entity": row.protein, "effect": row.kd_um, "effect_unit": "µM KD", "ci_low": row.ci_low,
                "ci_high": row.ci_high, **_test(row), "n": row.n, "status": row.status,
                "source_rows": row.source_rows, "contrast": f"{row.ligand} on {name}",
                "claim": _sentence(row, name),
            }
        )  # fmt: skip
    shown = {(r.protein, r.variant, r.ligand): r.method for r in each(_best(binding))}
    for row in each(binding_mutants):
        if shown.get((row.protein, row.variant, row.ligand)) != row.method:
            continue
        rows.append(
            {
                "entity": row.protein, "effect": row.ratio, "effect_unit": f"fold KD of {row.reference}",
                "ci_low": row.ci_low, "ci_high": row.ci_high, **_test(row), "n": row.n, "status": row.status,
                "source_rows": row.source_rows,
                "contrast": f"{row.ligand} on {row.protein} {row.variant} vs {row.reference}", "claim": _mutant(row),
            }
        )  # fmt: skip
    common = {"entity_type": "gene", "stream": "binding", "level": "engagement", "direction": 0,
              "analysis": "binding", "source_table": "binding"}  # fmt: skip
    return claim_table({**common, **r} for r in rows)


def _test(row: Any) -> dict[str, float]:
    """p and q, which only an estimate has."""
    return {"p_value": row.p_value, "q_value": row.q_value} if row.status == "estimated" else {}


def _sentence(row: Any, name: str) -> str:
    how = "by kinetics" if row.method == KINETIC else "at equilibrium"
    n = f"n = {int(row.n)} experiment{'s' if row.n != 1 else ''}"
    if row.status == "estimated":
        limits = f"{100 * row.confidence:g} % interval {interval(row.ci_low, row.ci_high)}, {row.interval}"
        text = f"{row.ligand} binds {name} with KD {number(row.kd_um)} µM ({limits}; {how}, {n}"
        if row.half_life_s == row.half_life_s:
            text += f"; half-life of the complex {number(row.half_life_s)} s"
        seen = "p < 10⁻¹⁵" if row.p_value < 1e-15 else equals("p", row.p_value)
        return text + f"; {seen} against no binding)."
    if row.status == "censored":
        return f"{row.ligand} binds {name} with KD {bound(row.ci_low, row.ci_high)} µM ({how}, {n}; {row.reason})."
    return f"{row.ligand} and {name}: KD is not determined ({row.reason}; {how}, {n})."


def _mutant(row: Any) -> str:
    what = f"{row.variant} of {row.protein} and {row.ligand}"
    limits = f"{100 * row.confidence:g} % interval {interval(row.ci_low, row.ci_high)}"
    if row.status == "estimated":
        test = f"; {equals('p', row.p_value)}" if row.p_value == row.p_value else ""
        text = f"KD {number(row.ratio)} times that of {row.reference} ({limits}{test}; n = {row.n}; {row.design})"
        if row.verdict == UNCHANGED:
            return f"{what}: unchanged within {row.margin:g}-fold, {text}."
        return f"{what}: binding {row.verdict if row.verdict != OPEN else 'neither changed nor unchanged'}, {text}."
    if row.status == "censored":
        return f"{what}: KD at least {number(row.ci_low)} times that of {row.reference} ({row.reason}; n = {row.n})."
    return f"{what}: not compared with {row.reference} ({row.reason})."


def _panels(binding_curves: pd.DataFrame, part: str, most: int) -> tuple[pd.DataFrame, list[str]]:
    data = binding_curves[binding_curves["part"] == part].copy()
    variant = data["variant"].where(data["variant"] != "wild type", "")
    data["panel"] = (data["protein"] + " " + variant).str.strip() + ", " + data["ligand"]
    several = data.groupby("panel")["replicate"].transform("nunique") > 1
    data["panel"] += (" (" + data["replicate"] + ")").where(several, "")
    panels = list(dict.fromkeys(data["panel"]))[:most]
    return data[data["panel"].isin(panels)].reset_index(drop=True), panels


@figure(
    title="Sensorgrams",
    caption="Response over time, blank-subtracted where a blank was run, at each concentration (colour), with the "
    "global 1:1 fit in black. At most six experiments are shown, in the order of the names.",
)
def binding_sensorgrams(binding_curves: pd.DataFrame) -> Any:
    """Measured courses and fits, one panel per experiment."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SEQUENTIAL, SINGLE, facets, sized

    data, panels = _panels(binding_curves, KINETIC, 6)
    if data.empty:
        return None
    of = alt.Chart(data).encode(
        alt.X("seconds:Q", title="Time (s)"),
        detail="cycle:N",
        tooltip=["cycle:N", "concentration_um:Q", "seconds:Q", "response:Q", "fitted:Q"],
    )
    colour = alt.Color(
        "concentration_um:Q", title="Ligand (µM)", scale=alt.Scale(type="log", scheme=SEQUENTIAL, reverse=True)
    )
    y = alt.Y("response:Q", title="Response")
    chart = alt.layer(
        of.mark_line(strokeWidth=0.8).encode(y, colour),
        of.mark_line(strokeWidth=0.6, color="black").encode(alt.Y("fitted:Q", title="Response")),
    ).properties(width=130, height=90)
    columns = min(3, len(panels))
    return sized(
        facets(chart, data, "panel", columns=columns, independent_y=True), DOUBLE if len(panels) > 1 else SINGLE
    )


@figure(
    title="Binding at equilibrium",
    caption="Response at equilibrium over concentration: every point, and the fitted hyperbola at the concentrations "
    "measured. At most nine experiments are shown, in the order of the names. A curve that does not bend gives a bound "
    "of KD and no number.",
)
def binding_isotherms(binding_curves: pd.DataFrame) -> Any:
    """Response over concentration, one panel per experiment."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, dose_axis, facets, sized

    data, panels = _panels(binding_curves, STEADY, 9)
    data = data[data["concentration_um"] > 0].reset_index(drop=True)
    if data.empty:
        return None
    axis = dose_axis(data["concentration_um"], title="Ligand (µM)")
    of = axis.place(alt.Chart(data), "concentration_um").encode(axis.x())
    chart = alt.layer(
        of.mark_line(color="black", strokeWidth=0.8).encode(alt.Y("fitted:Q", title="Response")),
        of.mark_point().encode(
            alt.Y("response:Q", title="Response"), tooltip=["concentration_um:Q", "response:Q", "fitted:Q"]
        ),
    ).properties(width=110, height=80)
    columns = min(3, len(panels))
    return sized(
        facets(chart, data, "panel", columns=columns, independent_y=True), DOUBLE if len(panels) > 1 else SINGLE
    )


@figure(
    title="Dissociation constants",
    caption="KD with its interval, one row per protein, variant, ligand and method. An arrow marks a bound: the ligand "
    "binds more weakly (or more tightly) than the concentrations can show. Dashed line: highest concentration tested. "
    "At most 40 rows.",
)
def binding_constants(binding: pd.DataFrame) -> Any:
    """Forest of KD."""
    from rechallenge.report.theme import SINGLE, forest, sized

    if binding.empty or not binding["status"].isin(["estimated", "censored"]).any():
        return None
    table = binding.head(40).copy()
    variant = table["variant"].where(table["variant"] != "wild type", "")
    how = np.where(table["method"] == KINETIC, "kinetic", "steady state")
    table["label"] = (table["protein"] + " " + variant).str.strip() + ", " + table["ligand"] + ", " + how
    table["note"] = table["reason"].where(table["reason"] != "", table["status"])
    columns = ["label", "kd_um", "ci_low", "ci_high", "n", "note"]
    limits = ("kd_um", "ci_low", "ci_high")
    top = float(table["c_high_um"].max())
    return sized(forest(table[columns], "label", *limits, title="KD (µM)", reference=top, note="note"), SINGLE)
