"""Rescue: how much of a drug's killing do inhibitors of death pathways take back?

    fraction = (drug + inhibitor - drug) / (vehicle - drug)

on viability (biological replicate as the unit): 1 where the inhibitor takes all of the killing back, 0 where none,
below 0 where cells die more with it. Nothing is said of a fraction where the killing itself is not shown. Fieller's
interval holds for a ratio of means of a few replicates; a bootstrap over replicates is beside it. What the inhibitor
does to cells without the drug is given with it, where that was measured.

A pathway whose inhibitor takes killing back is one by which the drug kills; one whose inhibitor adds to the killing
protects the cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.contrasts import is_vehicle
from rechallenge.evidence import claim_table
from rechallenge.faults import Fault, NotApplicable
from rechallenge.report.words import equals, interval, number
from rechallenge.stats.factorial import Arm, Ratio, contrast, ratio
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import Column, Contract, place, source_rows

FIELLER = "doi:10.1111/j.2517-6161.1954.tb00159.x"
#: death pathways as the Nomenclature Committee on Cell Death names them
PATHWAYS = "doi:10.1038/s41418-017-0012-4"
#: pathway -> inhibitors and scavengers by the names that labs write
INHIBITORS: Mapping[str, tuple[str, ...]] = {
    "ROS": ("NAC", "N-acetylcysteine", "N-acetyl-L-cysteine", "acetylcysteine", "MitoTEMPO"),
    "ferroptosis": ("Ferrostatin-1", "Fer-1", "Liproxstatin-1", "Lip-1", "Deferoxamine", "DFO"),
    "apoptosis": ("Z-VAD-FMK", "Z-VAD(OMe)-FMK", "Z-VAD", "Q-VD-OPh", "Emricasan"),
    "necroptosis": ("Necrosulfonamide", "NSA", "Necrostatin-1", "Nec-1", "Necrostatin-1s", "Nec-1s", "GSK'872"),
    "autophagy": (
        "3-MA",
        "3-Methyladenine",
        "Chloroquine",
        "CQ",
        "Hydroxychloroquine",
        "HCQ",
        "Bafilomycin A1",
        "BafA1",
    ),
    "pyroptosis": ("VX-765", "Belnacasan", "Ac-YVAD-CMK"),
}
ALL, PART, MORE = "takes all of the killing back", "takes part of the killing back", "adds to the killing"
UNCHANGED, UNTESTED = "no rescue shown", "not tested"
COLUMNS = (
    "model", "contrast", "treatment", "inhibitor", "pathway", "effect", "effect_unit", "se", "df", "ci_low", "ci_high",
    "boot_low", "boot_high", "statistic", "p_value", "p_holm", "q_value", "n", "killing", "killing_ci_low",
    "killing_ci_high", "killing_p_value", "alone", "alone_p_value", "confidence", "design", "family", "direction",
    "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
_DOSE = r"[\s,(@]+[\d.]+\s*(?:[pnuµμm]?M|[nuµμm]g/m[lL])\)?$"


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", label.casefold())


def pathway_of(inhibitor: str) -> str:
    """The death pathway that an inhibitor (with or without its dose) blocks; empty where it is not listed.

    >>> pathway_of("NAC 5 mM"), pathway_of("ferrostatin 1"), pathway_of("z-VAD-FMK"), pathway_of("rapamycin")
    ('ROS', 'ferroptosis', 'apoptosis', '')
    """
    name = _plain(re.sub(_DOSE, "", inhibitor.strip()))
    return next((path for path, names in INHIBITORS.items() if name in {_plain(n) for n in names}), "")


def complete_design(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model needs vehicle cells without inhibitor, every treatment itself without inhibitor."""
    bare = frame["inhibitor"].fillna("").map(is_vehicle)
    vehicle = frame["treatment"].fillna("").map(is_vehicle)
    for model, rows in frame.groupby("model", sort=True):
        where = {**place(frame, rows.index[0]), "severity": "warning"}
        mine = frame["model"] == model
        if not (mine & bare & vehicle).any():
            yield Fault(
                "no-vehicle",
                f"{model} has no vehicle cells without inhibitor, so the killing is not known.",
                "Add the rows, with treatment vehicle and inhibitor none.",
                column="treatment",
                value=str(model),
                **where,
            )
        for treatment in sorted(set(frame.loc[mine & ~vehicle & ~bare, "treatment"].astype(str))):
            if not (mine & bare & (frame["treatment"] == treatment)).any():
                yield Fault(
                    "no-treatment-alone",
                    f"{treatment} on {model} was only tested with inhibitors, so nothing can be taken back from it.",
                    "Add the rows with inhibitor none.",
                    column="inhibitor",
                    value=treatment,
                    **where,
                )


