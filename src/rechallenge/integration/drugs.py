"""The drugs of a study, ranked by what they do for the therapies in question: the table that becomes `drugs.csv`.

Everything said of an effect comes from claims (Evidence): what the drug did in interventions, in how many streams, what
speaks against it. Properties stay apart and visible: synergistic, selective, reverses, achievable, toxic. Targets,
approvals and plasma concentrations come from the knowledge tables and from the study's own exposures. What nobody
tested or knows is `not tested` or `unknown`, which is not `no`.
"""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable

#: designs in which the drug was given and the response seen, the strongest first; then the weaker ones
STRONG = ("clinical", "in_vivo", "intervention")
LEVELS = (*STRONG, "transmission", "engagement", "gradient", "association")
ALPHA = 0.05
UNKNOWN, UNTESTED, NOT_SHOWN = "unknown", "not tested", "not shown"
#: what a drug is found to do, the best first
RESTORES, DISPUTED, LEAD, UNTRIED, NOTHING, RESISTED, OPPOSES, ITSELF = (
    "restores sensitivity",
    "restores sensitivity in some experiments, opposes it in others",
    "a lead",
    "not tested here",
    "no effect on the response shown",
    "resistant models resist it too",
    "opposes the therapies",
    "a therapy in question, which the models resist",
)
ORDER = (RESTORES, DISPUTED, LEAD, UNTRIED, NOTHING, RESISTED, OPPOSES, ITSELF)
#: words by which claims say that a drug harms: in the claim -> in the table
HARM = {
    "toxic to normal cells": "toxic to normal cells",
    "kills normal cells": "toxic to normal cells",
    "kills by itself": "kills by itself",
    "is itself toxic": "toxic by itself",
    "toxic by itself": "toxic by itself",
}
COLUMNS = (
    "rank", "drug", "targets", "approved", "cmax_um", "cmax_free_um", "achievable", "toxicity", "best_evidence",
    "summary", "finding", "synergistic", "selective", "reverses", "dose_um", "best_level", "best_q", "streams_for",
    "streams_against", "n_claims", "therapy", "use",
)  # fmt: skip
_TO_UM = {"nM": 1e-3, "µM": 1.0, "uM": 1.0, "mM": 1e3}


