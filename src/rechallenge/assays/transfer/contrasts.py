"""Which media are compared, and by how much they shift the response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.transfer.labels import (
    FRESH,
    FRESH_LABELS,
    NOTHING,
    Medium,
    Part,
    drugs_of,
    parse_medium,
    parse_modifier,
    plain,
    without_dose,
)
from rechallenge.faults import NotApplicable
from rechallenge.stats.factorial import Contrast, contrast, log2_contrast
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import source_rows

PROTECTS, SENSITISES, UNCHANGED, UNTESTED = "protects", "sensitises", "no change shown", "not tested"
COLUMNS = (
    "model", "contrast", "kind", "medium", "donor", "donor_treatment", "reference", "modifier", "comparator", "drug",
    "doses_um", "entity", "entity_type", "action", "effect", "effect_unit", "se", "df", "ci_low", "ci_high",
    "statistic", "p_value", "p_holm", "q_value", "n", "fold", "fold_ci_low", "fold_ci_high", "confidence",
    "design", "family",
    "direction", "verdict", "status", "reason", "remark", "source_table", "source_rows",
)  # fmt: skip


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


#: dose -> biological replicate -> viability
Doses = dict[float, dict[str, float]]


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per recipient, medium, modifier, drug, dose and biological replicate.

    Rows without drug belong to every drug (`drug` is empty there).
    """
    out = table.copy()
    for name in ("medium", "modifier", "drug"):
        out[name] = out[name].fillna("").astype(str).str.strip() if name in out.columns else ""
    out["modifier"] = out["modifier"].where(out["modifier"].map(parse_modifier).map(len) > 0, "none")
    out["medium"] = out["medium"].where(~out["medium"].map(plain).isin(FRESH_LABELS), FRESH)
    out["replicate"] = out["replicate"].astype(str)
    bare = (out["dose_um"] == 0) | (out["drug"].map(plain).isin(NOTHING))
    out["drug"], out["dose_um"] = out["drug"].where(~bare, ""), out["dose_um"].where(~bare, 0.0)
    keys = ["recipient", "medium", "modifier", "drug", "dose_um", "replicate"]
    return out.dropna(subset=["viability"]).groupby(keys, sort=True)["viability"].mean().reset_index()


def _methods(transfer: pd.DataFrame, confidence: float, alpha: float, floor: float, **_: Any) -> str:
    units = sorted(set(transfer["effect_unit"]))
    designs = sorted({d.split(";")[0] for d in transfer["design"] if d})
    return (
        "Transfer of resistance by conditioned medium was analysed by contrasts of "
        f"{' or '.join(units)}, technical wells averaged and the biological replicate as the unit "
        f"({', '.join(designs) or 'no design complete'}; independent arms after Welch (doi:10.1093/biomet/34.1-2.28) "
        "and Satterthwaite (doi:10.2307/3002019)). "
        f"Intervals are at {100 * confidence:g} %; p-values were adjusted by Holm within recipient, drug and "
        f"question (media, what is in them; called at {alpha:g}) and by Benjamini and Hochberg over all "
        "contrasts (doi:10.1111/j.2517-6161.1995.tb02031.x). "
        f"Viabilities at or below {floor:g} gave bounds."
    )


