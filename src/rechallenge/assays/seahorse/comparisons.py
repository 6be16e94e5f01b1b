"""Bioenergetic parameters compared between groups, plates as replicates, and what follows as Evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis, claims
from rechallenge.assays.seahorse.parameters import PARAMETERS
from rechallenge.contrasts import Comparison, Group
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.report.words import equals, interval, number
from rechallenge.stats.factorial import contrast
from rechallenge.stats.multiplicity import bh

WELCH = "doi:10.1093/biomet/34.1-2.28"
#: parameter -> what it stands for, as the entity of a claim
PATHWAY = {
    "basal": "mitochondrial respiration", "atp_linked": "ATP-linked respiration", "proton_leak": "proton leak",
    "maximal": "maximal respiration", "spare_capacity": "spare respiratory capacity", "glycolysis": "glycolysis",
    "glycolytic_capacity": "glycolytic capacity", "glycolytic_reserve": "glycolytic reserve",
}  # fmt: skip
COLUMNS = (
    "model", "contrast", "kind", "group", "reference", "treatment", "assay", "parameter", "group_value",
    "reference_value", "effect", "effect_unit", "relative", "se", "df", "ci_low", "ci_high", "statistic", "p_value",
    "q_value", "n", "design", "direction", "gene", "sense", "gene_direction", "status", "reason", "source_table",
    "source_rows",
)  # fmt: skip
#: why a test of two plates says little
TWO_PLATES = (
    "two plates leave one degree of freedom: an interval of 12.7 standard errors either way; a third plate makes it 4.3"
)


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


def _methods(bioenergetics_contrasts: pd.DataFrame, confidence: float, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in bioenergetics_contrasts["design"] if d})
    return (
        "Bioenergetic parameters were compared between groups by t tests on plate means, a plate that holds both "
        f"groups being a block ({'; '.join(designs) or 'no design complete'}; {WELCH} where independent), with "
        f"{100 * confidence:g} % intervals, adjusted by Benjamini and Hochberg "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x)."
    )


@analysis(
    title="Bioenergetics between groups",
    reference=WELCH,
    methods=_methods,
    formula="difference of plate means between groups, paired by plate where both are on it, else Welch t",
    oracle="No outside reference: planted rates and nulls (tests/assays/test_seahorse.py)",
    limits="Two plates leave one degree of freedom. A change of respiration alone names no gene.",
)
def bioenergetics_contrasts(
    bioenergetics: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    reference: str = "",
) -> pd.DataFrame:
    """Difference of every parameter between groups, plates as replicates: `COLUMNS`.

    Groups that name a model are compared as everywhere (a resistant model with its parent, a treatment with vehicle,
    declared contrasts); `reference` names a group that all others are compared with where their names hold no model.
    A group in which a gene was lowered or raised (siAKR1B1, AKR1B1 OE) is compared with the control of its kind; `gene`
    and `sense` (-1, +1) name it. `relative` is the effect over the reference. `direction` is +1 or -1 where a resistant
    model differs from its parent at q < `alpha`; `gene_direction` is +1 where more of the gene moves the parameter of a
    resistant model further the way in which that model differs, -1 where it takes the difference back, both at
    q < `alpha`, else 0. Raises NotApplicable where no two groups can be compared.
    """
    means = bioenergetics[(bioenergetics["level"] == "plate") & bioenergetics["value"].notna()]
    sheet = groups.grouped(means.rename(columns={"plate": "replicate"}))
    pairs = [
        (c, [groups.members(sheet, g, c.stratum) for g in (c.group, c.reference)])
        for c in groups.of(sheet[sheet["model"] != ""], models, contrasts, within=("assay",))
    ]
    if reference:
        pairs += [p for p in _against(sheet, reference) if len(sheet)]
    done = {}
    for one, gene, sense in groups.perturbed(sheet, within=("assay",)):
        done[one.stratum, one.group, one.reference] = (gene, sense)
        if all((one.stratum, one.group, one.reference) != (c.stratum, c.group, c.reference) for c, _ in pairs):
            pairs.append((one, [groups.members(sheet, g, one.stratum) for g in (one.group, one.reference)]))
    rows = []
    for one, sides in pairs:
        gene, sense = done.get((one.stratum, one.group, one.reference), ("", 0))
        told = {"tells": groups.direction(one, models), "gene": gene, "sense": sense}
        rows += [{**row, **told} for row in _rows(sheet, one, sides, confidence)]
    if not rows:
        raise NotApplicable(
            "no two groups can be compared: name models in the groups, or a reference group as the option reference"
        )
    out = pd.DataFrame(rows)
    out["q_value"] = bh(out["p_value"])
    sign = np.sign(out["effect"]).where(out["q_value"] < alpha, 0).fillna(0)
    out["direction"] = (sign * out.pop("tells")).astype(int)
    out["gene_direction"] = _gene_directions(out, sign.astype(int))
    order = {p: i for i, p in enumerate(p for ps in PARAMETERS.values() for p in ps)}
    out["_order"] = out["parameter"].map(order)
    out = out.sort_values(["kind", "contrast", "assay", "_order"], kind="mergesort").reset_index(drop=True)
    return out.assign(source_table="seahorse").loc[:, list(COLUMNS)]


def _gene_directions(out: pd.DataFrame, sign: pd.Series) -> list[int]:
    """What a gene does to the difference of a resistant model from its parent, by the significant contrasts of both."""
    resistant = out[(out["kind"] == "resistance") & (out["treatment"] == groups.VEHICLE)]
    keys = zip(resistant["model"], resistant["parameter"], strict=True)
    differs = dict(zip(keys, resistant["direction"], strict=True))
    told = zip(out["gene"], out["sense"], sign, out["model"], out["parameter"], strict=True)
    return [int(sense * s * differs.get((model, name), 0)) if gene else 0 for gene, sense, s, model, name in told]


def _against(sheet: pd.DataFrame, reference: str) -> list[tuple[Comparison, list[np.ndarray]]]:
    """Every group against one named group, within each assay."""
    out = []
    for assay in sorted(set(sheet["assay"])):
        mine = (sheet["assay"] == assay).to_numpy()
        names = sorted(set(sheet.loc[mine, "group"]))
        if reference not in names:
            continue
        for name in names:
            if name != reference:
                one = Comparison(
                    "declared", Group(name), Group(reference), (("assay", assay),), f"{name} vs {reference}"
                )
                sides = [mine & (sheet["group"] == n).to_numpy() for n in (name, reference)]
                out.append((one, sides))
    return out


def _rows(sheet: pd.DataFrame, one: Comparison, sides: list[np.ndarray], confidence: float) -> list[dict[str, Any]]:
    assay = dict(one.stratum)["assay"]
    out = []
    for parameter in PARAMETERS[assay]:
        found = [sheet[s & (sheet["parameter"] == parameter).to_numpy()] for s in sides]
        if not any(len(f) for f in found):
            continue
        arms = [{str(k): float(v) for k, v in f.groupby("replicate")["value"].mean().items()} for f in found]
        result = contrast(arms, [1, -1], confidence=confidence, names=[one.group.label, one.reference.label])
        if result.status == "estimated" and result.df < 2:
            result = replace(result, reason="; ".join(filter(None, (result.reason, TWO_PLATES))))
        values = [float(np.mean(list(a.values()))) if a else np.nan for a in arms]
        numbers = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status", "reason")
        out.append(
            {
                **{k: getattr(result, k) for k in numbers},
                "model": one.model,
                "contrast": one.contrast,
                "kind": one.kind,
                "group": one.group.label,
                "reference": one.reference.label,
                "treatment": one.group.treatment,
                "assay": assay,
                "parameter": parameter,
                "group_value": values[0],
                "reference_value": values[1],
                "effect_unit": next((str(u) for f in found for u in f["unit"]), ""),
                "relative": result.effect / values[1] if values[1] > 0 else np.nan,
                "source_rows": groups.origins(r for f in found for r in f["source_rows"]),
            }
        )
    return out


@claims(title="Energy metabolism")
def bioenergetics_claims(bioenergetics_contrasts: pd.DataFrame) -> pd.DataFrame:
    """One claim per resistance contrast and parameter; contrasts of a treatment where they are significant (q < 0.05).

    The entity is the pathway that a parameter stands for: respiration names no gene. Genes that were lowered or raised
    have claims of their own (`bioenergetics_gene_claims`).
    """
    table = bioenergetics_contrasts
    wanted = table["parameter"].isin(list(PATHWAY)) & ((table["kind"] == "resistance") | (table["q_value"] < 0.05))
    return claim_table(
        {
            "entity": PATHWAY[row.parameter],
            "entity_type": "pathway",
            "level": "intervention" if row.kind == "treatment" else "association",
            "direction": row.direction,
            **_numbers(row),
            "claim": f"{PATHWAY[row.parameter]}: {_sentence(row)}",
        }
        for row in _each(table[wanted])
    )


@claims(title="Genes that energy metabolism depends on")
def bioenergetics_gene_claims(bioenergetics_contrasts: pd.DataFrame) -> pd.DataFrame:
    """One claim per parameter for every gene that the study lowered, raised, or inhibited by a drug with one primary
    target; level intervention.

    The direction is that of `gene_direction`: a gene speaks for resistance only where the resistant model differs from
    its parent in the same parameter and more of the gene moves it further; elsewhere 0, since a change of respiration
    is neither resistance nor sensitivity. Claims through a drug have direction 0: its other actions are not excluded.
    """
    table = bioenergetics_contrasts[bioenergetics_contrasts["parameter"].isin(list(PATHWAY))]
    rows = []
    for row in _each(table[table["kind"] == "treatment"]):
        gene, how = (str(row.gene), f"{row.gene} {'raised' if row.sense > 0 else 'lowered'}") if row.gene else ("", "")
        if not gene:
            gene, how = _target(str(row.treatment))
        if gene:
            means = {1: "; more of it goes with resistance", -1: "; more of it goes against resistance"}
            way = means.get(row.gene_direction, "; what that means for resistance is not shown")
            entry = {"entity": gene, "entity_type": "gene", "level": "intervention", "direction": row.gene_direction}
            text = f"{gene}: {how}, {PATHWAY[row.parameter]} {_sentence(row)[:-1]}{way}."
            rows.append({**entry, **_numbers(row), "claim": text})
    return claim_table(rows)


def _target(treatment: str) -> tuple[str, str]:
    """The one primary target that knowledge lists for a drug given alone, and that in words; ('', '') otherwise."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions import targets_of

    try:
        found = targets_of(re.sub(r"^[\d.]+\s*[nµum]M\s+", "", treatment), primary=True)
    except KnowledgeError:
        return "", ""
    if len(found) != 1 or found["action"].iloc[0] not in ("inhibitor", "antagonist", "agonist"):
        return "", ""
    row = found.iloc[0]
    said = f"{treatment} is listed as its {row['action']} ({row['source']}; other actions are not excluded)"
    return str(row["target"]), said


def _numbers(row: Any) -> dict[str, Any]:
    """What every claim takes over from a contrast."""
    same = ("model", "contrast", "effect", "effect_unit", "se", "ci_low", "ci_high", "statistic", "p_value", "q_value",
            "n", "status", "source_table", "source_rows")  # fmt: skip
    return {"stream": "bioenergetics", "analysis": "bioenergetics_contrasts", **{c: getattr(row, c) for c in same}}


def _sentence(row: Any) -> str:
    lead = str(row.contrast)
    why = f" [{row.reason}]" if row.reason else ""
    if row.effect != row.effect:
        return f"{lead}: not determined{why}."
    share = f" ({100 * row.relative:+.0f} %)".replace("-", "−") if row.relative == row.relative else ""
    text = (
        f"{lead}: {number(row.group_value)} against {number(row.reference_value)} {row.effect_unit}, difference "
        f"{number(row.effect)}{share}"
    )
    n = f"n = {row.n} plates, {row.design.split(';')[0].replace('replicate', 'plate')}"
    if row.status != "estimated":
        return f"{text} (not tested; {n}){why}."
    test = f"t = {row.statistic:.2f}, {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    return f"{text} (95 % interval {interval(row.ci_low, row.ci_high)}; {test}; {n}){why}."
