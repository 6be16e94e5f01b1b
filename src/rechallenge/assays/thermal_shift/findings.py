"""Claims of engagement, and the figures: volcano, melting curves and bands of the strongest, normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.assays.thermal_shift.prepare import BANDS, DARTS, DOSES, MELTING
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number
from rechallenge.stats.melt import curve

#: false-discovery rate below which a protein of a proteome is claimed (and marked in the volcano)
ALPHA = 0.05


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


@claims(title="Proteins that the drug engages")
def thermal_shift_claims(thermal_shift: pd.DataFrame) -> pd.DataFrame:
    """One claim per protein of a proteome with q < 0.05, and one per protein that was looked at by bands.

    Engagement says that the drug changes a protein's stability, not whether this promotes or overcomes resistance: the
    direction is 0. Where runs could be exchanged between the arms the p and q of the claim are those of the exchange,
    which keep their level; a protein that only the test with empirical degrees of freedom finds is called a candidate.
    """
    few = thermal_shift["design"].isin([BANDS, DARTS])
    told = thermal_shift[thermal_shift["overall"] & (few | (thermal_shift["q_value"] < ALPHA))]
    rows = [
        {
            "entity": row.gene or row.protein,
            "entity_type": "gene",
            "stream": "thermal_shift",
            "level": "engagement",
            **{c: getattr(row, c) for c in ("model", "contrast", "effect", "effect_unit", "se", "ci_low")},
            **{c: getattr(row, c) for c in ("ci_high", "n", "status", "source_table")},
            **dict(zip(("p_value", "q_value"), _calibrated(row), strict=True)),
            "statistic": row.f_statistic,
            "direction": 0,
            "analysis": "thermal_shift",
            "source_rows": row.source_rows,
            "claim": _sentence(row),
        }
        for row in _each(told)
    ]
    return claim_table(rows)


def _calibrated(row: Any) -> tuple[float, float]:
    """p and q of a row: by exchange of runs where that was possible."""
    exchanged = row.p_exchanged == row.p_exchanged
    return (row.p_exchanged, row.q_exchanged) if exchanged else (row.p_value, row.q_value)


def _sentence(row: Any) -> str:
    name = row.gene or row.protein
    where = f" in {row.model}" if row.model else ""
    if row.status == "not_estimable":
        return f"{name}: whether {row.treatment} engages it{where} is not determined ({row.reason})."
    clear = row.status == "estimated" and row.p_value < ALPHA
    by = "protected from protease" if row.design == DARTS else "stabilised"
    less = "made more open to protease" if row.design == DARTS else "destabilised"
    verb = f"is {by if row.effect > 0 else less} by {row.treatment}" if clear else "no engagement shown"
    limits = interval(row.ci_low, row.ci_high)
    effect = f"{row.effect_unit} {number(row.effect)}"
    effect += f" ({100 * row.confidence:g} % interval {limits})" if limits else ""
    if clear and row.design == MELTING and row.ci_low <= 0 <= row.ci_high:
        verb = f"melts otherwise with {row.treatment}, replicates not agreeing on up or down"
    candidate = row.design == MELTING and not _calibrated(row)[1] < ALPHA
    if clear and candidate:
        verb = verb.replace("is ", "may be ", 1).replace("melts", "may melt", 1)
    if row.status != "estimated":
        return f"{name}: {effect}{where}, {row.treatment} vs vehicle; not tested ({row.reason}; n = {row.n})."
    if row.design == DOSES and row.pec50_status:
        test = f"moderated F = {row.f_statistic:.3g}"
    elif row.design == MELTING:
        test = f"F = {row.f_statistic:.3g}"
        test += f" on {row.df1:.3g} and {row.df2:.3g} degrees of freedom" if row.df1 == row.df1 else ""
    else:
        test = f"t = {row.statistic:.2f} on {row.df2:.3g} degrees of freedom"
    test += f", {equals('p', row.p_value)}, {equals('q', row.q_value)}, n = {row.n} replicates of both arms together"
    if row.design == DOSES and row.pec50_status:
        test = test.replace(" replicates of both arms together", " experiment" + ("s" if row.n > 1 else ""))
        test += ", doses and temperatures being the repetition within" if row.n == 1 else ""
    if row.design == MELTING and row.df1 == row.df1 and row.q_exchanged == row.q_exchanged:
        test += f"; with runs exchanged {equals('q', row.q_exchanged)}"
    if row.design in (BANDS, DARTS):
        test = test.replace(" replicates of both arms together", f", {row.block}")
    how = {MELTING: "melting curves", BANDS: "bands", DARTS: "protease"}.get(row.design, row.condition)
    head = f"{name} {verb}{where}" if clear else f"{name}: {verb} by {row.treatment}{where}"
    return f"{head} ({how}): {effect}{_tm(row)}{_pec50(row)}; {test}."


def _pec50(row: Any) -> str:
    if row.pec50_status == "estimated":
        at = f" at {row.temperature_c:g} °C"
        return f"; pEC50 {row.pec50:.2f} ({interval(row.pec50_low, row.pec50_high)}){at}"
    if row.pec50_status == "censored" and row.pec50_reason:
        return f"; pEC50 {_bound(row)} ({row.pec50_reason})"
    return ""


def _bound(row: Any) -> str:
    if np.isinf(row.pec50_low):
        return f"below {row.pec50_high:.2f}"
    return f"above {row.pec50_low:.2f}" if np.isinf(row.pec50_high) else f"{row.pec50_low:.2f} to {row.pec50_high:.2f}"


def _tm(row: Any) -> str:
    if row.tm_status == "estimated" and row.delta_tm_c == row.delta_tm_c:
        limits = interval(row.delta_tm_low, row.delta_tm_high)
        return f"; melting point {number(row.delta_tm_c)} °C" + (f" ({limits})" if limits else "")
    if row.tm_status == "censored":
        if np.isinf(row.delta_tm_high):
            return f"; melting point raised by more than {number(row.delta_tm_low)} °C (a bound)"
        return f"; melting point changed by less than {number(row.delta_tm_high)} °C (a bound)"
    return ""


@figure(
    title="Shift of stability across the proteome",
    caption="Every tested protein: effect of the drug (melting curves: mean fraction soluble over the temperatures, "
    "treated minus vehicle; amounts: log2 ratio) against the p-value of its test. Orange: q < 0.05; those with the "
    "smallest p are named where there is room. Effects beyond the axis are drawn at its end.",
)
def thermal_shift_volcano(thermal_shift: pd.DataFrame) -> Any:
    """One volcano per treatment, for designs with a proteome; at most six."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, SMALL, WONG, sized

    table = thermal_shift[~thermal_shift["design"].isin([BANDS, DARTS]) & thermal_shift["p_value"].notna()].copy()
    if table.empty:
        return None
    table["panel"] = [
        ", ".join(filter(None, [r.model, r.treatment, "" if r.design == MELTING else r.condition]))
        for r in _each(table)
    ]
    panels = list(dict.fromkeys(table["panel"]))[:6]
    charts = []
    for panel in panels:
        part = table[table["panel"] == panel]
        data = pd.DataFrame(
            {
                "protein": part["gene"].where(part["gene"] != "", part["protein"]),
                "effect": part["effect"],
                "minus_log10_p": -np.log10(part["p_value"].clip(lower=1e-300)),
                "q_value": part["q_value"],
                "found": np.where(part["q_value"] < ALPHA, "q < 0.05", "not found"),
            }
        ).sort_values("minus_log10_p", ascending=False, kind="mergesort")
        reach = max(0.2, 1.3 * float(data.loc[data["found"] == "q < 0.05", "effect"].abs().max() or 0),
                    float(data["effect"].abs().quantile(0.99)))  # fmt: skip
        data["name"] = _names(data, reach)
        unit = str(part["effect_unit"].iloc[0])
        title = "Change of fraction soluble (mean)" if unit.startswith("fraction") else "Soluble amount (log2 ratio)"
        base = alt.Chart(data).encode(
            alt.X("effect:Q", title=title, scale=alt.Scale(domain=[-reach, reach], clamp=True, nice=False)),
            alt.Y("minus_log10_p:Q", title="−log10 p"),
        )
        points = base.mark_point(size=8).encode(
            alt.Color(
                "found:N",
                title=None,
                scale=alt.Scale(domain=["q < 0.05", "not found"], range=[WONG["vermillion"], "#BBBBBB"]),
                legend=None,
            ),
            tooltip=["protein:N", "effect:Q", "minus_log10_p:Q", "q_value:Q"],
        )
        names = base.transform_filter("datum.name !== ''").mark_text(
            fontSize=SMALL, align="left", dx=3, color=MUTED
        ).encode(text="name:N")  # fmt: skip
        charts.append(alt.layer(points, names).properties(width=160, height=130, title=panel))
    if len(charts) == 1:
        return sized(charts[0], SINGLE)
    return sized(alt.concat(*charts, columns=2), DOUBLE)