@analysis(
    title="Transfer by conditioned medium",
    reference="doi:10.1093/biomet/34.1-2.28",
    methods=_methods,
    formula="effect = difference of log2 IC50, or of log2 survival, between media; Holm within its family",
    oracle=(
        "No outside reference: the planted story of a secreted factor; level by simulation "
        "(tests/assays/test_transfer.py)"
    ),
    limits=(
        "Freeze-thaw, antibodies and vesicle depletion are blunt: what they take away is inferred. Media of "
        "different cell numbers differ in more than the factor."
    ),
)
def transfer(
    transfer: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    floor: float = 0.01,
) -> pd.DataFrame:
    """Contrasts of media and of what was done to them, per recipient (`model`) and drug; columns `COLUMNS`.

    `effect` with `se` and limits is on the log2 scale (`effect_unit`: log2 IC50 or log2 survival), `fold` the same as a
    factor; above 0 the recipient is protected. `entity` is what was taken away (`action` -1) or put in (+1);
    `direction` is +1 where it promotes resistance, at Holm-adjusted p < `alpha`. Holm's families (`family`) are, for
    a recipient and drug, the media, and what was taken from or put into them. `remark` says how `effect` was read. An
    antibody is compared with its isotype control where there is one. A viability (mean of a replicate's wells) at or
    below `floor` gives a bound. Raises NotApplicable where nothing can be compared.
    """
    means = replicate_means(transfer)
    parents = {} if models is None else dict(zip(models["model"], models["parent"].fillna(""), strict=True))
    donors = sorted({*parents, *means["recipient"]})
    rows: list[dict[str, Any]] = []
    for recipient, part in means.groupby("recipient", sort=True):
        for drug in sorted(set(part["drug"]) - {""}):
            arms: dict[tuple[str, str], Doses] = {}
            for at in each(part[part["drug"].isin(["", drug])]):
                arms.setdefault((at.medium, at.modifier), {}).setdefault(at.dose_um, {})[at.replicate] = at.viability
            for plan in _plans(sorted(arms), donors, parents):
                found = _effect(arms, plan["first"], plan["second"], floor, confidence)
                row = {"model": recipient, "drug": drug, **plan, **_result(*found)}
                if plan["kind"] == "donor treatment":
                    carried = f"the medium may still hold {plan['entity']} itself"
                    row["remark"] = "; ".join(filter(None, (row["remark"], carried)))
                rows.append(row)
    if not rows:
        raise NotApplicable("no conditioned medium, and none that was modified, is in the table of transfers")
    out = pd.DataFrame(rows)
    out["confidence"] = confidence
    out["fold"], out["fold_ci_low"], out["fold_ci_high"] = (np.exp2(out[c]) for c in ("effect", "ci_low", "ci_high"))
    group = np.select(
        [out["kind"].isin(["medium", "donor treatment"]), out["action"] != 0],
        ["media", "what is in the medium"],
        "controls",
    )
    out["family"] = out["model"] + ", " + out["drug"] + ", " + group
    out["p_holm"] = out.groupby("family")["p_value"].transform(lambda p: holm(p.to_numpy()))
    out["q_value"] = bh(out["p_value"])
    out["verdict"] = [_verdict(row, alpha) for row in each(out)]
    sign = out["verdict"].map({PROTECTS: 1, SENSITISES: -1}).fillna(0).astype(int)
    out["direction"] = sign * out["action"]
    out["source_table"] = "transfer"
    out["source_rows"] = [_origin(transfer, row) for row in each(out)]
    return out.loc[:, list(COLUMNS)]


