"""`rechallenge demo`: a simulated study, and what a run recovered of what was planted in it.

The default is a whole study with every assay; `viability` is the dose-response plates alone, and there is one study
per published work that the program is modelled on (`STUDIES`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rechallenge import simulate
from rechallenge.faults import Fault, InputFaults
from rechallenge.record import RunRecord
from rechallenge.simulate import studies
from rechallenge.simulate.plan import SIZES

WHOLE, VIABILITY = "whole", "viability"
#: name -> what is in it
STUDIES: dict[str, str] = {
    WHOLE: "every assay at once, one planted chain",
    VIABILITY: "dose-response plates alone",
    **studies.ABOUT,
}


def write(
    folder: str | Path, *, study: str = WHOLE, scenario: str = "driver", seed: int = 0, size: str = "full"
) -> Path:
    """A demonstration study in `folder`. Raises InputFaults for a study, scenario or size that does not exist, and
    for a scenario of a study that has only one."""
    if study not in STUDIES:
        raise _unknown("study", study, tuple(STUDIES))
    if scenario not in simulate.SCENARIOS:
        raise _unknown("scenario", scenario, simulate.SCENARIOS)
    if study != WHOLE and scenario != "driver":
        raise _unknown("scenario", f"{scenario} of {study}", ("driver",))
    if size not in SIZES:
        raise _unknown("size", size, tuple(SIZES))
    if study == VIABILITY:
        return simulate.write_study(folder, seed=seed)
    if study == WHOLE:
        return simulate.write_whole(folder, scenario=scenario, seed=seed, size=size)
    return studies.write(study, folder, seed=seed, size=size)


def _unknown(what: str, value: str, known: tuple[str, ...]) -> InputFaults:
    return InputFaults(
        [Fault(f"unknown-{what}", f"there is no simulated {what} of this name.", f"Known: {', '.join(known)}.",
               value=value)]
    )  # fmt: skip


def recovered(record: RunRecord, truth: pd.DataFrame | None = None) -> pd.DataFrame:
    """Planted beside recovered resistance index, one row per resistant model and drug: model, drug, planted, ri,
    ci_low, ci_high, status, inside (the interval holds the planted value; None where nothing was planted). `truth` has
    the columns model, parent, drug, ri; by default that of the dose-response study."""
    truth = simulate.truth.resistance_indices(simulate.planted()) if truth is None else truth
    found = record.tables["resistance_index"]
    found = found[found["stage"] == ""]  # the stages of escalation are planted and shown apart
    joined = truth.rename(columns={"ri": "planted"}).merge(found, on=["model", "parent", "drug"], how="left")
    estimated = joined["status"].eq("estimated") & joined["planted"].notna()
    inside = joined["planted"].between(joined["ci_low"], joined["ci_high"])
    joined["inside"] = [bool(i) if e else None for i, e in zip(inside, estimated, strict=True)]
    return joined[["model", "drug", "planted", "ri", "ci_low", "ci_high", "status", "inside"]]


def compare(record: RunRecord) -> str:
    """What was planted beside what was recovered, as text for the terminal."""
    stated = record.study.folder / "truth.json"
    if stated.is_file():
        return _chain(record, json.loads(stated.read_text(encoding="utf-8")))
    if (record.study.folder / "planted.csv").is_file():
        planted = pd.read_csv(record.study.folder / "planted.csv", dtype=str)
        if "what" in planted:
            return _told(record, planted)
    if "resistance_index" not in record.tables:
        return "The resistance index was not computed; see the failures below."
    return _indices(recovered(record))


def _indices(table: pd.DataFrame) -> str:
    lines = [
        "Resistance index, planted and recovered (95 % interval):",
        f"  {'model':<10}{'drug':<16}{'planted':>8}{'recovered':>11}   interval",
    ]
    for r in table.to_dict("records"):
        planted = f"{r['planted']:.2f}" if math.isfinite(r["planted"]) else "none"
        line = f"  {r['model']:<10}{r['drug']:<16}{planted:>8}"
        if r["status"] == "estimated":
            line += f"{r['ri']:>11.2f}   {r['ci_low']:.2f} to {r['ci_high']:.2f}"
            line += "" if r["inside"] else "   misses the planted value"
        else:
            line += f"{'-':>11}   {str(r['status']).replace('_', ' ')}"
        lines.append(line)
    tested = [v for v in table["inside"] if v is not None]
    lines.append(f"{sum(tested)} of {len(tested)} intervals hold the planted value (about 95 % should).")
    return "\n".join(lines)


class Found(NamedTuple):
    """One thing planted: what, the planted value and the recovered one in words."""

    what: str
    planted: str
    recovered: str


def _told(record: RunRecord, planted: pd.DataFrame) -> str:
    """Planted words and signs (columns table, what, planted) beside what pretreatment, medium and rescue gave."""
    found: dict[tuple[str, str], str] = {}
    for r in _rows(record.tables, "schedule", kind="interaction").to_dict("records"):
        found["schedule", str(r["pretreatment"])] = str(r["verdict"])
    for r in _rows(record.tables, "transfer").to_dict("records"):
        found["transfer", str(r["contrast"])] = str(r["direction"])
    for r in _rows(record.tables, "rescue").to_dict("records"):
        found["rescue", str(r["pathway"])] = str(r["direction"])
    said = {"1": "promotes resistance", "-1": "restores sensitivity", "0": "nothing shown"}
    rows = [
        Found(f"{r['table']}: {r['what']}", said.get(r["planted"], r["planted"]),
              said.get(found.get((r["table"], r["what"]), ""), found.get((r["table"], r["what"]), "not computed")))
        for r in planted.to_dict("records")
    ]  # fmt: skip
    right = sum(r.planted == r.recovered for r in rows)
    return _table("Simulated; nothing here was measured.", rows) + f"\n{right} of {len(rows)} are told as planted."


def _table(title: str, rows: list[Found]) -> str:
    wide = [max(len(r[i]) for r in (*rows, Found("what", "planted", ""))) for i in (0, 1)]
    lines = [f"  {r.what:<{wide[0]}}  {r.planted:<{wide[1]}}  {r.recovered}" for r in rows]
    return "\n".join([title, f"  {'what':<{wide[0]}}  {'planted':<{wide[1]}}  recovered", *lines])


def _chain(record: RunRecord, truth: dict[str, Any]) -> str:
    rows = list(findings(record, truth))
    if not rows:
        return "Nothing of what was planted was analysed; see the failures below."
    return _table(f"Simulated ({truth['scenario']}); nothing here was measured.", rows)


def findings(record: RunRecord, truth: dict[str, Any]) -> Iterator[Found]:
    """Every planted link of `truth` (the content of truth.json) whose analysis ran, beside what was found."""
    driver, drug = str(truth["followed"]), str(truth["drug"])
    tables = record.tables
    if "candidates" in tables:
        yield _candidate(tables["candidates"], truth, driver)
    if "resistance_index" in tables:
        base = _planted_indices(truth, record)
        inside = [v for v in recovered(record, base)["inside"] if v is not None]
        yield Found("resistance indices", f"{len(base)}", f"{sum(inside)} of {len(inside)} intervals hold the planted")
    own = _rows(tables, "differential", feature=driver, layer="rna")
    for r in own[own["contrast"].isin(list(truth["log2fc"]))].to_dict("records"):
        yield Found(f"{driver} mRNA, {r['contrast']}", f"{truth['log2fc'][r['contrast']]:.2f} log2",
                    f"{r['log2fc']:.2f} log2, q = {r['q_value']:.2g}")  # fmt: skip
    for r in _rows(tables, "perturbation_shift", gene=driver, action="knock-down", status="estimated").to_dict(
        "records"
    ):
        planted = 1 / float(truth["fold_of_ic50_by_knockdown"])
        yield Found(f"IC50 of {r['drug']} without {driver}, {r['model']}", f"{planted:.2f} of control",
                    f"{r['ratio']:.2f} ({r['ci_low']:.2f} to {r['ci_high']:.2f})")  # fmt: skip
    links = truth["links"]
    for r in _rows(tables, "thermal_shift", protein=driver).to_dict("records"):
        planted_shift = truth["melting_shift_c"]
        seen = f"{r['delta_tm_c']:.1f} °C ({r['delta_tm_low']:.1f} to {r['delta_tm_high']:.1f})"
        yield Found(f"{drug} on {driver}, melting point", f"{planted_shift:.1f} °C",
                    f"{seen if r['tm_status'] == 'estimated' else r['tm_status']}, q = {r['q_value']:.2g}")  # fmt: skip
    for r in _rows(tables, "binding", protein=driver, variant="wild type", method="kinetic").to_dict("records"):
        planted_kd = f"{truth['kd_um']:g} µM" if truth["kd_um"] else "none"
        seen = f"{r['kd_um']:.2f} ({r['ci_low']:.2f} to {r['ci_high']:.2f}) µM"
        yield Found(f"{drug} on {driver}, binding constant", planted_kd,
                    seen if r["status"] == "estimated" else str(r["status"]).replace("_", " "))  # fmt: skip
    if "combinations" in tables:
        for r in tables["combinations"].to_dict("records"):
            both = "synergy" if truth["synergy"] else "no interaction"
            yield Found(f"{r['drug_a']} + {r['drug_b']} in {r['model']}", both, str(r["verdict"]).split(";")[0])
    worse = {1.0: "worse when high", 0.0: "no link", -1.0: "worse when low"}
    clinic = next((v for k, v in links.items() if "in patients" in k), 0.0)
    for name, column in (("survival", "endpoint"), ("response", "arm")):
        for r in _rows(tables, name, gene=driver).to_dict("records"):
            size = f"hazard ratio {r['hr_per_sd']:.2f}" if name == "survival" else f"AUC {r['auc']:.2f}"
            yield Found(f"{driver} and {name} ({r[column]}), {r['cohort']}", worse[float(clinic)],
                        f"{size} ({r['ci_low']:.2f} to {r['ci_high']:.2f}): {r['verdict']}")  # fmt: skip


def _candidate(table: pd.DataFrame, truth: dict[str, Any], driver: str) -> Found:
    called = table[table["tier"] == 1]
    if truth["driver"] is None:
        return Found("driver", "none", f"{len(called)} genes called convergent")
    mine = table[table["entity"] == driver]
    if mine.empty:
        return Found(f"driver {driver}", "rank 1", "not among the candidates")
    r = mine.iloc[0]
    tier = {1: "convergent", 2: "suggestive", 3: "ranked only"}[int(r["tier"])]
    more = len(called) - int(r["tier"] == 1)
    return Found(
        f"driver {driver}", "rank 1",
        f"rank {r['rank']} of {len(table):,}, {tier}, q = {r['q_value']:.2g}; {more} other genes called convergent",
    )  # fmt: skip


def _planted_indices(truth: dict[str, Any], record: RunRecord) -> pd.DataFrame:
    lines = [m for m, model in record.study.models.items() if model.role in ("parental", "resistant")]
    rows = [
        {"model": m, "parent": lines[0], "drug": d, "ri": v / values[0]}
        for d, values in truth["ic50_um"].items()
        for m, v in zip(lines[1:], values[1:], strict=True)
    ]
    found = record.tables["resistance_index"]
    return pd.DataFrame(rows).merge(found[["model", "drug"]].drop_duplicates(), on=["model", "drug"])


def _rows(tables: Any, name: str, **where: str) -> pd.DataFrame:
    """Rows of a result with these values; empty where there is no such result."""
    if name not in tables:
        return pd.DataFrame(columns=[*where, "contrast"])
    table: pd.DataFrame = tables[name]
    for column, value in where.items():
        table = table[table[column].astype(str) == value]
    return table