def _names(data: pd.DataFrame, reach: float) -> list[str]:
    """Names of the first proteins (strongest first) that do not run into one another, at most twelve."""
    top = max(float(data["minus_log10_p"].max()), 1e-9)
    taken: list[tuple[float, float]] = []
    names = []
    for row in _each(data):
        at = (row.effect / (2 * reach), row.minus_log10_p / top)
        free = all(abs(at[0] - x) > 0.2 or abs(at[1] - y) > 0.05 for x, y in taken)
        show = row.found == "q < 0.05" and len(taken) < 12 and free
        if show:
            taken.append(at)
        names.append(row.protein if show else "")
    return names


@figure(
    title="Melting curves of the strongest shifts",
    caption="Up to twelve proteins with the smallest p of the first comparison with a proteome: every normalised "
    "measurement, and the curve fitted to each arm. Dashed line: half soluble.",
)
def thermal_shift_melting(
    thermal_shift: pd.DataFrame, thermal_shift_points: pd.DataFrame, thermal_shift_curves: pd.DataFrame
) -> Any:
    """Small multiples of melting curves, or of bands where there is no proteome."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, facets, sized

    points = thermal_shift_points.copy()
    if points.empty:
        return None
    wanted = points[points["design"] == MELTING]
    if wanted.empty:
        return _bands(points)
    first = wanted.iloc[0]
    points = wanted[(wanted["model"] == first["model"]) & (wanted["treatment"] == first["treatment"])]
    table = thermal_shift[
        (thermal_shift["model"] == first["model"])
        & (thermal_shift["treatment"] == first["treatment"])
        & (thermal_shift["design"] == MELTING)
    ].sort_values(["p_value", "protein"])
    order = [p for p in table["protein"] if p in set(points["protein"])]
    names = dict(zip(table["protein"], table["gene"].where(table["gene"] != "", table["protein"]), strict=True))
    q = dict(zip(table["protein"], table["q_value"], strict=True))
    label = {p: f"{names[p]} ({equals('q', q[p]) if q[p] >= 0.001 else 'q < 0.001'})" for p in order}
    t = np.linspace(points["temperature_c"].min(), points["temperature_c"].max(), 60)
    arms = thermal_shift_curves[
        (thermal_shift_curves["model"] == first["model"])
        & (thermal_shift_curves["treatment"] == first["treatment"])
        & thermal_shift_curves["protein"].isin(order)
    ]
    fitted = pd.DataFrame(
        {
            "protein": np.repeat(arms["protein"].to_numpy(), len(t)),
            "arm": np.repeat(arms["arm"].to_numpy(), len(t)),
            "temperature_c": np.tile(t, len(arms)),
            "value": curve(arms[["plateau", "a", "b"]].to_numpy(dtype=float), t).ravel(),
            "part": "fit",
        }
    )
    measured = points[["protein", "arm", "replicate", "temperature_c", "value"]].assign(part="measured")
    data = pd.concat([measured, fitted], ignore_index=True)
    data["place"] = data["protein"].map({p: i for i, p in enumerate(order)})
    data["panel"] = data["protein"].map(label)
    data = data.sort_values(["place", "part", "arm", "temperature_c"], kind="mergesort").reset_index(drop=True)
    arms_shown = ["vehicle", str(first["treatment"])]
    of = alt.Chart(data).encode(
        alt.X("temperature_c:Q", title="Temperature (°C)", scale=alt.Scale(zero=False, nice=False)),
        alt.Y("value:Q", title="Fraction soluble"),
        alt.Color("arm:N", title=None, sort=arms_shown),
    )
    half = alt.Chart(pd.DataFrame({"_draw_half": [0.5]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
    chart = alt.layer(
        half.encode(alt.Y("_draw_half:Q")),
        of.transform_filter("datum.part === 'fit'").mark_line(),
        of.transform_filter("datum.part === 'measured'").mark_point(size=9).encode(
            alt.Shape("replicate:N", title="Replicate"), tooltip=["replicate:N", "temperature_c:Q", "value:Q"]
        ),
    ).properties(width=95, height=70)  # fmt: skip
    return sized(facets(chart, data, "panel", columns=4), DOUBLE)


def _bands(points: pd.DataFrame) -> Any:
    """Bands of few proteins over temperature or protease, every replicate and the mean of each arm."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    some = points[points["design"].isin([BANDS, DARTS])]
    if some.empty:
        return None
    data = some.copy()
    protease = data["protease"].fillna("") if "protease" in data.columns else pd.Series("", index=data.index)
    heat = data["temperature_c"].map(lambda x: f"{x:g}" if x == x else "")
    data["level"] = np.where(data["design"] == DARTS, protease.where(protease != "", "none"), heat)
    data["name"] = data["gene"].where(data["gene"].fillna("") != "", data["protein"])
    data["panel"] = data["name"] + ", " + data["treatment"]
    panels = list(dict.fromkeys(data["panel"]))[:8]
    data = data[data["panel"].isin(panels)].assign(part="replicate")
    means = data.groupby(["panel", "arm", "level"], sort=False)["value"].mean().reset_index().assign(part="mean")
    from rechallenge.assays.thermal_shift.levels import _order

    levels = sorted(set(data["level"]), key=lambda x: _order("" if x == "none" else x))
    data = pd.concat([data[["panel", "arm", "replicate", "level", "value", "part"]], means], ignore_index=True)
    title = "Protease" if (some["design"] == DARTS).all() else "Temperature (°C)"
    of = alt.Chart(data).encode(
        alt.X("level:N", title=title, sort=levels, axis=alt.Axis(labelAngle=0)),
        alt.XOffset("arm:N"),
        alt.Y("value:Q", title="Band density (over loading control)"),
        alt.Color("arm:N", title=None, sort=["vehicle"]),
    )
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", thickness=1.2, size=8),
        of.transform_filter("datum.part === 'replicate'")
        .mark_point(size=14)
        .encode(tooltip=["replicate:N", "value:Q"]),
    ).properties(width=max(100, 22 * len(levels)), height=90)
    return sized(facets(chart, data, "panel", columns=min(3, len(panels))), DOUBLE if len(panels) > 1 else SINGLE)


