"""`rechallenge check`: everything that can be said of a study before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge import knowledge
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, Study
from rechallenge.tables.contract import plain

if TYPE_CHECKING:
    import pandas as pd

#: tested doses above this many times the highest sourced plasma concentration are said to be far above it
FAR_ABOVE = 10.0
#: knowledge tables that these checks look things up in
TABLES_USED = ("cell_lines", "exposure")
#: quantities that are total plasma concentrations
_TOTAL = ("cmax_total", "ctrough_ss", "cavg_ss")


@dataclass(frozen=True)
class Checked:
    """What `check` found: the study (None where its file cannot be read), rows read per table kind, all faults."""

    study: Study | None
    rows: Mapping[str, int]
    faults: tuple[Fault, ...]

    def summary(self) -> Iterator[str]:
        """A few lines for the terminal: title, models, what was read."""
        if self.study is None:
            return
        yield self.study.title
        for name, model in self.study.models.items():
            parts: list[str] = [model.role]
            if model.parent:
                parts.append(f"from {model.parent}")
            if model.selected_with:
                parts.append(f"selected with {model.selected_with}")
            yield f"  {name}: {', '.join(parts)}"
        for kind, n in self.rows.items():
            yield f"  {kind}: {n} rows"


def check(folder: str | Path) -> Checked:
    """Validate the study file, its options and every table; look up what is known of its lines and doses."""
    from rechallenge import study as study_module
    from rechallenge.analysis import discover
    from rechallenge.pipeline.options import options
    from rechallenge.tables.reading import read_study

    try:
        study = Study.load(folder)
    except InputFaults as e:
        return Checked(None, {}, tuple(e.faults))
    registry = discover()
    read = read_study(study, registry.contracts)
    faults = [
        *study_module.problems(study.folder),
        *options(study, registry)[1],
        *read.faults,
        *known_problems(study, read.tables),
    ]
    return Checked(study, dict(read.rows_read), tuple(faults))


def known_problems(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Fault]:
    """Warnings from what is known of the outside world: problem cell lines, doses no patient can reach."""
    return [*problem_lines(study), *unreachable_doses(tables)]


def problem_lines(study: Study) -> Iterator[Fault]:
    """Models that a register lists as misidentified, contaminated or of another tissue than assumed."""
    table = knowledge.starter("cell_lines")
    register = {
        plain(alias): at
        for at, name, synonyms in zip(table.index, table["name"], table["synonyms"], strict=True)
        for alias in (name, *synonyms.split("|"))
        if alias
    }
    for name, model in study.models.items():
        at = next((register[p] for p in _line_names(name, model.cell_line) if p in register), None)
        if at is None:
            continue
        row = table.loc[at].astype(str)
        sort = row["problem"].replace("_", " ")
        sentence = f"{row['name']} is a problem line ({sort}): it is {row['actual']}"
        sentence += f", not {row['claimed']}." if row["claimed"] else "."
        if model.role == "normal":
            sentence += " It cannot stand for normal cells."
        yield Fault(
            "problem-line",
            sentence,
            f"Source: {row['register'] or row['source']}. Authenticate the line, or say in the report what it is.",
            file=STUDY_FILE,
            column=f"models.{name}",
            value=name,
            severity="warning",
        )


def _line_names(name: str, cell_line: str) -> Iterator[str]:
    """Forms under which a model may be registered: its cell line, its name, and the name without a suffix."""
    for text in (cell_line, name):
        words = text.split()
        for k in range(len(words), 0, -1):
            yield plain(" ".join(words[:k]))


def unreachable_doses(tables: Mapping[str, pd.DataFrame]) -> Iterator[Fault]:
    """Drugs whose every tested dose, or whose lowest effective range, lies far above any sourced plasma level; those of
    a combination too."""
    highest = total_exposure()
    for table in tables.values():
        for drug, low, top, column in _tested(table):
            known = highest.get(drug.casefold())
            if known is None or top <= FAR_ABOVE * known[0]:
                continue
            all_above = low > known[0]
            yield Fault(
                "dose-above-exposure",
                f"{drug} was tested up to {top:g} µM, {top / known[0]:.0f} times the highest total plasma "
                f"concentration on record ({known[0]:.3g} µM, {known[1]})."
                + (" No tested dose lies within what a patient can have." if all_above else ""),
                "An effect that needs such a dose says nothing about patients."
                + (" Add lower doses." if all_above else ""),
                file=str(table["_file"].iloc[0]),
                column=column,
                value=drug,
                severity="warning",
            )


def _tested(table: pd.DataFrame) -> Iterator[tuple[str, float, float, str]]:
    """Drug, lowest and highest dose (µM) above 0, and the column of the doses, for every drug column of a table."""
    for part in ("", "_a", "_b", "_c"):
        drug, dose = f"drug{part}", f"dose{part}_um"
        if not {drug, dose} <= set(table.columns):
            continue
        given = table[(table[dose] > 0) & table[drug].astype(str).ne("")]
        for name, doses in given.groupby(drug, sort=True)[dose]:
            yield str(name), float(doses.min()), float(doses.max()), dose


def total_exposure() -> dict[str, tuple[float, str]]:
    """Highest sourced total plasma concentration per drug (lower case): µM and where it comes from."""
    import pandas as pd

    rows = knowledge.starter("exposure")
    rows = rows[rows["quantity"].isin(_TOTAL) & rows["unit"].eq("uM") & ~rows["confidence"].isin(["unknown"])]
    value = pd.to_numeric(rows["value"], errors="coerce")
    out: dict[str, tuple[float, str]] = {}
    for drug, v, source in zip(rows["drug"], value, rows["source"], strict=True):
        if v == v and v > out.get(drug, (0.0, ""))[0]:
            out[drug] = (float(v), str(source))
    return out
