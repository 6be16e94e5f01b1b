"""Wells to parameters, wells to plate means, plates to an estimate with its interval.

Mitochondrial stress test (OCR; n = after rotenone and antimycin A, lowest rate):
    non-mitochondrial = n                         basal = last before the first injection - n
    proton leak = lowest after oligomycin - n     ATP-linked = last basal rate - lowest after oligomycin
    maximal = highest after the uncoupler - n     spare capacity = maximal - basal
Glycolysis stress test (ECAR; g = last before glucose):
    non-glycolytic = g                            glycolysis = highest after glucose - g
    capacity = highest after oligomycin - g       reserve = capacity - glycolysis
These are the definitions of the maker's report generators. Rates of ATP production follow Mookerjee et al. 2017
(doi:10.1074/jbc.M116.774471), see `atp_from_respiration` and `atp_from_glycolysis`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.seahorse.injections import (
    BASAL,
    GLYCO,
    MITO,
    PER_PHASE,
    STANDARD,
    assay_of,
    guess_assay,
    phase_of,
    without_assay,
)
from rechallenge.contrasts import VEHICLE, is_vehicle, origins
from rechallenge.faults import NotApplicable
from rechallenge.tables.contract import plain, source_rows

MOOKERJEE = "doi:10.1074/jbc.M116.774471"
#: P/O ratios of oxidative phosphorylation, of the TCA cycle and of glycolysis that feeds respiration
PO_OXPHOS, PO_TCA, PO_GLYCOLYSIS = 2.486, 0.121, 0.167
#: oligomycin raises the membrane potential and with it the leak: ATP-linked respiration is measured too small
HYPERPOLARISATION = 0.908
#: pH of the assay, and overall pK of carbonic acid at 37 degrees Celsius
PH, PK = 7.4, 6.093
PARAMETERS = {
    MITO: ("basal", "atp_linked", "proton_leak", "maximal", "spare_capacity", "non_mitochondrial",
           "coupling_efficiency", "atp_from_respiration"),
    GLYCO: ("glycolysis", "glycolytic_capacity", "glycolytic_reserve", "non_glycolytic", "atp_from_glycolysis"),
}  # fmt: skip
UNITS = dict.fromkeys(PARAMETERS[MITO], "pmol/min") | dict.fromkeys(PARAMETERS[GLYCO], "mpH/min")
UNITS["coupling_efficiency"] = "fraction of basal"
UNITS["atp_from_respiration"] = UNITS["atp_from_glycolysis"] = "pmol ATP/min"
_NEEDS = {
    "basal": ("inhibitors",), "atp_linked": ("oligomycin",), "proton_leak": ("oligomycin", "inhibitors"),
    "maximal": ("uncoupler", "inhibitors"), "spare_capacity": ("uncoupler",), "non_mitochondrial": ("inhibitors",),
    "coupling_efficiency": ("oligomycin", "inhibitors"), "atp_from_respiration": ("oligomycin", "inhibitors"),
    "glycolysis": ("glucose",), "glycolytic_capacity": ("capacity",),
    "glycolytic_reserve": ("glucose", "capacity"), "non_glycolytic": (), "atp_from_glycolysis": ("glucose",),
}  # fmt: skip
_SAID = {
    "inhibitors": "rotenone and antimycin A",
    "capacity": "oligomycin (after glucose)",
    "uncoupler": "an uncoupler",
}
WELL_COLUMNS = ("plate", "well", "group", "model", "treatment", "assay", "parameter", "value", "unit", "used", "reason")
COLUMNS = (
    "level", "plate", "group", "model", "treatment", "assay", "parameter", "unit", "value", "sd", "se", "ci_low",
    "ci_high", "n", "n_wells", "n_left_out", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def is_background(group: object) -> bool:
    """Whether a group is the wells without cells.

    >>> is_background("Background"), is_background("blank"), is_background("Group_1")
    (True, True, False)
    """
    return plain(str(group)) in {"background", "blank", "blanks", "bkg", "nocells", "empty", "mediaonly", "mediumonly"}


def labelled(
    seahorse: pd.DataFrame, models: pd.DataFrame, seahorse_injections: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The rates with `assay`, `phase`, `model`, `treatment` and a clean `group`.

    The assay is that of the column, of the word in the group's name, or of the injections. Injections come from their
    own table, else from the rates, else they are those of the standard kit with three measurements a phase. `model` is
    the longest name of a model in the group, `treatment` what is left of the group's name.
    """
    table = seahorse.copy()
    for c in ("plate", "well", "group", "model", "treatment", "assay", "injection", "flagged"):
        table[c] = table[c].fillna("").astype(str).str.strip() if c in table else ""
    for c in ("ocr", "ecar", "normaliser"):
        table[c] = pd.to_numeric(table[c]) if c in table else np.nan
    table["measurement"] = table["measurement"].astype(int)
    for c in ("ocr", "ecar"):
        table[c] = np.where(table["normaliser"].notna(), table[c] / table["normaliser"], table[c])
    table["background"] = table["group"].map(is_background)
    kinds = {g: assay_of(g) for g in table["group"].unique()}
    own = table["assay"].map(lambda a: assay_of(a) or a.lower())
    table["assay"] = np.where(own != "", own, table["group"].map(kinds))
    table["injection"] = _injections(table, seahorse_injections)
    for _, rows in table[table["assay"] == ""].groupby(["plate", "group"], sort=True):
        # no word says which test it was: the injections do, or what was measured
        guess = guess_assay(rows["injection"].unique()) or (MITO if rows["ocr"].notna().any() else GLYCO)
        table.loc[rows.index, "assay"] = guess
    empty = (table["injection"] == "").groupby([table["plate"], table["assay"]]).transform("all")
    phase = (table["measurement"] - 1) // PER_PHASE
    for assay, kit in STANDARD.items():
        mine = empty & (table["assay"] == assay) & (phase > 0)
        table.loc[mine, "injection"] = [kit[min(p - 1, len(kit) - 1)] for p in phase[mine]]
    pairs = table[["injection", "assay"]].drop_duplicates()
    known = {(i, a): phase_of(i, a) for i, a in pairs.to_numpy()}
    table["phase"] = [known[i, a] for i, a in zip(table["injection"], table["assay"], strict=True)]
    table["group"] = [g if b else without_assay(g) for g, b in zip(table["group"], table["background"], strict=True)]
    named = {g: split_group(g, models) for g in table["group"].unique()}
    told = table["model"] != ""
    table["treatment"] = np.where(told | (table["treatment"] != ""), table["treatment"],
                                  [named[g][1] for g in table["group"]])  # fmt: skip
    table["model"] = np.where(told, table["model"], [named[g][0] for g in table["group"]])
    table["treatment"] = [VEHICLE if is_vehicle(t) else t for t in table["treatment"]]
    return table