def _plans(arms: list[tuple[str, str]], donors: list[str], parents: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Which arm is compared with which, and what that says of what."""
    media = {label: parse_medium(label, donors) for label, _ in arms}
    plain_media = {k: m for k, m in media.items() if (k, "none") in arms}
    references = {label: _reference(m, plain_media, parents) for label, m in plain_media.items()}
    for label, modifier in arms:
        medium, parts = media[label], parse_modifier(modifier)
        shared = {
            "medium": label,
            "donor": medium.donor,
            "donor_treatment": medium.treatment,
            "first": (label, modifier),
        }
        if not parts:
            if not medium.donor:
                continue
            bare = {**shared, "modifier": "none", "comparator": "none", "action": 1}
            treated = _treated(medium, plain_media)
            if treated is not None:
                other, given = treated
                yield {
                    **bare, "kind": "donor treatment", "reference": other, "entity": given, "entity_type": "drug",
                    "second": (other, "none"), "contrast": f"{label} vs {other}",
                }  # fmt: skip
            other = references[label]
            if other or not (treated or label in references.values()):
                yield {
                    **bare, "kind": "medium", "reference": other, "entity": "secreted factors",
                    "entity_type": "pathway", "second": (other, "none"),
                    "contrast": f"{label} vs {other or 'no reference medium'}",
                }  # fmt: skip
            continue
        known, against = _comparator(label, modifier, parts, arms)
        beside = "unmodified" if against == "none" else against
        yield {
            **shared, "kind": known.kind, "reference": "", "modifier": modifier, "comparator": against,
            "entity": known.entity, "entity_type": known.entity_type, "action": known.action,
            "second": (label, against), "contrast": f"{label} {modifier} vs {beside}",
        }  # fmt: skip


def _treated(medium: Medium, media: Mapping[str, Medium]) -> tuple[str, str] | None:
    """Medium of the same donor without the last (else the first) drug of its treatment, and that drug; None where that
    was not measured. What the medium then does is due to what the donor was given."""
    parts = drugs_of(medium.treatment)
    for drop in dict.fromkeys((len(parts) - 1, 0)) if parts else ():
        rest = [p for i, p in enumerate(parts) if i != drop]
        for label, other in sorted(media.items()):
            same = sorted(map(plain, drugs_of(other.treatment))) == sorted(map(plain, rest))
            if other.donor == medium.donor and same and label != medium.label:
                return label, without_dose(parts[drop])
    return None


def _reference(medium: Medium, media: Mapping[str, Medium], parents: Mapping[str, str]) -> str:
    """Medium of the donor's parent under the same treatment, else fresh, else none."""
    parent = parents.get(medium.donor, "")
    for donor, treatment in [*([(parent, medium.treatment)] if parent else []), ("", "")]:
        for label, other in sorted(media.items()):
            if (other.donor, other.treatment) == (donor, treatment):
                return label
    return ""


def _comparator(label: str, modifier: str, parts: tuple[Part, ...], arms: list[tuple[str, str]]) -> tuple[Part, str]:
    """The part that a modified medium asks about, and the modifier of the arm to compare with.

    The last part is asked about, against the same medium with the other parts; where that was not measured, several
    parts at once say nothing of one of them.
    """
    there = {parse_modifier(m): m for medium, m in reversed(arms) if medium == label and m != modifier}
    last, before = parts[-1], parts[:-1]
    by_key = {tuple(plain(p.label) for p in key): m for key, m in there.items()}
    wanted = tuple(plain(p.label) for p in before)
    if before:
        if wanted in by_key:
            kind = "restored" if last.action > 0 and any(p.action < 0 for p in before) else last.kind
            return replace(last, kind=kind), by_key[wanted]
        return Part(modifier, "changed", 0), "none"
    isotype = [m for key, m in there.items() if len(key) == 1 and key[0].kind == "isotype"]
    if last.kind == "blocked" and isotype:
        return last, isotype[0]
    return last, "none"


def _effect(
    arms: Mapping[tuple[str, str], Doses], first: tuple[str, str], second: tuple[str, str], floor: float, level: float
) -> tuple[Contrast, str, list[float], str]:
    """First against second: shift of log2 IC50, else difference of log2 survival over the common doses."""
    one, two = arms.get(first, {}), arms.get(second, {})
    common = sorted(d for d in one.keys() & two.keys() if d > 0)
    unit = "log2 survival"
    if not common:
        gone = f"no measurement of {' '.join(second).strip()}" if not two else "the two media have no dose in common"
        nothing = contrast([{}], [1.0], names=[second[0] or "a reference medium"])
        return (
            replace(nothing, reason=gone if second[0] else "no reference medium: neither parental nor fresh"),
            unit,
            [],
            "",
        )
    note = ""
    if len(common) >= 4:
        fitted = [_ic50(a) for a in (one, two)]
        if all(fitted):
            names = [" ".join(first), " ".join(second)]
            return contrast(fitted, [1.0, -1.0], confidence=level, names=names), "log2 IC50", common, ""
        note = "an IC50 lies outside the tested doses in some replicate: survival at the common doses instead"
    # a dose at which both arms are at the floor tells nothing of either
    told = [d for d in common if not all(v <= floor for a in (one, two) for v in a[d].values())]
    if len(told) < len(common):
        note += f"; left out, as nothing survives in either: {', '.join(f'{d:g}' for d in common if d not in told)} µM"
    told = told or common
    growth = bool(one.get(0.0)) and bool(two.get(0.0))
    if not growth:
        note += "; without doses of 0 in both media their effect on growth is not taken off"
    parts, weights, names = [], [], []
    for arm, sign, name in ((one, 1.0, " ".join(first)), (two, -1.0, " ".join(second))):
        for dose in told:
            parts.append(arm[dose])
            weights.append(sign / len(told))
            names.append(f"{name} {dose:g} µM")
        if growth:
            parts.append(arm[0.0])
            weights.append(-sign)
            names.append(f"{name} without drug")
    found = log2_contrast(parts, weights, floor=floor, confidence=level, names=names)
    return found, unit, told, note.strip("; ")


def _ic50(doses: Doses) -> dict[str, float]:
    """log2 IC50 (µM) per biological replicate; empty where one of them lies outside the tested doses."""
    from rechallenge.stats.hill import Bounds, fit_hill

    labels = sorted(set().union(*(v for d, v in doses.items() if d > 0)))
    rows = []
    for i, label in enumerate(labels):
        whole = doses.get(0.0, {}).get(label, 1.0)
        if not whole > 0:
            return {}
        rows += [(i, d, arm[label] / whole) for d, arm in sorted(doses.items()) if d > 0 and label in arm]
    curve, x, y = (np.array(c) for c in zip(*rows, strict=True))
    fits = fit_hill(curve.astype(np.int64), x, y, model="4p", e0=1.0, bounds=Bounds(einf=(0.0, 1.0)))
    at = fits.inverse(0.5)
    inside = (at >= np.log10(fits.x_min)) & (at <= np.log10(fits.x_max)) & (fits.n_doses >= 4)
    if not inside.all():
        return {}
    return {label: float(v) for label, v in zip(labels, at / np.log10(2.0), strict=True)}


def _result(found: Contrast, unit: str, doses: list[float], remark: str) -> dict[str, Any]:
    names = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status", "reason")
    said = " ".join(f"{d:g}" for d in doses)
    return {**{k: getattr(found, k) for k in names}, "effect_unit": unit, "doses_um": said, "remark": remark}


def _verdict(row: Any, alpha: float) -> str:
    if row.status == "censored":
        return SENSITISES if row.ci_high < 0 else PROTECTS if row.ci_low > 0 else UNCHANGED
    if row.status != "estimated":
        return UNTESTED
    if not row.p_holm < alpha:
        return UNCHANGED
    return PROTECTS if row.effect > 0 else SENSITISES


def _origin(table: pd.DataFrame, row: Any) -> str:
    """The rows of the table that a contrast rests on."""
    if "_row" not in table.columns:
        return ""
    modifier = table["modifier"].fillna("").astype(str).str.strip()
    modifier = modifier.where(modifier.map(parse_modifier).map(len) > 0, "none")
    medium = table["medium"].fillna("").astype(str).str.strip()
    medium = medium.where(~medium.map(plain).isin(FRESH_LABELS), FRESH)
    doses = {0.0, *(float(d) for d in row.doses_um.split())}
    pairs = {(row.medium, row.modifier), (row.reference or row.medium, row.comparator)}
    at_dose = table["dose_um"].map(lambda d: any(np.isclose(d, x, rtol=1e-5, atol=0) for x in doses))
    used = (table["recipient"] == row.model) & at_dose & table["viability"].notna()
    used &= (table["drug"] == row.drug) | (table["dose_um"] == 0)
    used &= np.array([p in pairs for p in zip(medium, modifier, strict=True)], dtype=bool)
    return source_rows(table.loc[used, "_file"], table.loc[used, "_row"])
