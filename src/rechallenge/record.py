"""What a run did, as plain data: the one thing that outputs, dossier and `run.json` are written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rechallenge.analysis import StepKind
from rechallenge.faults import Fault
from rechallenge.study import Study

if TYPE_CHECKING:
    import pandas as pd

#: done: computed now; cached: taken from the store; skipped: nothing to work on (see `reason`);
#: failed: raised (see `reason`); blocked: needs a result of a failed step
StepState = Literal["done", "cached", "skipped", "failed", "blocked"]


@dataclass(frozen=True)
class StepRecord:
    """One step of a run. `seconds` is the time its computation took, when it was computed."""

    name: str
    kind: StepKind
    stream: str
    title: str
    state: StepState
    reason: str = ""
    about: str = ""
    reference: tuple[str, ...] = ()
    methods: str = ""
    inputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    key: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class FigureRecord:
    """One exported figure. `name` is the file stem; `files` maps svg, pdf, png, csv and json (the specification)
    to their bytes."""

    name: str
    step: str
    stream: str
    title: str
    caption: str
    spec: Mapping[str, Any]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class InputRecord:
    """One input file: path relative to the study folder, table kind, size and digest."""

    path: str
    kind: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RunRecord:
    """Everything a run read, did and found.

    `tables` holds results by name (`curves`, `resistance_index`, ...), `evidence` all claims, `excluded` the rows and
    cells left out on reading (kind, file, sheet, row, column, value, reason), `faults` the warnings and notes.
    `source` holds the study's own tables as read, by kind, each row with its origin; `reading` how each was come by
    (key, state done or cached, seconds).
    """

    study: Study
    out: Path
    steps: tuple[StepRecord, ...]
    tables: Mapping[str, pd.DataFrame]
    figures: tuple[FigureRecord, ...]
    evidence: pd.DataFrame
    faults: tuple[Fault, ...]
    excluded: pd.DataFrame
    inputs: tuple[InputRecord, ...]
    rows_read: Mapping[str, int]
    versions: Mapping[str, str]
    knowledge: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    reading: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[StepRecord, ...]:
        return tuple(s for s in self.steps if s.state in ("failed", "blocked"))