def _injections(table: pd.DataFrame, given: pd.DataFrame | None) -> pd.Series:
    out = table["injection"].copy()
    if given is None or given.empty:
        return out
    clean = given.copy()
    for c in ("plate", "assay", "injection"):
        clean[c] = clean[c].fillna("").astype(str).str.strip() if c in clean else ""
    clean["assay"] = [assay_of(a) or a.lower() for a in clean["assay"]]
    for row in clean.sort_values("first_measurement", kind="mergesort").to_dict("records"):
        mine = table["measurement"] >= int(row["first_measurement"])
        mine &= (table["plate"] == row["plate"]) | (row["plate"] == "")
        mine &= (table["assay"] == row["assay"]) | (row["assay"] == "")
        out = out.mask(mine, str(row["injection"]))
    first = int(clean["first_measurement"].min())
    return out.mask(table["measurement"] < first, "")


def split_group(group: str, models: pd.DataFrame) -> tuple[str, str]:
    """Model (the longest model name in the group, '' for none) and treatment (the rest) of a group's name.

    >>> import pandas as pd
    >>> split_group("Huh7 LR + sorafenib", pd.DataFrame({"model": ["Huh-7", "Huh-7 LR"]}))
    ('Huh-7 LR', 'sorafenib')
    """
    text = group
    for name in sorted(models["model"].astype(str), key=lambda m: (-len(plain(m)), m)):
        letters = [c for c in name if c.isalnum()]
        pattern = r"(?<![A-Za-z0-9])" + r"[\s_\-./]*".join(letters) + r"(?![A-Za-z0-9])"
        found = re.search(pattern, text, flags=re.IGNORECASE)
        if found:
            rest = (text[: found.start()] + " " + text[found.end() :]).strip(" +_-,;/()")
            return name, VEHICLE if is_vehicle(rest) else rest
    return "", VEHICLE


