"""A small run as it would come out of the pipeline, with everything a reader may meet: bounds, gaps, failures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rechallenge.evidence import claim_table
from rechallenge.faults import Fault
from rechallenge.record import FigureRecord, InputRecord, RunRecord, StepRecord
from rechallenge.study import Model, Study

DRUGS = {"lenvatinib": (13.0, 50.6), "sorafenib": (6.8, 21.1), "regorafenib": (4.1, 4.3), "doxorubicin": (0.4, 0.1)}
LINES = ("Huh-7 P", "Huh-7 LR")


def points() -> pd.DataFrame:
    """Viabilities of two lines and four drugs with their origin (`_file`, `_row`)."""
    rng = np.random.default_rng(7)
    rows = [
        {
            "model": model,
            "drug": drug,
            "dose_um": dose,
            "replicate": replicate,
            "viability": 1 / (1 + (dose / ic50[line]) ** 1.4) + rng.normal(0, 0.03),
        }
        for drug, ic50 in DRUGS.items()
        for line, model in enumerate(LINES)
        for dose in (0, 0.1, 0.3, 1, 3, 10, 30, 100)
        for replicate in (1, 2, 3)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(_file="viability.csv", _sheet="", _row=range(2, len(frame) + 2))


def resistance() -> pd.DataFrame:
    """Estimated, bounded from either side, and not estimable."""
    nan, inf = math.nan, math.inf
    rows = [
        ("Huh-7 LR", "lenvatinib", 3.8912, 3.25, 4.66, 0.0004, 0.0016, "estimated", ""),
        ("Huh-7 LR", "sorafenib", nan, 14.75, inf, nan, nan, "censored", "viability stays above 0.5"),
        ("Huh-7 LR", "regorafenib", 1.05, 0.82, 1.34, 0.61, 0.61, "estimated", ""),
        ("Huh-7 LR", "doxorubicin", 0.25, 0.16, 0.39, 0.002, 0.004, "estimated", ""),
        ("Huh-7 LR", "cabozantinib", nan, nan, nan, nan, nan, "not_estimable", "the parental curve is flat"),
        ("Huh-7 LR", "cisplatin", nan, 0.0, 0.4, nan, nan, "censored", "below the lowest dose"),
    ]
    names = ["model", "drug", "ri", "ci_low", "ci_high", "p_value", "q_value", "status", "reason"]
    frame = pd.DataFrame(rows, columns=names)
    frame.insert(1, "parent", "Huh-7 P")
    return frame.assign(n=3, source_rows="viability.csv:2-25,30")


def curves() -> pd.DataFrame:
    """One row per line and drug."""
    rows = [
        {
            "model": model,
            "drug": drug,
            "medium": "",
            "n_replicates": 3,
            "ic50_um": ic50[line],
            "ic50_ci_low": ic50[line] * 0.9,
            "ic50_ci_high": ic50[line] * 1.1,
            "ic50_bound": "",
            "ic50_bound_um": math.nan,
            "ec50_um": ic50[line] * 1.02,
            "hill": 1.4,
            "auc": 0.61,
            "f_p_value": 3.1e-9,
            "status": "estimated",
            "reason": "",
            "covariance": "0.1 " * 60,
        }
        for drug, ic50 in DRUGS.items()
        for line, model in enumerate(LINES)
    ]
    bounded = {"ic50_um": math.nan, "ic50_ci_low": 30.0, "ic50_ci_high": math.inf, "ic50_bound": "above"}
    rows[3] |= {**bounded, "ic50_bound_um": 100.0, "status": "censored", "reason": "viability stays above 0.5"}
    return pd.DataFrame(rows)


def evidence() -> pd.DataFrame:
    """Claims of every status, two directions, and two kinds of entity."""
    common = {"stream": "dose_response", "model": "Huh-7 LR", "contrast": "Huh-7 LR against Huh-7 P", "n": 3}
    rows = [
        common
        | {
            "entity": "lenvatinib",
            "entity_type": "drug",
            "level": "association",
            "direction": 1,
            "effect": 3.8912,
            "effect_unit": "fold",
            "ci_low": 3.25,
            "ci_high": 4.66,
            "p_value": 0.0004,
            "q_value": 0.0016,
            "status": "estimated",
            "analysis": "resistance_index",
            "source_table": "viability",
            "source_rows": "viability.csv:2-4,7",
            "claim": "Huh-7 LR resists lenvatinib 3.89-fold (95 % CI 3.25 to 4.66, n = 3).",
        },
        common
        | {
            "entity": "sorafenib",
            "entity_type": "drug",
            "level": "association",
            "direction": 1,
            "ci_low": 14.75,
            "ci_high": math.inf,
            "effect_unit": "fold",
            "status": "censored",
            "analysis": "resistance_index",
            "source_table": "viability",
            "source_rows": "viability.csv:30-40",
            "claim": "Huh-7 LR resists sorafenib more than 14.8-fold: its IC50 lies above the tested doses.",
        },
        common
        | {
            "entity": "AKR1B1",
            "entity_type": "gene",
            "level": "intervention",
            "direction": 1,
            "effect": -0.92,
            "effect_unit": "log2 IC50",
            "se": 0.2,
            "ci_low": -1.4,
            "ci_high": -0.5,
            "p_value": 0.003,
            "q_value": 0.006,
            "status": "estimated",
            "analysis": "perturbation_shift",
            "source_table": "viability",
            "source_rows": "viability.csv:50-60",
            "claim": "Knock-down of AKR1B1 lowers the IC50 of lenvatinib 1.89-fold in Huh-7 LR.",
        },
        common
        | {
            "entity": "AKR1B1",
            "entity_type": "gene",
            "level": "association",
            "direction": -1,
            "effect": -1.1,
            "effect_unit": "log2 fold change",
            "p_value": 0.01,
            "q_value": 0.03,
            "status": "estimated",
            "analysis": "differential",
            "claim": "AKR1B1 is lower in Huh-7 LR (log2 fold change -1.1).",
        },
        common
        | {
            "entity": "AKR1B1",
            "entity_type": "gene",
            "level": "gradient",
            "direction": 1,
            "effect": 0.2,
            "effect_unit": "log2 per stage",
            "p_value": 0.4,
            "q_value": 0.4,
            "status": "estimated",
            "analysis": "stages",
            "claim": "AKR1B1 was not shown to follow the stages.",
        },
        common
        | {
            "entity": "AKR1B1",
            "entity_type": "gene",
            "level": "engagement",
            "direction": 0,
            "status": "not_estimable",
            "analysis": "binding",
            "claim": "Binding of AKR1B1 could not be fitted: the curve is flat.",
        },
        common
        | {
            "entity": "lenvatinib + epalrestat",
            "entity_type": "pair",
            "level": "intervention",
            "direction": -1,
            "effect": 12.0,
            "effect_unit": "% Bliss excess",
            "ci_low": 6.0,
            "ci_high": 18.0,
            "p_value": 0.001,
            "q_value": 0.002,
            "status": "estimated",
            "analysis": "synergy",
            "claim": "Lenvatinib and epalrestat are synergistic in Huh-7 LR.",
        },
    ]
    return claim_table(rows)


def figures() -> tuple[FigureRecord, ...]:
    """Two exported figures: facets of points (two columns wide) and a forest plot (one)."""
    import altair as alt

    from rechallenge.report import theme

    data = points().drop(columns=["_file", "_sheet", "_row"])
    axis = theme.dose_axis(data["dose_um"])
    layers = [
        axis.place(alt.Chart(data))
        .mark_point()
        .encode(
            axis.x(),
            alt.Y("viability:Q", title="Viability (fraction)"),
            alt.Color("model:N", title="Model"),
            tooltip=["model", "drug", "dose_um", "viability"],
        ),
        *axis.break_mark(),
    ]
    panel = alt.layer(*layers).properties(width=110, height=90)
    forest = theme.forest(
        resistance(), "drug", "ri", "ci_low", "ci_high", title="Resistance index (fold)", note="reason"
    )
    charts = {
        "curves_fit": (theme.sized(theme.facets(panel, data, "drug"), theme.DOUBLE), "Dose-response curves", "curves"),
        "ri_forest": (theme.sized(forest, theme.SINGLE), "Resistance index", "resistance_index"),
    }
    made = []
    for name, (chart, title, of) in charts.items():
        files = theme.export(name, chart)
        made.append(
            FigureRecord(
                name=name,
                step=f"{of}_figure",
                stream="dose_response",
                title=title,
                caption=f"Points are biological replicates; {of} of this study.",
                spec=json.loads(files["json"]),
                files=files,
            )
        )
    return tuple(made)


def steps() -> tuple[StepRecord, ...]:
    """Analyses that ran, one that failed, one blocked by it, one with nothing to do, two figures."""

    def analysis(name: str, title: str, **more: Any) -> StepRecord:
        return StepRecord(name=name, kind="analysis", stream="dose_response", title=title, outputs=(name,), **more)

    return (
        analysis(
            "curves",
            "Dose-response curves",
            state="done",
            methods="Curves were fitted by least squares (doi:10.1371/journal.pone.0146021).",
            reference=("doi:10.1371/journal.pone.0146021", "doi:10.1038/srep05193"),
            options={"level": 0.4, "seed": 11},
            inputs=("viability",),
            seconds=0.4,
        ),
        analysis(
            "resistance_index",
            "Resistance index",
            state="cached",
            methods="Ratios of IC50 were tested on the log scale (doi:10.1371/JOURNAL.PONE.0146021)",
            options={"confidence": 0.95},
            inputs=("curves",),
            warnings=("n = 2 for one line: its interval is wide",),
        ),
        analysis("plate_quality", "Plate quality", state="done", methods="Plates were judged by Z'."),
        StepRecord(
            name="stages",
            kind="analysis",
            stream="dose_response",
            title="Trend over stages",
            state="skipped",
            reason="No model has a stage.",
        ),
        StepRecord(
            name="synergy",
            kind="analysis",
            stream="combination",
            title="Synergy",
            state="failed",
            reason="singular matrix in the surface fit",
            traceback="Traceback (most recent call last):\n  LinAlgError: singular",
        ),
        StepRecord(
            name="combinations",
            kind="analysis",
            stream="combination",
            title="Ranked combinations",
            state="blocked",
            reason="needs synergy, which failed",
        ),
        StepRecord(
            name="curves_figure",
            kind="figure",
            stream="dose_response",
            title="Dose-response curves",
            state="done",
            inputs=("curves",),
        ),
        StepRecord(
            name="resistance_index_figure",
            kind="figure",
            stream="dose_response",
            title="Resistance index",
            state="done",
            inputs=("resistance_index",),
        ),
    )


_FIGURES: list[tuple[FigureRecord, ...]] = []


def build(**changes: Any) -> RunRecord:
    """The run, with any field of the record replaced."""
    if "figures" not in changes and not _FIGURES:
        _FIGURES.append(figures())
    study = Study(
        folder=Path("study"),
        title="Acquired lenvatinib resistance in Huh-7",
        therapies=("lenvatinib",),
        seed=11,
        authors=("A. Author",),
        models={
            "Huh-7 P": Model(role="parental"),
            "Huh-7 LR": Model(role="resistant", parent="Huh-7 P", selected_with="lenvatinib"),
        },
    )
    quality = pd.DataFrame(
        {"plate": ["P1", "P2"], "z_prime": [0.71, -0.2], "n_vehicle": [8, 8], "verdict": ["good", "poor"]}
    )
    fields: dict[str, Any] = {
        "study": study,
        "out": Path("results"),
        "steps": steps(),
        "tables": {"curves": curves(), "resistance_index": resistance(), "plate_quality": quality},
        "figures": _FIGURES[0] if _FIGURES else (),
        "evidence": evidence(),
        "faults": (
            Fault(
                "unit",
                "values above 2 in a fraction.",
                "Check the unit.",
                "viability.csv",
                "",
                12,
                "viability",
                "3.1",
                "warning",
            ),
            Fault("guess", "read as UTF-8 with ';' between columns.", "", "viability.csv", severity="note"),
        ),
        "excluded": pd.DataFrame(
            {
                "kind": ["viability"] * 3,
                "file": ["viability.csv"] * 3,
                "sheet": [""] * 3,
                "row": [14, 15, 40],
                "column": ["viability"] * 3,
                "value": ["", "", "n.d."],
                "reason": ["not measured", "not measured", "not a number"],
            }
        ),
        "inputs": (InputRecord("viability.csv", "viability", 5120, "ab" * 32),),
        "rows_read": {"viability": 192},
        "versions": {"rechallenge": "0.1.0", "python": "3.11.7", "numpy": "2.4.0"},
        "started": "2024-05-01T10:00:00Z",
        "seconds": 1.25,
        "settings": {"jobs": 1},
    }
    return RunRecord(**(fields | changes))


@pytest.fixture(scope="session")
def record() -> RunRecord:
    """The run as it stands."""
    return build()


@pytest.fixture(scope="session")
def build_record() -> Callable[..., RunRecord]:
    """`build`, for a run with some fields replaced."""
    return build


@pytest.fixture(scope="session")
def lab_rows() -> pd.DataFrame:
    """The viability table as read, with the origin of its rows."""
    return points()
