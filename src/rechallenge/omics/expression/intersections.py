"""Which genes are up, or down, in exactly which resistant lines, beside what chance gives lines with one control.

Lines compared with the same parental samples share the noise of these samples. Given that noise they are independent,
so the number of genes that chance puts into any pattern (called in these lines, not in those) is an integral over one
normal variable per control, exactly, however many lines there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis, figure
from rechallenge.faults import NotApplicable
from rechallenge.omics.expression.design import RESISTANCE
from rechallenge.omics.expression.shared import control, control_share, own_lines

Floats = NDArray[np.float64]
LEX = "doi:10.1109/TVCG.2014.2346248"
COLUMNS = (
    "layer", "direction", "lines", "n_lines", "n_features", "observed", "expected_independent",
    "expected_shared_control", "features",
)  # fmt: skip
#: patterns drawn at most
DRAWN = 14


@analysis(
    title="Genes up or down in exactly these lines",
    methods="Features called at q < {alpha:g} and |log2 fold change| >= {fold:g} were counted by the exact set of "
    "resistant lines in which they are called, beside the number expected by chance of lines that share their parental "
    "samples (a normal variable per control, correlations from the numbers of samples).",
    formula="expected(pattern) = integral over the control's noise of prod_lines P(called or not | noise)",
    oracle=(
        "No outside reference: equals simulated lines with a shared control (tests/omics/test_expression_several.py)"
    ),
    limits="Normal statistics and equal noise are assumed. More than chance is not yet a mechanism.",
)
def line_intersections(differential: pd.DataFrame, *, fold: float = 1.0, alpha: float = 0.05) -> pd.DataFrame:
    """One row per layer, direction and set of lines in which some feature is called, or all of them: `COLUMNS`.

    `observed` features are called in all of `lines` and in no other (so the rows of a line add up to its features);
    `expected_independent` and `expected_shared_control` are what chance gives if each line calls as many features as it
    does. Only features tested in every line of the layer count. Raises NotApplicable with fewer than two lines.
    """
    table = own_lines(differential[(differential["kind"] == RESISTANCE) & differential["p_value"].notna()])
    rows: list[tuple[Any, ...]] = []
    for layer, part in table.groupby("layer", sort=True):
        lines = {f"{d}: {c}": p for (d, c), p in part.groupby(["dataset", "contrast"], sort=True)}
        if len(lines) < 2:
            continue
        if len(set(part["dataset"])) == 1:
            lines = {name.split(": ", 1)[1]: p for name, p in lines.items()}
        common = sorted(set.intersection(*(set(p["feature"]) for p in lines.values())))
        named = [p.drop_duplicates("feature").set_index("feature").loc[common] for p in lines.values()]
        for sign, word in ((1, "up"), (-1, "down")):
            called = np.column_stack([(p["q_value"] < alpha) & (sign * p["log2fc"] >= fold) for p in named])
            rows += _patterns(str(layer), word, list(lines), common, called, named)
    if not rows:
        raise NotApplicable("only one resistant line was compared with its parent")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _patterns(
    layer: str, word: str, names: list[str], features: list[str], called: NDArray[np.bool_], lines: list[pd.DataFrame]
) -> list[tuple[Any, ...]]:
    n = len(features)
    share = called.mean(axis=0) if n else np.zeros(len(names))
    seen = {tuple(map(bool, row)) for row in called[called.any(axis=1)]}
    seen.add((True,) * len(names))
    controls = [control(p) for p in lines]
    loads = [control_share(p) for p in lines]
    out = []
    for pattern in sorted(seen, key=lambda p: (-sum(p), [not v for v in p])):
        inside = (called == np.array(pattern)).all(axis=1)
        alone = float(np.prod(np.where(pattern, share, 1 - share)))
        joint = probability(pattern, share, controls, loads)
        found = [f for f, i in zip(features, inside, strict=True) if i]
        text = "; ".join(m for m, p in zip(names, pattern, strict=True) if p)
        out.append((layer, word, text, sum(pattern), n, len(found), n * alone, n * joint, ";".join(found)))
    return out


def probability(pattern: Sequence[bool], share: Floats, controls: Sequence[object], loads: Sequence[float]) -> float:
    """Chance that a feature is called in the lines where `pattern` is true and in no other.

    `share` [lines] are the shares called; lines of equal `controls` have one normal variable in common, on which line i
    depends with correlation `loads[i]`.
    """
    u = np.linspace(-9.0, 9.0, 1801)
    weight = stats.norm.pdf(u)
    weight = weight / weight.sum()
    out = 1.0
    for one in dict.fromkeys(controls):
        part = np.ones_like(u)
        for i in (k for k, c in enumerate(controls) if c == one):
            rest = np.sqrt(1 - loads[i] ** 2)
            chance = stats.norm.sf((stats.norm.isf(share[i]) - loads[i] * u) / rest)
            part = part * (chance if pattern[i] else 1 - chance)
        out *= float(part @ weight)
    return out


@figure(
    title="Genes up or down over resistant lines",
    caption="Features called (q < 0.05, at least twofold) in exactly the lines marked below each pair of bars, up and "
    "down apart, after Lex et al. 2014 ("
    + LEX
    + "). Black marks: the number that chance gives lines which share their "
    "parental samples; right: all features called in each line. First layer; at most fourteen sets.",
)
def line_sets(line_intersections: pd.DataFrame) -> Any:
    """UpSet plot of the lines in which features are called."""
    table = line_intersections[line_intersections["layer"] == line_intersections["layer"].max()]
    if table.empty or not table["observed"].sum():
        return None
    return _upset(table)


def _upset(table: pd.DataFrame) -> Any:
    import altair as alt

    from rechallenge.report.style import MUTED
    from rechallenge.report.theme import DOUBLE, sized

    total = table.groupby("lines").agg(observed=("observed", "sum"), n_lines=("n_lines", "first"))
    shown = total.sort_values(["observed", "n_lines"], ascending=False, kind="mergesort").head(DRAWN)
    sets = shown.sort_values(["n_lines", "observed"], ascending=False, kind="mergesort").index.tolist()
    names = sorted({n for s in table["lines"] for n in s.split("; ")})
    part = table[table["lines"].isin(sets)]
    bars = part[["lines", "direction", "observed", "expected_independent", "expected_shared_control"]].copy()
    bars["_draw_top"] = bars[["observed", "expected_shared_control"]].max(axis=1)
    high = 12 * len(names)
    x = alt.X("lines:N", sort=sets, title=None, axis=None, scale=alt.Scale(paddingInner=0.3))
    offset = alt.XOffset("direction:N", sort=["up", "down"])
    colour = alt.Color("direction:N", title="Direction", sort=["up", "down"],
                       scale=alt.Scale(domain=["up", "down"], range=["#D55E00", "#0072B2"]))  # fmt: skip
    base = alt.Chart(bars).encode(x, offset)
    count = alt.Y("observed:Q", title="Features called (count)")
    top = alt.layer(
        base.mark_bar().encode(count, colour),
        base.mark_text(dy=-5).encode(alt.Y("_draw_top:Q"), text="observed:Q"),
        base.mark_tick(color="black", thickness=1.2, width=9, orient="horizontal").encode(
            alt.Y("expected_shared_control:Q")
        ),
    ).properties(width=24 * len(sets), height=90)
    cells = pd.DataFrame([{"lines": s, "line": n, "inside": n in s.split("; ")} for s in sets for n in names])
    y = alt.Y("line:N", sort=names, title=None, axis=alt.Axis(labelLimit=150, domain=False, ticks=False))
    dots = alt.Chart(cells).encode(x, y)
    links = alt.Chart(cells[cells["inside"]]).mark_line(color="black", strokeWidth=1).encode(x, y, detail="lines:N")
    grid = alt.layer(
        dots.mark_point(filled=True, size=28, opacity=1).encode(
            color=alt.condition("datum.inside", alt.value("black"), alt.value(MUTED)),
            opacity=alt.condition("datum.inside", alt.value(1), alt.value(0.35)),
        ),
        links,
    ).properties(width=24 * len(sets), height=high)
    whole = pd.DataFrame(
        [
            {"line": n, "direction": d, "called": int(t["observed"].sum())}
            for n in names
            for d, t in table[[n in s.split("; ") for s in table["lines"]]].groupby("direction", sort=True)
        ]
    )
    sizes = (
        alt.Chart(whole)
        .mark_bar()
        .encode(
            alt.X("called:Q", title="All called (count)"),
            alt.Y("line:N", sort=names, title=None, axis=None),
            alt.YOffset("direction:N", sort=["up", "down"]),
            colour,
        )
        .properties(width=70, height=high)
    )
    return sized(alt.vconcat(top, alt.hconcat(grid, sizes, spacing=8), spacing=4), DOUBLE)
