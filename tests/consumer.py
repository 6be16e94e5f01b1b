"""A user's program, which `mypy --strict` has to accept and to see through: the types of the public interface."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import rechallenge
from rechallenge import InputFaults, Study, dose_response, simulate
from rechallenge.analysis import Analysis, discover
from rechallenge.record import RunRecord


def indices(folder: Path) -> pd.DataFrame:
    wells = simulate.plates.wells(simulate.planted(), seed=1)
    curves = dose_response.fit_curves(simulate.plates.fractions(wells))
    return dose_response.compare(curves, {"Huh-7 LR": "Huh-7 P"})


def answer(folder: Path) -> str:
    try:
        study: Study = Study.load(folder)
        record: RunRecord = rechallenge.run(study.folder, jobs=2)
    except InputFaults as e:
        return "\n".join(fault.message for fault in e.faults)
    first: Analysis | None = discover().giver("curves")
    return f"{len(record.tables)} tables, {rechallenge.__version__}, {first.title if first else 'none'}"


def wrong(folder: Path) -> None:
    rechallenge.run(folder, job=2)  # type: ignore[call-arg]
    dose_response.fit_curves("viability.csv")  # type: ignore[arg-type]
    rechallenge.run(folder).nothing  # type: ignore[attr-defined]  # noqa: B018
