"""One surface of two drugs as a page that turns: measured inhibition, what was expected, and the excess.

The page is one file that asks nothing of any other: its data are inside, and its own policy lets no script run but the
one it was made with. `surface_page` makes it from tables; `rechallenge surface` makes it from the results of a run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.combination.drawing import by_replicate, dose_text
from rechallenge.assays.combination.scores import NAMES
from rechallenge.assays.combination.wells import each
from rechallenge.report import words

#: by this a page is known as one of these, so that no other file is written over
GENERATOR = "Rechallenge dose-response surface"
_PAIR = ("model", "drug_a", "drug_b")
_WINDOW = {"yes": "within total plasma concentrations", "no": "above total plasma concentrations"}


def surface_page(
    synergy_cells: pd.DataFrame,
    combination_responses: pd.DataFrame,
    model: str,
    drug_a: str,
    drug_b: str,
    method: str = "bliss",
) -> str:
    """The page of one pair of drugs on one model, HTML; the same tables give the same text in any order of rows.

    Takes the tables `combination_responses` (fractions) and `synergy_cells` (per cent) as the analyses give them.
    Every perturbation and exposure of the model with this pair is a condition that the page lets choose. `method`: the
    reference, one of those in `synergy_cells`. Raises ValueError where the pair on this model, or the method, is not
    there.
    """
    wanted = dict(zip(_PAIR, (model, drug_a, drug_b), strict=True))
    cells, every = _rows(synergy_cells, wanted), by_replicate(_rows(combination_responses, wanted))
    if cells.empty or every.empty:
        raise ValueError(f"there is no surface of {drug_a} + {drug_b} on {model}")
    known = [m for m in NAMES if (cells["method"] == m).any()]
    if method not in known:
        raise ValueError(f"method must be among {', '.join(known)}, not {method!r}")
    cells = cells[cells["method"] == method]
    by = ["perturbation", "hours"]
    found = dict(list(cells.groupby(by, dropna=False, sort=True)))
    points = {_condition(k): v for k, v in every.groupby(by, dropna=False, sort=True)}
    conditions = [_surface(_condition(k), part, points[_condition(k)], (drug_a, drug_b)) for k, part in found.items()]
    data = {"drugs": [drug_a, drug_b], "method": NAMES[method], "conditions": [c["data"] for c in conditions]}
    script = _asset("rechallenge.assays.combination", "surface.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template()(
        model=model, drugs=[drug_a, drug_b], method=NAMES[method], conditions=conditions, data=_json(data),
        script=script, digest=f"sha256-{digest}", generator=GENERATOR,
        colours=_asset("rechallenge.report", "dossier.css").split("}", 1)[0] + "}",
        fitted=bool((cells["margin"] != "measured").any()),
    )  # fmt: skip


def _rows(table: pd.DataFrame, wanted: dict[str, str]) -> pd.DataFrame:
    """The rows of one pair on one model, without those of a third drug."""
    keep = table["drug_c"] == ""
    for column, value in wanted.items():
        keep &= table[column] == value
    found: pd.DataFrame = table[keep]
    return found


def _condition(key: Any) -> str:
    perturbation, hours = key
    parts = [] if perturbation in ("", "none") else [str(perturbation)]
    return ", ".join(parts + ([] if pd.isna(hours) else [f"{float(hours):g} h"]))


def _surface(name: str, cells: pd.DataFrame, points: pd.DataFrame, drugs: tuple[str, str]) -> dict[str, Any]:
    """One condition: what the page draws (`data`) and the rows of its table."""
    levels = [sorted(points[d].unique()) for d in ("dose_a_um", "dose_b_um")]
    tested = {(c.dose_a_um, c.dose_b_um): c for c in each(cells)}
    measured = bool((cells["margin"] == "measured").all())
    drawn_cells, rows = [], []
    pairs: Any = points.groupby(["dose_a_um", "dose_b_um"], sort=True)
    for (a, b), part in pairs:
        values = dict(zip(part["replicate"].astype(str), part["inhibition"], strict=True))
        cell, mean = tested.get((a, b)), float(np.mean(part["inhibition"]))
        # a single agent is its own reference where single agents were taken as measured
        own = mean if measured and (a == 0 or b == 0) else np.nan
        expected = own if cell is None else cell.reference
        excess = own - own if cell is None else cell.bound if pd.isna(cell.excess) else cell.excess
        said = _said(cell, values, mean)
        rows.append([dose_text(a), dose_text(b), *said.values()])
        told = [*zip(drugs, (f"{dose_text(v)} µM" for v in (a, b)), strict=True), *said.items()]
        drawn_cells.append(
            {
                "i": levels[0].index(a), "j": levels[1].index(b), "measured": _short(mean),
                "reference": _short(expected), "excess": _short(excess), "sign": "" if cell is None else cell.sign,
                "replicates": [_short(v) for v in values.values()], "told": [t for t in told if t[1]],
            }
        )  # fmt: skip
    data = {
        "doses": [[_short(v) for v in axis] for axis in levels],
        "labels": [[dose_text(v) for v in axis] for axis in levels],
        "cells": drawn_cells,
    }
    return {"name": name, "data": data, "rows": rows}


def _said(cell: Any, values: dict[str, float], mean: float) -> dict[str, str]:
    """What is known of one pair of doses in words, by what it is."""
    replicates = ", ".join(f"{name}: {_percent(v)}" for name, v in values.items())
    out = {"Inhibition (%)": _percent(mean), "Replicates (%)": replicates}
    out |= dict.fromkeys(("Expected (%)", "Excess (%)", "CI", "q", "Note"), "")
    if cell is not None:
        out["Expected (%)"] = _percent(cell.reference)
        out["Excess (%)"] = f"≤ {_percent(cell.bound)}" if cell.status == "censored" else _percent(cell.excess)
        limits = _percent(cell.ci_low), _percent(cell.ci_high)
        out["CI"] = " to ".join(limits) if all(limits) else ""
        out["q"] = "" if pd.isna(cell.q_value) else words.p_value(cell.q_value)
        out["Note"] = "; ".join(t for t in (cell.sign, _WINDOW.get(cell.in_window, ""), cell.reason) if t)
    return out


def _percent(value: float) -> str:
    """One decimal; nothing where there is no number."""
    text = "" if pd.isna(value) else f"{value:.1f}".replace("inf", "∞")
    return text.removeprefix("-") if text == "-0.0" else text.replace("-", "−")


def _short(value: float) -> float | None:
    """Six digits are more than a screen shows; None where there is no number."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _json(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@lru_cache(maxsize=4)
def _asset(package: str, name: str) -> str:
    from importlib.resources import files

    return (files(package) / "templates" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


@lru_cache(maxsize=1)
def _template() -> Callable[..., str]:
    import jinja2

    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return env.from_string(_asset("rechallenge.assays.combination", "surface.html.j2")).render