RESCUE = Contract(
    name="rescue",
    about="Killing taken back by death-pathway inhibitors: one row per well, or per condition and replicate.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells")),
        Column("treatment", "drug or combination as labelled; vehicle for the control", required=True),
        Column("inhibitor", "none, NAC, Ferrostatin-1, Z-VAD-FMK, ...", required=True, also=("rescue", "rescue agent")),
        Column("replicate", "biological replicate: an experiment of its own", required=True, also=("experiment",)),
        Column("viability", "fraction of vehicle (1 = as vehicle), not per cent", "number", required=True,
               unit="fraction of vehicle", low=0.0, high=3.0, measured=True),
    ),
    rules=(complete_design,),
    example=(
        "model,treatment,inhibitor,replicate,viability\n"
        "HepG2,vehicle,none,1,1.00\n"
        "HepG2,sorafenib + lefamulin,none,1,0.31\n"
        "HepG2,sorafenib + lefamulin,NAC,1,0.88\n"
        "HepG2,vehicle,NAC,1,1.01\n"
    ),
)  # fmt: skip


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per model, treatment, inhibitor and biological replicate."""
    out = table.copy()
    for name, bare in (("treatment", "vehicle"), ("inhibitor", "none")):
        out[name] = out[name].fillna("").astype(str).str.strip()
        out[name] = out[name].where(~out[name].map(is_vehicle), bare)
    out["replicate"] = out["replicate"].astype(str)
    keys = ["model", "treatment", "inhibitor", "replicate"]
    return out.dropna(subset=["viability"]).groupby(keys, sort=True)["viability"].mean().reset_index()


def _methods(rescue: pd.DataFrame, confidence: float, alpha: float, n_boot: int, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in rescue["design"] if d})
    draws = f" and {n_boot} bootstrap draws over replicates" if n_boot else ""
    return (
        "The fraction of the killing taken back by an inhibitor is (drug with inhibitor - drug) / (vehicle - drug) on "
        "viability, technical wells averaged and the biological replicate as the unit "
        f"({', '.join(designs) or 'no design complete'}), with Fieller's interval ({FIELLER}) at "
        f"{100 * confidence:g} %{draws}; it was tested against 0 by the t test of its numerator, adjusted by Holm "
        f"within model and treatment (called at {alpha:g}) and by Benjamini and Hochberg over all "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x). No fraction was estimated where the killing itself was not shown. "
        f"Inhibitors stand for death pathways ({PATHWAYS})."
    )


@analysis(
    title="Killing taken back by inhibitors",
    reference=(FIELLER, PATHWAYS),
    methods=_methods,
    formula="fraction = (drug + inhibitor - drug) / (vehicle - drug), with Fieller's limits",
    oracle=(
        "No outside reference: planted pathways and Fieller's closed form (tests/assays/test_rescue.py, "
        "tests/stats/test_factorial.py)"
    ),
    limits=(
        "An inhibitor has other targets, and its dose is the user's. Where the killing itself is not shown no "
        "fraction is given. The bootstrap beside it is too short with few replicates."
    ),
)
def rescue(
    rescue: pd.DataFrame, *, confidence: float = 0.95, alpha: float = 0.05, n_boot: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Fraction of the killing that each inhibitor takes back; one row per model, treatment, inhibitor: `COLUMNS`.

    `effect` is the fraction with Fieller's limits `ci_low`, `ci_high` and the bootstrap's `boot_low`, `boot_high`
    (percentiles, biological replicates resampled; too short with few replicates). `p_value` tests that nothing is taken
    back; Holm's family is in `family`. `killing` is vehicle minus drug with its own interval and test: where that
    interval holds 0 the fraction is "not_estimable". `alone` is inhibitor minus vehicle, both without drug. `direction`
    of the pathway is -1 where the drug kills through it, +1 where blocking it adds to the killing (Holm-adjusted
    p < `alpha`). Raises NotApplicable where no treatment was given with an inhibitor.
    """
    means = replicate_means(rescue)
    rows = []
    for model, part in means.groupby("model", sort=True):
        arms: dict[tuple[str, str], dict[str, float]] = {
            (str(t), str(i)): dict(zip(v["replicate"], v["viability"], strict=True))
            for (t, i), v in part.groupby(["treatment", "inhibitor"])
        }
        for treatment, inhibitor in sorted(arms):
            if treatment != "vehicle" and inhibitor != "none":
                key = f"{model}|{treatment}|{inhibitor}"
                found = _fraction(arms, treatment, inhibitor, confidence, n_boot, seed, key)
                rows.append({"model": model, "treatment": treatment, "inhibitor": inhibitor, **found})
    if not rows:
        raise NotApplicable("no treatment with an inhibitor is in the table of rescues")
    out = pd.DataFrame(rows)
    out["contrast"] = out["treatment"] + ", " + out["inhibitor"] + " vs none"
    out["pathway"] = [pathway_of(i) for i in out["inhibitor"]]
    out["effect_unit"], out["confidence"] = "fraction of the killing taken back", confidence
    out["family"] = out["model"] + ", " + out["treatment"]
    out["p_holm"] = out.groupby("family")["p_value"].transform(lambda p: holm(p.to_numpy()))
    out["q_value"] = bh(out["p_value"])
    out["verdict"] = [_verdict(row, alpha) for row in _each(out)]
    out["direction"] = out["verdict"].map({ALL: -1, PART: -1, MORE: 1}).fillna(0).astype(int)
    out["source_table"] = "rescue"
    out["source_rows"] = [_origin(rescue, row) for row in _each(out)]
    return out.loc[:, list(COLUMNS)]