@figure(
    title="Normalisation of the melting curves",
    caption="Medians of each run over the proteins that all runs have, and the factor by which the run was brought to "
    "one melting curve at each temperature. Factors far from 1 mean that runs differ in more than scatter.",
)
def thermal_shift_normalisation(thermal_shift_quality: pd.DataFrame) -> Any:
    """Medians and factors of every run over temperature."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, sized

    table = thermal_shift_quality[thermal_shift_quality["design"] == MELTING].copy()
    if table.empty:
        return None
    table["run"] = table["arm"].astype(str) + " " + table["replicate"].astype(str)
    of = alt.Chart(table).encode(
        alt.X("temperature_c:Q", title="Temperature (°C)", scale=alt.Scale(zero=False)),
        alt.Color("run:N", title="Run"),
        tooltip=["run:N", "temperature_c:Q", "median:Q", "factor:Q", "r2:Q"],
    )

    def panel(field: str, title: str) -> Any:
        y = alt.Y(f"{field}:Q", title=title, scale=alt.Scale(zero=field == "median"))
        return alt.layer(of.mark_line().encode(y), of.mark_point().encode(y)).properties(width=160, height=110)

    return sized(alt.hconcat(panel("median", "Median fraction soluble"), panel("factor", "Factor")), DOUBLE)