def well_values(table: pd.DataFrame, *, settle: int = 0, buffer: float = 0.1) -> pd.DataFrame:
    """Every parameter of every well of a `labelled` table: `WELL_COLUMNS`, left-out wells with the reason.

    `settle` leaves out so many measurements after each injection; `buffer` is the buffering power in mpH per pmol H+.
    """
    table = table.sort_values("measurement", kind="mergesort")
    since = table.groupby(["plate", "well", "injection"]).cumcount()
    table = table[(table["phase"] == BASAL) | (since >= settle)]
    rows: list[dict[str, Any]] = []
    keys = ["plate", "well", "group", "model", "treatment", "assay"]
    rest: dict[tuple[str, str], list[float]] = {}
    wells = [({k: str(x) for k, x in zip(keys, v, strict=True)}, p) for v, p in table.groupby(keys, sort=True)]
    for head, part in sorted(wells, key=lambda w: w[0]["assay"] != MITO):
        why = _left_out(head["assay"], part)
        if head["assay"] == MITO:
            found = _mito(part)
            if not why and np.isfinite(found["non_mitochondrial"]):
                rest.setdefault((head["plate"], head["group"]), []).append(found["non_mitochondrial"])
        else:
            found = _glyco(part, rest.get((head["plate"], head["group"]), []), buffer)
        missing = _reasons(part, head["assay"])
        for name in PARAMETERS[head["assay"]]:
            value = found[name]
            rows.append({**head, "parameter": name, "value": value, "unit": UNITS[name],
                         "used": not why and np.isfinite(value),
                         "reason": why or ("" if np.isfinite(value) else missing[name])})  # fmt: skip
    return pd.DataFrame(rows, columns=list(WELL_COLUMNS))


def _left_out(assay: str, part: pd.DataFrame) -> str:
    """Why a well takes no part; '' where it does."""
    if part["background"].iloc[0]:
        return "background well"
    if (part["flagged"] == "yes").any():
        return "unselected in the instrument's program"
    if assay == MITO and not _last_basal(part, "ocr") > 0:
        return "no respiration: the basal rate is not above 0"
    if assay == GLYCO and not part["ecar"].max() > 0:
        return "no acidification: no rate is above 0"
    return ""


def _last_basal(part: pd.DataFrame, rate: str) -> float:
    base = part.loc[part["phase"] == BASAL, rate].dropna()
    return float(base.iloc[-1]) if len(base) else np.nan


def _extreme(part: pd.DataFrame, phase: str, rate: str, take: str) -> float:
    values = part.loc[part["phase"] == phase, rate].dropna()
    return float(getattr(values, take)()) if len(values) else np.nan


def _reasons(part: pd.DataFrame, assay: str) -> dict[str, str]:
    there = set(part["phase"])
    out = {}
    for name in PARAMETERS[assay]:
        gone = [_SAID.get(p, p) for p in _NEEDS[name] if p not in there]
        out[name] = f"without {' and without '.join(gone)} it is not determined" if gone else "no rate was measured"
    if "atp_from_glycolysis" in out and "glucose" in there:
        out["atp_from_glycolysis"] = "non-mitochondrial respiration of the group on this plate is not known"
    return out


def _mito(part: pd.DataFrame) -> dict[str, float]:
    last = _last_basal(part, "ocr")
    rest = _extreme(part, "inhibitors", "ocr", "min")
    oligo = _extreme(part, "oligomycin", "ocr", "min")
    top = _extreme(part, "uncoupler", "ocr", "max")
    basal = last - rest
    return {
        "non_mitochondrial": rest,
        "basal": basal,
        "proton_leak": oligo - rest,
        "atp_linked": last - oligo,
        "maximal": top - rest,
        "spare_capacity": top - last,
        "coupling_efficiency": (last - oligo) / basal if basal > 0 else np.nan,
        "atp_from_respiration": atp_from_respiration(basal, last - oligo),
    }


