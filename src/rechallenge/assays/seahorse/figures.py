"""Traces of the rates, parameters by plate, and their differences."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.seahorse.injections import BASAL, GLYCO, MITO
from rechallenge.assays.seahorse.parameters import PARAMETERS, labelled

#: groups in one figure
MOST = 8
_TITLE = {MITO: "OCR (pmol/min)", GLYCO: "ECAR (mpH/min)"}
_NAMES = {"atp_linked": "ATP-linked", "atp_from_respiration": "ATP from respiration",
          "atp_from_glycolysis": "ATP from glycolysis", "non_mitochondrial": "non-mitochondrial",
          "non_glycolytic": "non-glycolytic"}  # fmt: skip


def _word(parameter: str) -> str:
    return _NAMES.get(parameter, parameter.replace("_", " "))


@figure(
    title="Seahorse traces",
    caption="Rates over time in the mitochondrial (OCR) and glycolytic (ECAR) stress test. Thin lines and points are "
    f"plate means, thick lines their means; dashed lines mark injections. At most {MOST} groups, in order of "
    "their names.",
)
def seahorse_traces(
    seahorse: pd.DataFrame, models: pd.DataFrame, seahorse_injections: pd.DataFrame | None = None
) -> Any:
    """OCR and ECAR over time, one chart per test."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SMALL, sized

    table = labelled(seahorse, models, seahorse_injections)
    table = table[~table["background"] & (table["flagged"] != "yes")]
    charts = []
    for assay, rate in ((MITO, "ocr"), (GLYCO, "ecar")):
        mine = table[(table["assay"] == assay) & table[rate].notna()]
        if mine.empty:
            continue
        kept = sorted(set(mine["group"]))[:MOST]
        mine = mine[mine["group"].isin(kept)]
        by = ["group", "plate", "measurement"]
        plates = mine.groupby(by, sort=True).agg(minutes=("minutes", "mean"), rate=(rate, "mean")).reset_index()
        means = plates.groupby(["group", "measurement"], sort=True)[["minutes", "rate"]].mean().reset_index()
        data = pd.concat([plates.assign(level="plate"), means.assign(level="mean", plate="all")], ignore_index=True)
        colour = alt.Color("group:N", title="Group", sort=kept)
        x = alt.X("minutes:Q", title="Time (min)")
        y = alt.Y("rate:Q", title=_TITLE[assay], scale=alt.Scale(zero=False))
        base = alt.Chart(data).encode(x, y, colour, tooltip=["group:N", "plate:N", "minutes:Q", "rate:Q"])
        plate = base.transform_filter("datum.level === 'plate'")
        marks = _marks(mine)
        layers = [
            alt.Chart(marks).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5).encode(x=x),
            alt.Chart(marks)
            .mark_text(angle=270, align="right", baseline="bottom", dy=-1, fontSize=SMALL, color=MUTED, limit=70)
            .encode(x=x, y=alt.value(0), text="injection:N"),
            plate.mark_line(strokeWidth=0.4, opacity=0.6).encode(detail="plate:N"),
            plate.mark_point(size=6, opacity=0.6),
            base.transform_filter("datum.level === 'mean'").mark_line(strokeWidth=1.3),
        ]
        charts.append(alt.layer(*layers).properties(width=190, height=120))
    if not charts:
        return None
    return sized(alt.hconcat(*charts).resolve_scale(color="independent"), DOUBLE)


def _marks(rows: pd.DataFrame) -> pd.DataFrame:
    """When each injection was made: between the last measurement before it and the first after."""
    times = rows.groupby("measurement")["minutes"].mean()
    first = rows[rows["phase"] != BASAL].groupby("injection")["measurement"].min().sort_values()
    out = []
    for name, number in first.items():
        before = times[times.index < number]
        at = (times[number] + before.iloc[-1]) / 2 if len(before) else times[number]
        out.append({"minutes": float(at), "injection": str(name)})
    return pd.DataFrame(out, columns=["minutes", "injection"])


@figure(
    title="Bioenergetic parameters",
    caption="Parameters of the stress tests. Points are plate means, ticks their means over plates. "
    f"At most {MOST} groups, in order of their names.",
)
def bioenergetics_plates(bioenergetics: pd.DataFrame) -> Any:
    """Every plate's value of every parameter, small multiples."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    table = bioenergetics[bioenergetics["value"].notna()].copy()
    if table.empty:
        return None
    table = table[table["group"].isin(sorted(set(table["group"]))[:MOST])]
    order = [p for ps in PARAMETERS.values() for p in ps]
    table["panel"] = [f"{_word(p)} ({u})" for p, u in zip(table["parameter"], table["unit"], strict=True)]
    table["_n"] = table["parameter"].map({p: i for i, p in enumerate(order)})
    table = table.sort_values(["_n", "group", "plate"])
    data = table[["panel", "group", "plate", "level", "value", "ci_low", "ci_high", "n"]]
    of = alt.Chart(data).encode(
        alt.X("group:N", title=None, axis=alt.Axis(labels=False, ticks=False)),
        alt.Y("value:Q", title=None, scale=alt.Scale(zero=True)),
        alt.Color("group:N", title="Group"),
        tooltip=["panel:N", "group:N", "plate:N", "value:Q", "n:Q"],
    )
    chart = alt.layer(
        of.transform_filter("datum.level === 'all plates'").mark_tick(orient="horizontal", size=12),
        of.transform_filter("datum.level === 'plate'").mark_point(size=14),
    ).properties(width=90, height=60)
    return sized(facets(chart, data, "panel", columns=4, independent_y=True), DOUBLE)


@figure(
    title="Bioenergetics between groups",
    caption="Difference of each parameter relative to the reference group, with 95 % intervals (plates as replicates); "
    "dashed line: no difference. At most 40 rows, those with the smallest p first.",
)
def bioenergetics_forest(bioenergetics_contrasts: pd.DataFrame) -> Any:
    """Forest of relative differences."""
    from rechallenge.report.theme import DOUBLE, forest, sized

    table = bioenergetics_contrasts.sort_values(["p_value", "contrast", "parameter"], kind="mergesort").head(40).copy()
    if table.empty:
        return None
    table = table.sort_values(["contrast", "assay", "parameter"], kind="mergesort")
    scale = 100 / table["reference_value"].where(table["reference_value"] > 0)
    for c in ("effect", "ci_low", "ci_high"):
        table[c] = table[c] * scale
    table["label"] = table["contrast"] + ": " + table["parameter"].map(_word)
    table["note"] = table["status"].where(scale.notna(), "reference not above 0").str.replace("_", " ")
    table = table[["label", "effect", "ci_low", "ci_high", "p_value", "q_value", "n", "note"]]
    limits = ("effect", "ci_low", "ci_high")
    title = "Difference from the reference (% of it)"
    return sized(forest(table, "label", *limits, title=title, log=False, note="note", width=150), DOUBLE)
