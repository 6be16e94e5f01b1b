"""A study and a plug-in of toy analyses for the tests of the pipeline, written into a temporary folder."""

from __future__ import annotations

import importlib
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rechallenge.analysis import Analysis, Registry
from rechallenge.tables.contract import Column, Contract

MEASURE = Contract(
    name="measure",
    about="A number per group and replicate.",
    columns=(
        Column("group", "what was measured", required=True),
        Column("replicate", "biological replicate", kind="integer", required=True),
        Column("value", "the number", kind="number", required=True),
    ),
    key=("group", "replicate"),
)

HELPER = """
SCALE = 2.0
"""

BETWEEN = """
from . import helper


def scaled(values):
    return values * helper.SCALE
"""

STEPS = '''
"""Toy analyses."""
from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import pandas as pd

from rechallenge import evidence
from rechallenge.analysis import Split, analysis, claims, figure
from rechallenge.faults import NotApplicable


def note(log: str, text: str) -> None:
    if log:
        with Path(log).open("a") as f:
            f.write(text + "\\n")


@analysis(title="Doubled", methods="Values were multiplied and {plus} was added.")
def doubled(measure: pd.DataFrame, *, plus: float = 0.0, log: str = "", wait: float = 0.0) -> pd.DataFrame:
    from .between import scaled

    note(log, "doubled")
    time.sleep(wait)
    return measure[["group", "replicate"]].assign(value=scaled(measure["value"]) + plus)


@analysis(title="Means", gives=("means", "spreads"), methods=lambda result, *, digits: f"{len(result['means'])} means.")
def means(doubled: pd.DataFrame, extra: pd.DataFrame | None = None, *, digits: int = 3, log: str = "") -> dict:
    note(log, "means")
    warnings.warn("few replicates", UserWarning, stacklevel=2)
    by = doubled.groupby("group", sort=False)["value"]
    return {
        "means": by.mean().round(digits).reset_index(),
        "spreads": by.std().rename("sd").reset_index(),
    }


@analysis(title="Fails on demand")
def fragile(doubled: pd.DataFrame, *, fail: bool = False, log: str = "") -> pd.DataFrame:
    note(log, "fragile")
    if fail:
        raise ValueError("the sum is odd")
    return doubled.head(1)


@analysis(title="Needs the fragile one")
def after(fragile: pd.DataFrame) -> pd.DataFrame:
    return fragile


@analysis(title="Nothing to do")
def idle(measure: pd.DataFrame) -> pd.DataFrame:
    raise NotApplicable("no group is called control")


@analysis(title="After nothing")
def after_idle(idle: pd.DataFrame) -> pd.DataFrame:
    return idle


def rank_all(frame: pd.DataFrame, *, digits: int) -> pd.DataFrame:
    return frame.assign(rank=frame["total"].rank().round(digits))


@analysis(title="In parts", split=Split("measure", ("group",), groups=2, finish=rank_all))
def totals(
    measure: pd.DataFrame, models: pd.DataFrame, *, digits: int = 1, log: str = "", wait: float = 0.0
) -> pd.DataFrame:
    note(log, "totals:" + ",".join(dict.fromkeys(measure["group"])))
    time.sleep(wait)
    return measure.groupby("group", sort=False)["value"].sum().rename("total").reset_index()


@claims()
def claim_means(means: pd.DataFrame) -> pd.DataFrame:
    return evidence.claim_table(
        {
            "entity": r.group, "entity_type": "gene", "stream": "toy", "level": "association", "effect": r.value,
            "n": 3, "status": "estimated", "analysis": "means", "claim": f"{r.group} is {r.value}",
        }
        for r in means.itertuples()
    )


@analysis(title="Count of claims", gives=("candidates",))
def rank_claims(evidence: pd.DataFrame) -> pd.DataFrame:
    from rechallenge.outputs import SUMMARIES

    frame = pd.DataFrame({"rank": range(1, len(evidence) + 1), "entity": evidence["entity"]})
    return frame.reindex(columns=list(SUMMARIES["candidates"]))


@analysis(title="Result with the name of its table")
def measure(measure: pd.DataFrame) -> pd.DataFrame:
    return measure[["group", "replicate"]].assign(value=10 * measure["value"])


@analysis(title="Result and table as read")
def both(measure: pd.DataFrame, measure_table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"result": measure["value"], "read": measure_table["value"]})


@analysis(title="Process that dies")
def deadly(measure: pd.DataFrame, *, die: bool = False) -> pd.DataFrame:
    if die:
        os._exit(3)
    return measure


@figure(title="Means", caption="Mean of each group.")
def plot_means(means: pd.DataFrame):
    return {"a/b": means, "plot_means_c": means}


@figure(title="Nothing")
def plot_nothing(means: pd.DataFrame):
    return None
'''

_number = itertools.count()
ALL = (
    "doubled", "means", "fragile", "after", "idle", "after_idle", "totals", "claim_means", "rank_claims"
)  # fmt: skip


@dataclass
class Toy:
    """A plug-in package `name` in `plugin` and a study in `study` that logs every call into `log`."""

    plugin: Path
    name: str
    study: Path
    log: Path
    names: tuple[str, ...] = ALL

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(f"{self.name}.steps")

    @property
    def registry(self) -> Registry:
        found: dict[str, Analysis] = {}
        for n in self.names:
            found[n] = getattr(self.module, n).__rechallenge__
        return Registry(dict(sorted(found.items())), {"measure": MEASURE})

    def calls(self) -> list[str]:
        """What ran since the last look, sorted."""
        if not self.log.exists():
            return []
        lines = sorted(self.log.read_text().splitlines())
        self.log.unlink()
        return lines

    def measure(self, groups: int = 5, replicates: int = 3, first: float = 1.0) -> None:
        """(Re)write the study's table."""
        rows = [f"g{g},{r},{first + g + r / 8}" for g in range(groups) for r in range(1, replicates + 1)]
        (self.study / "measure.csv").write_text("group,replicate,value\n" + "\n".join(rows) + "\n")

    def options(self, **sections: dict[str, object]) -> None:
        """(Re)write study.toml with these option sections; each logs."""
        named = {n: {"log": str(self.log)} for n in ("doubled", "means", "fragile", "totals")}
        for section, values in sections.items():
            named.setdefault(section, {}).update({k: str(v) for k, v in values.items()})
        text = '[study]\ntitle = "Toy"\nauthors = ["A. Author"]\n\n[tables]\nmeasure = "measure.csv"\n'
        for section, given in named.items():
            text += f"\n[options.{section}]\n"
            text += "".join(f"{k} = {v if k != 'log' else repr(v)}\n" for k, v in given.items())
        (self.study / "study.toml").write_text(text)


def make(folder: Path) -> Toy:
    """A fresh plug-in (a package name that this process has not seen) and study below `folder`."""
    name = f"toyplug{next(_number)}"
    package = folder / "plugin" / name
    package.mkdir(parents=True)
    for file, text in (("__init__", ""), ("helper", HELPER), ("between", BETWEEN), ("steps", STEPS)):
        (package / f"{file}.py").write_text(text)
    study = folder / "study"
    study.mkdir()
    toy = Toy(folder / "plugin", name, study, folder / "calls.log")
    toy.measure()
    toy.options()
    if str(toy.plugin) not in sys.path:
        sys.path.insert(0, str(toy.plugin))
    importlib.invalidate_caches()
    return toy