def _glyco(part: pd.DataFrame, rest: list[float], buffer: float) -> dict[str, float]:
    base = _last_basal(part, "ecar")
    sugar = _extreme(part, "glucose", "ecar", "max")
    top = _extreme(part, "capacity", "ecar", "max")
    fed = part[part["phase"] == "glucose"].dropna(subset=["ecar"])
    at = int(fed["ecar"].to_numpy().argmax()) if len(fed) else 0
    respiration = float(fed["ocr"].iloc[at]) - float(np.mean(rest)) if len(fed) and rest else np.nan
    return {
        "non_glycolytic": base,
        "glycolysis": sugar - base,
        "glycolytic_capacity": top - base,
        "glycolytic_reserve": top - sugar,
        "atp_from_glycolysis": atp_from_glycolysis(sugar, respiration, buffer),
    }


def atp_from_respiration(mitochondrial: float, coupled: float) -> float:
    """ATP made by respiration (pmol/min) from mitochondrial and oligomycin-sensitive OCR (pmol O2/min).

    2 P/O(oxphos) coupled / 0.908 + 2 P/O(TCA) mitochondrial; 0.908 corrects for the leak under oligomycin.
    Mookerjee et al. 2017, doi:10.1074/jbc.M116.774471.
    """
    return 2 * PO_OXPHOS * coupled / HYPERPOLARISATION + 2 * PO_TCA * mitochondrial


def atp_from_glycolysis(
    ecar: float, mitochondrial: float, buffer: float = 0.1, ph: float = PH, pk: float = PK
) -> float:
    """ATP made by glycolysis (pmol/min) from ECAR (mpH/min) with glucose and mitochondrial OCR (pmol O2/min) then.

    Protons are ECAR / `buffer` (mpH per pmol H+), less those of respired carbon dioxide; one ATP per lactate, and
    2 P/O(glycolysis) per oxygen for glucose that is respired. Mookerjee et al. 2017, doi:10.1074/jbc.M116.774471.
    """
    acid = 10 ** (ph - pk) / (1 + 10 ** (ph - pk))
    return ecar / buffer - acid * mitochondrial + 2 * PO_GLYCOLYSIS * mitochondrial


def _methods(bioenergetics: pd.DataFrame, confidence: float, **_: Any) -> str:
    across = bioenergetics[bioenergetics["level"] == "all plates"]
    n = int(across["n"].max()) if len(across) else 0
    return (
        "Parameters of the mitochondrial and glycolysis stress tests were taken from every well (lowest rate after "
        "oligomycin and after rotenone and antimycin A, highest after uncoupler, glucose and oligomycin, last before "
        "the first injection), wells averaged within plates, and plates taken as replicates "
        f"(up to {n}) with {100 * confidence:g} % t intervals; intervals of a single plate describe its wells alone. "
        "Background wells, unselected wells and wells without a rate above 0 were left out and are listed. Rates of "
        f"ATP production follow Mookerjee et al. ({MOOKERJEE})."
    )


@analysis(
    title="Wells of the flux analyser",
    reference=MOOKERJEE,
    formula=(
        "basal = last OCR before the first injection - n; ATP-linked = last basal - lowest after oligomycin; "
        "maximal = highest after uncoupler - n; n = lowest after rotenone and antimycin A"
    ),
    oracle="920 parameters by the maker's formulas on two plates (tests/assays/test_seahorse.py)",
    limits=(
        "A test without an injection lacks what that injection shows. Highest and lowest of few measurements "
        "lean outwards with noise."
    ),
)
def seahorse_wells(
    seahorse: pd.DataFrame,
    models: pd.DataFrame,
    seahorse_injections: pd.DataFrame | None = None,
    *,
    settle: int = 0,
    buffer: float = 0.1,
) -> pd.DataFrame:
    """Every parameter of every well, with the reason where a well or a parameter is left out: `WELL_COLUMNS`.

    `settle` leaves out so many measurements after each injection, before lowest and highest rates are taken (0: none,
    as the maker's report generators do). `buffer` is the buffering power of the medium in mpH per pmol H+.
    """
    if seahorse.empty:
        raise NotApplicable("the table of rates has no rows")
    return well_values(labelled(seahorse, models, seahorse_injections), settle=settle, buffer=buffer)