@analysis(
    title="Drugs and what they do for the therapies in question",
    methods="Drugs were ranked by their claims: those that restored sensitivity in an intervention and were not "
    "contradicted first, then by the number of streams that agree and the smallest q-value; the therapies themselves "
    "come last. Whether a dose is achievable compares the lowest effective dose with plasma concentrations of the "
    "study or of the knowledge tables.",
    formula="No formula: order by finding, number of streams that agree, smallest q",
    oracle="No outside reference: a ranking by rules (tests/integration/test_drugs.py)",
    limits="Knows the drugs that the study tested. Achievable compares with plasma, which is not tumour.",
)
def drugs(
    evidence: pd.DataFrame,
    therapies: pd.DataFrame | None = None,
    exposures: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per drug of which the study claims something; columns `COLUMNS`, the most useful first.

    `finding` is one of `ORDER`. A drug counts as restoring sensitivity where a claim of level clinical, in_vivo or
    intervention has direction -1 and is estimated with q (else p) below 0.05, or is a bound; the same for promoting
    resistance. `synergistic`, `selective` and `reverses`: yes, no, mixed (it depends on dose or model), not shown, not
    tested. `dose_um` is the lowest dose named in a claim by which it restores sensitivity; `achievable` says whether
    patients have it (yes: free, total only, above, no, unknown); of a drug that is only put on the skin it is no. `use`
    says who is given the drug and how (unknown where nothing was read). `therapy` is yes for the therapies of the study
    and the drugs that resistant models were selected with, listed after all others: what they do alone is resistance or
    none of it, and they are never called a lead. Raises NotApplicable where no claim is about a drug.
    """
    claims = evidence[evidence["entity_type"].isin(["drug", "pair"])]
    named = _by_drug(claims, therapies)
    if not named:
        raise NotApplicable("no claim of the study is about a drug")
    resisted = resisted_drugs(therapies, models)
    rows = []
    for (drug, mine), key in zip(sorted(named.items()), _keys(sorted(named)), strict=True):
        row = _row(drug, mine, exposures)
        row["therapy"] = "yes" if key in resisted else "no"
        if row["therapy"] == "yes" and row["finding"] != RESISTED:
            row["finding"] = ITSELF
            row["summary"] = _summary(row)
        rows.append(row)
    out = pd.DataFrame(rows)
    keys = pd.DataFrame(
        {
            "therapy": out["therapy"] == "yes",
            "finding": out["finding"].map({f: i for i, f in enumerate(ORDER)}),
            "level": out["best_level"].map({v: i for i, v in enumerate(LEVELS)}).fillna(len(LEVELS)),
            "streams": -out["streams_for"].map(lambda s: len(s.split("; ")) if s else 0),
            "q": out["best_q"].fillna(2.0),
            "drug": out["drug"].str.casefold(),
        }
    )
    out = out.loc[keys.sort_values(list(keys.columns), kind="mergesort").index].reset_index(drop=True)
    out["rank"] = range(1, len(out) + 1)
    return out.loc[:, list(COLUMNS)]


def resisted_drugs(therapies: pd.DataFrame | None, models: pd.DataFrame | None) -> set[str]:
    """The therapies in question and what resistant models were selected with, each by its one name."""
    told = set(therapies["therapy"].astype(str)) if therapies is not None else set()
    if models is not None and "selected_with" in models.columns:
        told |= set(models["selected_with"].dropna().astype(str))
    return set(_keys(sorted(t for t in told if t)))


def _keys(names: list[str]) -> list[str]:
    """Drugs by their one name, as the knowledge tables have it, without case."""
    from rechallenge.knowledge.resolve import drugs as resolve

    known: list[Any] = resolve(names)["drug"].tolist() if names else []
    return [str(one or name).casefold() for one, name in zip(known, names, strict=True)]


def _by_drug(claims: pd.DataFrame, therapies: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """drug -> its claims; of a pair of one therapy and another drug the claims are the other drug's. One drug written
    in several ways (as the knowledge tables know them) is one, under its most frequent name."""
    from rechallenge.knowledge.resolve import drugs as resolve

    known = {str(t).casefold() for t in therapies["therapy"]} if therapies is not None else set()
    names: list[str] = []
    for entity, kind in zip(claims["entity"], claims["entity_type"], strict=True):
        parts = [p.strip() for p in str(entity).split(" + ")]
        others = [p for p in parts if p.casefold() not in known]
        names.append(str(entity) if kind == "drug" else others[0] if len(parts) == 2 and len(others) == 1 else "")
    work = claims.assign(_name=names)
    work = work[work["_name"] != ""]
    every = sorted(set(work["_name"]))
    if not every:
        return {}
    found = dict(zip(every, resolve(every)["drug"], strict=True))
    work["_key"] = work["_name"].map(lambda n: found[n] or n.casefold())
    out: dict[str, pd.DataFrame] = {}
    for _, mine in work.groupby("_key", sort=True):
        counts = mine["_name"].value_counts()
        best = min(counts[counts == counts.max()].index)
        # a drug's own claim may repeat that of its pair; a claim counts once per experiment
        out[str(best)] = mine.sort_values(["entity_type", "stream", "contrast", "claim"], kind="mergesort")
    return out


def _shown(claims: pd.DataFrame) -> pd.Series:
    """Whether a claim shows its direction: estimated with q (else p) below 0.05, or a bound."""
    q = claims["q_value"].fillna(claims["p_value"])
    tested = (claims["status"] == "estimated") & ((q < ALPHA) | q.isna())
    return (claims["direction"] != 0) & (tested | (claims["status"] == "censored"))


def _row(drug: str, mine: pd.DataFrame, exposures: pd.DataFrame | None) -> dict[str, Any]:
    effects = mine[(mine["level"] != "knowledge") & ~_property(mine, "selectivity")]
    shown = effects[_shown(effects)]
    strong = shown[shown["level"].isin(STRONG)]
    restores, opposes = (bool((strong["direction"] == sign).any()) for sign in (-1, 1))
    weak = bool((effects["direction"] == -1).any())
    resisted = bool((shown["direction"] == 1).any())
    finding = (
        DISPUTED if restores and opposes
        else RESTORES if restores
        else OPPOSES if opposes
        else LEAD if weak
        else RESISTED if resisted
        else UNTRIED if effects.empty
        else NOTHING
    )  # fmt: skip
    best = _best(effects, -1 if restores or weak else 1)
    for_, against = (effects[effects["direction"] == sign] for sign in (-1, 1))
    dose = _lowest_dose(drug, for_)
    knowledge = _knowledge(drug, dose, exposures)
    liver = knowledge.pop("liver")
    row: dict[str, Any] = {
        "drug": drug,
        **knowledge,
        "toxicity": _toxicity(mine, liver),
        "finding": finding,
        "synergistic": _synergistic(mine),
        "selective": _selective(mine),
        "reverses": _answer(mine[mine["stream"] == "schedule"]),
        "dose_um": dose,
        "best_level": str(best["level"]) if best is not None else "",
        "best_q": _q(best),
        "best_evidence": str(best["claim"]) if best is not None else "",
        "streams_for": "; ".join(sorted(set(for_["stream"]))),
        "streams_against": "; ".join(sorted(set(against["stream"]))),
        "n_claims": len(mine),
    }
    row["summary"] = _summary(row)
    return row


def _property(claims: pd.DataFrame, *words: str) -> pd.Series:
    """Claims of one property, told by how their contrast begins."""
    return claims["contrast"].str.startswith(words)


def _best(claims: pd.DataFrame, direction: int) -> pd.Series | None:
    """The claim that says most: shown before not shown, strongest design, of the drug itself, smallest q."""
    if claims.empty:
        return None
    keys = pd.DataFrame(
        {
            "away": claims["direction"] != direction,
            "unshown": ~_shown(claims),
            "level": claims["level"].map({v: i for i, v in enumerate(LEVELS)}).fillna(len(LEVELS)),
            "pair": claims["entity_type"] == "pair",
            "q": claims["q_value"].fillna(claims["p_value"]).fillna(2.0),
            "claim": claims["claim"],
        }
    )
    best: pd.Series = claims.loc[keys.sort_values(list(keys.columns), kind="mergesort").index[0]]
    return best


def _q(best: pd.Series | None) -> float:
    if best is None:
        return math.nan
    q = float(best["q_value"])
    return q if q == q else float(best["p_value"])


def _answer(claims: pd.DataFrame) -> str:
    """yes, no, mixed, not shown or not tested, from the directions of claims."""
    if claims.empty:
        return UNTESTED
    shown = claims[_shown(claims)]
    minus, plus = (bool((shown["direction"] == sign).any()) for sign in (-1, 1))
    return "mixed" if minus and plus else "yes" if minus else "no" if plus else NOT_SHOWN


def _synergistic(mine: pd.DataFrame) -> str:
    pairs = (mine["stream"] == "tumours") & mine["contrast"].str.contains("interaction|better than each part")
    both = (mine["stream"].isin(["combination", "screen"]) | pairs) & (mine["level"] != "knowledge")
    return _answer(mine[both & ~_property(mine, "selectivity")])


def _selective(mine: pd.DataFrame) -> str:
    """From claims of selectivity: their direction, else the sign of a gain (per cent of inhibition) that is shown."""
    claims = mine[_property(mine, "selectivity")]
    if claims.empty:
        return UNTESTED
    q = claims["q_value"].fillna(claims["p_value"])
    told = (claims["status"] == "estimated") & (q < ALPHA)
    gain = claims["effect_unit"].str.contains("gain")
    yes = bool(((claims["direction"] == -1) | (told & gain & (claims["effect"] > 0))).any())
    no = bool((told & (claims["direction"] == 0) & ((gain & (claims["effect"] < 0)) | ~gain)).any())
    return "mixed" if yes and no else "yes" if yes else "no" if no else NOT_SHOWN


def _toxicity(mine: pd.DataFrame, liver: str) -> str:
    """Harm that the study's own claims name, with the doses at which, and what is on record of the liver."""
    said: dict[str, set[str]] = {}
    for claim, contrast in zip(mine["claim"], mine["contrast"], strict=True):
        words = next((w for k, w in HARM.items() if k in claim), "")
        if words:
            said.setdefault(words, set()).add(_briefly(contrast))
    own = [f"{words} here ({'; '.join(sorted(where)[:2])})" for words, where in sorted(said.items())]
    return "; ".join([*own, *([f"liver: {liver}"] if liver else [])]) or UNKNOWN


def _briefly(contrast: str) -> str:
    return contrast if len(contrast) <= 70 else contrast[:67] + "..."


def _lowest_dose(drug: str, claims: pd.DataFrame) -> float:
    """The lowest dose (µM) of the drug that claims by which it restores sensitivity name; NaN where none does."""
    found = []
    pattern = re.compile(rf"{re.escape(drug)}\s+(\d+(?:\.\d+)?)(?:\s+to\s+\d+(?:\.\d+)?)?\s*([nuµm]M)", re.IGNORECASE)
    for contrast, claim in zip(claims["contrast"], claims["claim"], strict=True):
        seen = pattern.findall(contrast) or pattern.findall(claim.split(";")[0])
        found += [float(value) * _TO_UM.get(unit, 1.0) for value, unit in seen]
    return min(found) if found else math.nan


def _knowledge(drug: str, dose: float, exposures: pd.DataFrame | None) -> dict[str, Any]:
    """Targets, approvals, plasma concentrations and liver, as far as they are known."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions.exposure import achievable
    from rechallenge.knowledge.questions.facts import administration, approvals_text, liver_text, one_drug, status_of
    from rechallenge.knowledge.questions.own import own_limits, verdict
    from rechallenge.knowledge.questions.targets import targets_of

    out: dict[str, Any] = {"targets": UNKNOWN, "approved": UNKNOWN, "liver": "", "achievable": UNKNOWN,
                           "cmax_um": math.nan, "cmax_free_um": math.nan, "use": UNKNOWN}  # fmt: skip
    try:
        name = one_drug(drug)
    except KnowledgeError:
        name = ""
    if name:
        targets = targets_of(name)
        chosen = targets[targets["primary"] == "yes"] if (targets["primary"] == "yes").any() else targets
        out["targets"] = ", ".join(dict.fromkeys(chosen["target"].head(5))) or UNKNOWN
        out["approved"] = approvals_text(name) or status_of(name) or UNKNOWN
        out["liver"] = liver_text(name)
        found = achievable(name, dose if dose > 0 else 1.0)
        out["cmax_um"], out["cmax_free_um"] = found.total_um, found.free_um
        out["achievable"] = found.verdict if dose > 0 else UNKNOWN
        given = administration(name)
        out["use"] = given.text
        if given.topical:
            out["achievable"] = "no"
        if given.topical or given.use == "veterinary":
            out["approved"] += " (topical use only)" if given.topical else " (veterinary use)"
    own = own_limits(exposures, drug, name)
    if own is not None:
        out["cmax_um"], out["cmax_free_um"] = own
        out["achievable"] = verdict(dose, *own)
    return out


#: how a property is said in the sentence; what is not here is said as "NAME: VALUE"
SAID = {
    "synergistic": {
        "yes": "synergistic with the therapy", "no": "antagonistic with the therapy",
        "mixed": "synergistic or antagonistic with the therapy by dose or model", NOT_SHOWN: "synergy not shown",
        UNTESTED: "synergy not tested",
    },
    "selective": {
        "yes": "spares normal cells", "no": "does not spare normal cells", "mixed": "spares normal cells in part",
        NOT_SHOWN: "not shown to spare normal cells", UNTESTED: "normal cells not tested",
    },
    "reverses": {
        "yes": "restores sensitivity when given before", "no": "adds to resistance when given before",
        "mixed": "restores sensitivity or adds to resistance when given before, by dose or model",
        NOT_SHOWN: "no effect shown when given before", UNTESTED: "not tested as a pretreatment",
    },
}  # fmt: skip
#: whether patients have the lowest effective dose
REACHED = {
    "yes": "within the free plasma concentration of patients",
    "total only": "within the total plasma concentration of patients, not shown to be within the free one",
    "above": "above the total plasma concentration of patients, by ten times at most",
    "no": "patients do not have it",
    UNKNOWN: "no sourced plasma concentration",
}


def _summary(row: dict[str, Any]) -> str:
    """The finding with its properties, in sentences."""
    text = str(row["finding"])
    if text == LEAD:
        text = f"a lead ({row['best_level'].replace('_', ' ')} only, or not tested)" if row["best_level"] else "a lead"
    sides = (("for it", row["streams_for"]), ("against it", row["streams_against"]))
    streams = [f"{side}: {names.replace('; ', ', ').replace('_', ' ')}" for side, names in sides if names]
    if streams:
        text += f" ({'; '.join(streams)})"
    said = [words.get(row[name], f"{name}: {row[name]}") for name, words in SAID.items()]
    if "only" in row["use"] or "veterinary" in row["use"]:
        said.append(f"use: {row['use']}")
    text += f". {said[0][0].upper()}{'; '.join(said)[1:]}."
    if row["dose_um"] == row["dose_um"]:
        return text + f" Lowest effective dose, {row['dose_um']:g} µM: {REACHED[row['achievable']]}."
    return text + " No claim names its lowest effective dose."