def _fraction(
    arms: Mapping[tuple[str, str], Arm],
    treatment: str,
    inhibitor: str,
    confidence: float,
    n_boot: int,
    seed: int,
    key: str,
) -> dict[str, Any]:
    """The fraction, the killing below it, and what the inhibitor does alone."""
    three = [arms.get(k, {}) for k in ((treatment, inhibitor), (treatment, "none"), ("vehicle", "none"))]
    names = [f"{treatment} with {inhibitor}", f"{treatment} alone", "vehicle"]
    found = ratio(three, [1, -1, 0], [0, -1, 1], confidence=confidence, n_boot=n_boot, seed=seed, key=key, names=names)
    under = found.denominator
    two = [arms.get(("vehicle", inhibitor), {}), three[2]]
    alone = contrast(two, [1, -1], confidence=confidence)
    numbers = (
        "effect",
        "se",
        "df",
        "ci_low",
        "ci_high",
        "boot_low",
        "boot_high",
        "statistic",
        "p_value",
        "n",
        "design",
    )
    return {
        **{k: getattr(found, k) for k in numbers},
        "killing": under.effect,
        "killing_ci_low": under.ci_low,
        "killing_ci_high": under.ci_high,
        "killing_p_value": under.p_value,
        "alone": alone.effect,
        "alone_p_value": alone.p_value,
        "status": found.status,
        "reason": _reason(found, confidence),
    }


def _reason(found: Ratio, confidence: float) -> str:
    under = found.denominator
    if "denominator" not in found.reason:
        return found.reason
    said = f"vehicle minus drug {number(under.effect)}"
    if np.isfinite(under.ci_low):
        said += f", {100 * confidence:g} % interval {interval(under.ci_low, under.ci_high)}"
    return f"the killing itself is not shown ({said})"


def _verdict(row: Any, alpha: float) -> str:
    if row.status != "estimated":
        return UNTESTED
    if not row.p_holm < alpha:
        return UNCHANGED
    if row.effect < 0:
        return MORE
    return ALL if row.ci_high >= 1 else PART


def _origin(table: pd.DataFrame, row: Any) -> str:
    """The rows of the table that a fraction rests on."""
    if "_row" not in table.columns:
        return ""
    treatment, inhibitor = (table[c].fillna("").astype(str).str.strip() for c in ("treatment", "inhibitor"))
    bare, vehicle = inhibitor.map(is_vehicle), treatment.map(is_vehicle)
    mine = (treatment == row.treatment) | vehicle
    used = (table["model"] == row.model) & table["viability"].notna() & mine & (bare | (inhibitor == row.inhibitor))
    return source_rows(table.loc[used, "_file"], table.loc[used, "_row"])


@claims(title="Pathways by which the drug kills")
def rescue_claims(rescue: pd.DataFrame) -> pd.DataFrame:
    """One claim per listed inhibitor: the drug kills through the pathway (-1), it protects (+1), nothing shown (0)."""
    rows = []
    for row in _each(rescue[rescue["pathway"] != ""]):
        role = {-1: f"{row.treatment} kills through it", 1: "it protects the cells"}.get(
            row.direction, f"no part in the killing by {row.treatment} shown"
        )
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            {
                "entity": row.pathway,
                "entity_type": "pathway",
                "stream": "rescue",
                "level": "intervention",
                **{c: getattr(row, c) for c in ("model", "contrast", "direction", "effect", "effect_unit", "se")},
                **{c: getattr(row, c) for c in ("ci_low", "ci_high", "statistic", "p_value", "q_value", "n", "status")},
                "analysis": "rescue",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": f"{row.pathway}: {role} in {row.model}; {_numbers(row)}{why}.",
            }
        )
    return claim_table(rows)