@analysis(
    title="Bioenergetics",
    reference=MOOKERJEE,
    methods=_methods,
    formula=(
        "mean of the wells of a plate, then mean over plates; ATP rates: OCR x 2 x P/O and PER less respiratory"
        " acidification"
    ),
    oracle=("920 parameters by the maker's formulas; ATP rates of the R package ceas (tests/assays/test_seahorse.py)"),
    limits=("The plate is n. P/O ratios and buffering power are taken from publications and the maker, not measured."),
)
def bioenergetics(seahorse_wells: pd.DataFrame, seahorse: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per plate, group and parameter, then one per group and parameter over all plates: `COLUMNS`.

    `level` is "plate" (mean of its wells; sd, se and interval describe wells, which are technical, n = wells) or "all
    plates" (`plate` "all": mean of plate means; n = plates). `unit` is pmol/min or mpH/min (per unit of the normaliser
    where one was given). "not_estimable" where no well has the parameter.
    """
    out: list[dict[str, Any]] = []
    keys = ["group", "model", "treatment", "assay", "parameter", "unit"]
    cells = seahorse_wells[seahorse_wells["reason"] != "background well"]
    for values, part in cells.groupby(keys, sort=True):
        head = dict(zip(keys, values, strict=True))
        means = {}
        for plate, wells in part.groupby("plate", sort=True):
            used = wells.loc[wells["used"], "value"].to_numpy(dtype=float)
            left = sorted(set(wells.loc[~wells["used"], "reason"]) - {""})
            row = _summary(used, confidence, "wells")
            out.append({**head, **row, "level": "plate", "plate": plate, "n_wells": len(used),
                        "n_left_out": int((~wells["used"]).sum()),
                        "reason": "; ".join(filter(None, [row["reason"], *left])),
                        "source_rows": _origin(seahorse, str(plate), wells)})  # fmt: skip
            if len(used):
                means[plate] = float(used.mean())
        row = _summary(np.array(list(means.values())), confidence, "plates")
        whole = [r for r in out if r["level"] == "plate" and all(r[k] == head[k] for k in keys)]
        if not means:
            row["reason"] = "; ".join(sorted({r["reason"] for r in whole}))
        out.append({**head, **row, "level": "all plates", "plate": "all",
                    "n_wells": sum(r["n_wells"] for r in whole), "n_left_out": sum(r["n_left_out"] for r in whole),
                    "source_rows": origins(r["source_rows"] for r in whole)})  # fmt: skip
    if not out:
        raise NotApplicable("no well with cells is in the table of rates")
    frame = pd.DataFrame(out).assign(source_table="seahorse")
    order = {p: i for i, p in enumerate((*PARAMETERS[MITO], *PARAMETERS[GLYCO]))}
    frame["_order"] = frame["parameter"].map(order)
    frame["_level"] = (frame["level"] == "plate").astype(int)
    frame = frame.sort_values(["_level", "assay", "group", "_order", "plate"], kind="mergesort")
    return frame.reset_index(drop=True).loc[:, list(COLUMNS)]


def _summary(values: np.ndarray, confidence: float, what: str) -> dict[str, Any]:
    from scipy.stats import t as student

    n = len(values)
    empty = {"value": np.nan, "sd": np.nan, "se": np.nan, "ci_low": np.nan, "ci_high": np.nan, "n": n}
    if n == 0:
        return {**empty, "status": "not_estimable", "reason": ""}
    mean = float(values.mean())
    if n == 1:
        return {**empty, "value": mean, "status": "not_testable", "reason": f"one of the {what}: no interval"}
    sd = float(values.std(ddof=1))
    reach = float(student.ppf(0.5 + confidence / 2, n - 1)) * sd / np.sqrt(n)
    return {"value": mean, "sd": sd, "se": sd / np.sqrt(n), "ci_low": mean - reach, "ci_high": mean + reach, "n": n,
            "status": "estimated", "reason": ""}  # fmt: skip


def _origin(seahorse: pd.DataFrame, plate: str, wells: pd.DataFrame) -> str:
    if "_row" not in seahorse.columns:
        return ""
    used = set(wells.loc[wells["used"], "well"])
    mine = (seahorse["plate"].astype(str) == plate) & seahorse["well"].isin(used)
    return source_rows(seahorse.loc[mine, "_file"], seahorse.loc[mine, "_row"])
