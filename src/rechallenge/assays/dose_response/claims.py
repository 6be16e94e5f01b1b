"""What the dose-response results say about drugs and genes, as rows of Evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.assays.dose_response.resistance import COLLATERAL, CROSS, PLAIN, SELECTING, UNTESTED
from rechallenge.assays.dose_response.rules import each
from rechallenge.assays.dose_response.trend import FALLS, RISES
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals

STREAM = "dose_response"
_UP = (SELECTING, CROSS, PLAIN)


def number(value: float, digits: int = 3) -> str:
    """A number as it stands in a sentence.

    >>> number(13.019), number(0.00012), number(1234.5), number(float("inf"))
    ('13', '0.00012', '1,234', 'infinity')
    """
    if not np.isfinite(value):
        return "infinity" if value > 0 else "0"
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def where(row: Any, *names: str) -> str:
    """The conditions that tell a curve from another one: ` (medium CM, 48 h)`."""
    said = []
    for name in names:
        value = getattr(row, name)
        if name == "hours":
            said += [f"{value:g} h"] if pd.notna(value) else []
        elif value:
            said.append(f"{name} {value}")
    return f" ({', '.join(said)})" if said else ""


def _log2(value: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log2(value))


def _ratio_words(row: Any, ratio: float, bound: str, name: str, n: str) -> str:
    """The estimate or bound of a ratio, with its interval, test and n."""
    interval = f"95 % interval {number(row.ci_low)} to {number(row.ci_high)}"
    test = f"t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    if row.status == "estimated":
        return f"{name} {number(ratio)} ({interval}; {test}; {n})"
    if row.status == "censored":
        limit = f"above {number(row.ci_low)}" if bound == "above" else f"below {number(row.ci_high)}"
        return f"{name} {limit} ({n})"
    if row.status == "not_testable" and ratio == ratio:
        return f"{name} {number(ratio)} ({interval}, from the scatter within the experiment; no test; {n})"
    return f"{name} not determined"


def _estimate(row: Any, log2_ratio: float) -> dict[str, Any]:
    """The numbers of a ratio on the log2 scale, as far as its status allows them."""
    out: dict[str, Any] = {"status": row.status, "n": row.n}
    given = log2_ratio == log2_ratio
    if row.status == "censored" or given:
        out |= {"ci_low": _log2(row.ci_low), "ci_high": _log2(row.ci_high)}
    if given:
        out |= {"effect": log2_ratio, "se": row.se}
    if row.status == "estimated":
        out |= {"statistic": row.statistic, "p_value": row.p_value, "q_value": row.q_value}
    return out


def _dose(ic50: str) -> str:
    """`IC50 13.2 µM`, or that there is none."""
    return f"IC50 {ic50} µM" if ic50 else "IC50 not determined"


def _doses(first: str, second: str) -> str:
    """Two IC50s side by side: `IC50 50.6 against 13 µM`."""
    if first and second:
        return f"IC50 {first} against {second} µM"
    one, other = (f"{v} µM" if v else "not determined" for v in (first, second))
    return f"IC50 {one} against {other}" if first or second else "both IC50s not determined"


def _sentence(text: str, reason: object) -> str:
    """One sentence, with the reason of its status where there is one."""
    why = str(reason) if reason == reason and reason else ""
    return f"{text}{' [' + why + ']' if why else ''}."


@claims(title="Resistance of the resistant lines")
def resistance_claims(resistance_index: pd.DataFrame) -> pd.DataFrame:
    """One claim per drug and resistant line: resistant (+1), collaterally sensitive (-1), or nothing shown (0)."""
    rows = []
    for row in each(resistance_index):
        n = f"n = {row.n_resistant:.0f} and {row.n_parental:.0f} biological replicates"
        named = f"{row.drug}{where(row, 'medium', 'stage', 'hours')}"
        if row.verdict == UNTESTED:
            text = f"{named}: {_dose(row.ic50_resistant)} in {row.model}; no resistance index"
        else:
            text = (
                f"{named}: {row.verdict} in {row.model} against {row.parent}, "
                f"{_doses(row.ic50_resistant, row.ic50_parental)}, "
                + _ratio_words(row, row.ri, row.ri_bound, "resistance index", n)
            )
        rows.append(
            {
                "entity": row.drug,
                "entity_type": "drug",
                "stream": STREAM,
                "level": "association",
                "model": row.model,
                "contrast": f"{row.model} vs {row.parent}",
                "direction": 1 if row.verdict in _UP else -1 if row.verdict == COLLATERAL else 0,
                "effect_unit": "log2 resistance index",
                **_estimate(row, row.log2_ri),
                "analysis": "resistance_index",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": _sentence(text, row.reason),
            }
        )
    return claim_table(rows)


@claims(title="Stages of resistance")
def stage_claims(stage_trend: pd.DataFrame) -> pd.DataFrame:
    """One claim per drug and series of stages: the IC50 rises (+1), falls (-1), or no trend is shown (0)."""
    rows = []
    for row in each(stage_trend):
        out: dict[str, Any] = {"status": row.status}
        text = f"{row.drug}{where(row, 'medium', 'hours')} in {row.model}: {row.verdict} ({row.ic50s} µM)"
        if row.status == "estimated":
            out |= {"effect": row.log2_per_stage, "ci_low": _log2(row.ci_low), "ci_high": _log2(row.ci_high)}
            out |= {name: getattr(row, name) for name in ("se", "statistic", "p_value", "q_value", "n")}
            text += (
                f", {number(row.fold_per_stage)}-fold per stage (95 % interval {number(row.ci_low)} to "
                f"{number(row.ci_high)}; t = {row.statistic:.2f}, df = {row.df:.0f}, {equals('p', row.p_value)}, "
                f"{equals('q', row.q_value)}; n = {row.n:.0f} stages)"
            )
        rows.append(
            {
                "entity": row.drug,
                "entity_type": "drug",
                "stream": STREAM,
                "level": "gradient",
                "model": row.model,
                "contrast": row.stages,
                "direction": {RISES: 1, FALLS: -1}.get(row.verdict, 0),
                "effect_unit": "log2 IC50 per stage",
                **out,
                "analysis": "stage_trend",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": _sentence(text, row.reason),
            }
        )
    return claim_table(rows)


@claims(title="Genes that shift the response")
def perturbation_claims(perturbation_shift: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene, drug and line: the gene promotes resistance (+1), opposes it (-1), or nothing shown (0).

    Perturbations that name no gene make no claim; they stay in the table.
    """
    rows = []
    for row in each(perturbation_shift[perturbation_shift["gene"] != ""]):
        role = {1: "promotes resistance", -1: "opposes resistance"}.get(row.direction, "no effect on resistance shown")
        n = f"n = {row.n_changed:.0f} and {row.n_control:.0f} biological replicates"
        named = f"{row.gene}: {role} to {row.drug} in {row.model}{where(row, 'medium', 'stage', 'hours')}"
        made = f"{row.perturbation} ({row.action})"
        if row.verdict == UNTESTED:
            text = f"{named}; {made}: {_dose(row.ic50)}, no control to compare with"
        else:
            text = f"{named}; {made} against {row.control}: {_doses(row.ic50, row.ic50_control)}, " + _ratio_words(
                row, row.ratio, row.ratio_bound, "ratio of IC50s", n
            )
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "regulator" if row.gene.startswith("miR") else "gene",
                "stream": STREAM,
                "level": "intervention",
                "model": row.model,
                "contrast": f"{row.perturbation} vs {row.control}, {row.drug}",
                "direction": row.direction,
                "effect_unit": "log2 ratio of IC50",
                **_estimate(row, row.log2_ratio),
                "analysis": "perturbation_shift",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": _sentence(text, row.reason),
            }
        )
    return claim_table(rows)