def _numbers(row: Any) -> str:
    """What the inhibitor does, with its numbers, bounds where nothing is shown, and its effect without the drug."""
    if row.effect != row.effect:
        return f"what {row.inhibitor} takes back is not determined"
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}"
    if row.status != "estimated":
        text = (
            f"{row.inhibitor} takes back {number(row.effect)} of the killing of {number(row.killing)} (not tested; {n})"
        )
    else:
        test = f"t = {row.statistic:.2f}, {equals('p', row.p_value)}, {equals('Holm p', row.p_holm)}"
        limits = f"{100 * row.confidence:g} % interval {interval(row.ci_low, row.ci_high)}"
        text = (
            f"{row.inhibitor}: {row.verdict}, fraction {number(row.effect)} of a killing of {number(row.killing)} "
            f"({limits}; {test}, {equals('q', row.q_value)}; {n})"
        )
        if row.verdict == UNCHANGED and 0 < row.ci_high < 0.5:
            text += f", at most {number(row.ci_high)}"
    if row.alone_p_value < 0.05:
        text += f"; {row.inhibitor} alone changes viability by {number(row.alone)} ({equals('p', row.alone_p_value)})"
    return text


@figure(
    title="Viability with inhibitors",
    caption="Viability of every treatment with and without inhibitors, one panel per model. Circles are biological "
    "replicates (technical wells averaged), bars their means.",
)
def rescue_viability(rescue_table: pd.DataFrame) -> Any:
    """Every replicate of every treatment and inhibitor beside its mean."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    points = replicate_means(rescue_table).assign(part="replicate")
    if points.empty:
        return None
    arm = ["model", "treatment", "inhibitor"]
    middle = points.groupby(arm, sort=False)["viability"].mean().reset_index().assign(part="mean")
    data = pd.concat([points, middle], ignore_index=True)
    inhibitors = sorted(set(data["inhibitor"]), key=lambda i: (i != "none", pathway_of(i), i))
    treatments = sorted(set(data["treatment"]), key=lambda t: (t != "vehicle", t))
    of = alt.Chart(data).encode(
        alt.X("inhibitor:N", title="Inhibitor", sort=inhibitors, axis=alt.Axis(labelAngle=-45)),
        alt.XOffset("treatment:N", sort=treatments),
        alt.Y("viability:Q", title="Viability (fraction of vehicle)"),
        alt.Color("treatment:N", title="Treatment", sort=treatments),
        tooltip=["model:N", "treatment:N", "inhibitor:N", "replicate:N", "viability:Q"],
    )
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", thickness=1.2, size=8),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14),
    ).properties(width=max(110, 12 * len(inhibitors) * len(treatments)), height=90)
    count = data["model"].nunique()
    return sized(facets(chart, data, "model", columns=min(2, count)), DOUBLE if count > 1 else SINGLE)


@figure(
    title="Killing taken back",
    caption="Fraction of the killing that each inhibitor takes back, with Fieller's intervals; dashed line: nothing "
    "taken back; 1: all of it. Left of 0: the inhibitor adds to the killing.",
)
def rescue_forest(rescue: pd.DataFrame) -> Any:
    """Forest of the fractions, pathways as colours."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, forest, sized

    if rescue.empty:
        return None
    table = rescue.copy()
    table["shown"] = table["pathway"].where(table["pathway"] != "", "not listed")
    said = [table[c] for c in ("model", "treatment") if len(set(table[c])) > 1]
    table["label"] = table["inhibitor"]
    for one in reversed(said):
        table["label"] = one + ", " + table["label"]
    table["note"] = table["status"].str.replace("_", " ")
    colour = alt.Color("shown:N", title="Pathway", sort=[*INHIBITORS, "not listed"])
    columns = [
        "label",
        "shown",
        "effect",
        "ci_low",
        "ci_high",
        "boot_low",
        "boot_high",
        "p_holm",
        "q_value",
        "n",
        "note",
    ]
    title = "Fraction of the killing taken back"
    limits = ("effect", "ci_low", "ci_high")
    return sized(forest(table[columns], "label", *limits, title=title, log=False, color=colour, note="note"), DOUBLE)
