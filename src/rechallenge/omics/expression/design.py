"""From a sheet of samples to a design and the questions that it can answer.

Every group (model, treatment, stage) has a mean of its own; batches are added where they can be told apart from the
groups. Questions are sums of group means: one group against another, a combination against each of its drugs, whether
two drugs together do more than both (interaction), whether a resistant model answers a treatment as its parent does
(interaction), and whether there is a trend over the stages of dose escalation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import contrasts
from rechallenge.contrasts import VEHICLE, Comparison, Group

Floats = NDArray[np.float64]
#: weights [groups] of the groups on the plus and on the minus side
Weigh = Callable[[Sequence[Group], Sequence[Group]], Floats]

RESISTANCE, TREATMENT, DECLARED = contrasts.KINDS
COMBINATION, INTERACTION, TREND = "combination", "interaction", "trend"
KINDS = (*contrasts.KINDS, COMBINATION, INTERACTION, TREND)
_STAGE = re.compile(r"(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Question:
    """A sum of group means: `weights` [groups]. `direction` is +1 where up goes with resistance, else 0. The first two
    groups are those that the label names first."""

    label: str
    kind: str
    model: str
    weights: Floats
    groups: tuple[Group, ...]
    direction: int = 0

    @property
    def said(self) -> dict[str, str]:
        """What is compared with what, in the words of `[[contrasts]]`; the stage is '' for a question about several."""
        one, other = self.groups[:2]
        several = self.kind == TREND
        return {
            "model": self.model,
            "treatment": one.treatment,
            "stage": "" if several else one.stage,
            "against": other.model,
            "against_treatment": other.treatment,
            "against_stage": "" if several else other.stage,
        }


@dataclass
class Design:
    """``matrix`` [samples, groups + batches]; ``groups`` in the order of the first columns; notes on batches."""

    matrix: Floats
    groups: list[Group]
    which: NDArray[np.int64]
    batches: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return int(self.matrix.shape[0] - np.linalg.matrix_rank(self.matrix))

    def size(self, group: Group) -> int:
        """Samples of a group."""
        return int((self.which == self.groups.index(group)).sum())

    def coefficients(self, question: Question) -> Floats:
        """The weights of a question over all columns of the matrix."""
        return np.concatenate([question.weights, np.zeros(self.matrix.shape[1] - len(self.groups))])


def make(sheet: pd.DataFrame, *, batch: bool = True) -> Design:
    """The design of one data set; `sheet` as `contrasts.grouped` gives it, one row per sample."""
    keys = list(zip(sheet["model"], sheet["treatment"], sheet["stage"], strict=True))
    groups = [Group(*k) for k in sorted(set(keys))]
    place = {(g.model, g.treatment, g.stage): i for i, g in enumerate(groups)}
    which = np.array([place[k] for k in keys])
    matrix = np.eye(len(groups))[which]
    out = Design(matrix, groups, which)
    labels = sheet["batch"].fillna("").astype(str).to_numpy() if batch and "batch" in sheet else np.array([])
    levels = sorted(set(labels))
    if len(levels) < 2:
        return out
    for level in levels[1:]:
        column = (labels == level).astype(float)[:, None]
        wider = np.hstack([out.matrix, column])
        if np.linalg.matrix_rank(wider) < wider.shape[1]:
            out.notes.append(f"batch {level} cannot be told apart from the groups")
        elif wider.shape[0] - wider.shape[1] < 1:
            out.notes.append(f"batch {level} would leave nothing to judge replicates by")
        else:
            out.matrix = wider
            out.batches.append(level)
    return out


def questions(
    sheet: pd.DataFrame, design: Design, models: pd.DataFrame, declared: pd.DataFrame | None = None
) -> list[Question]:
    """Everything that the study asks and its samples allow, each once, in a fixed order."""
    at = {g: i for i, g in enumerate(design.groups)}

    def weigh(plus: Sequence[Group], minus: Sequence[Group]) -> Floats:
        w = np.zeros(len(design.groups))
        for g in plus:
            w[at[g]] += 1
        for g in minus:
            w[at[g]] -= 1
        return w

    found: list[Question] = []
    pairs = contrasts.of(sheet, models, declared)
    for c in pairs:
        up = contrasts.direction(c, models)
        found.append(Question(c.contrast, c.kind, c.model, weigh([c.group], [c.reference]), (c.group, c.reference), up))
    found += [q for g in design.groups for q in _combined(g, at, weigh)]
    found += _answers(pairs, weigh)
    found += _trends(design, models)
    order = {k: i for i, k in enumerate(KINDS)}
    unique = {(q.kind, q.label): q for q in reversed(found)}
    return sorted(unique.values(), key=lambda q: (order[q.kind], q.label))


def parts(treatment: str) -> tuple[str, ...]:
    """The drugs of a combination, () for a single one.

    >>> parts("sorafenib + lefamulin"), parts("sorafenib")
    (('sorafenib', 'lefamulin'), ())
    """
    names = tuple(p.strip() for p in re.split(r"\s\+\s|\s&\s|\sand\s|\+", treatment) if p.strip())
    return names if len(names) > 1 else ()


def _combined(group: Group, at: dict[Group, int], weigh: Weigh) -> list[Question]:
    """A combination against each of its drugs, and beyond both."""
    drugs = parts(group.treatment)
    singles = [Group(group.model, d, group.stage) for d in drugs]
    there = [s for s in singles if s in at]
    name = group.model + (f" {group.stage}" if group.stage else "")
    out = [
        Question(f"{name}: {group.treatment} vs {s.treatment}", COMBINATION, group.model,
                 weigh([group], [s]), (group, s))
        for s in there
    ]  # fmt: skip
    bare = Group(group.model, VEHICLE, group.stage)
    if len(drugs) == 2 and len(there) == 2 and bare in at:
        w = weigh([group, bare], there)
        out.append(Question(f"{name}: {drugs[0]} x {drugs[1]}", INTERACTION, group.model, w, (group, *there, bare)))
    return out


def _answers(pairs: Sequence[Comparison], weigh: Weigh) -> list[Question]:
    """Whether a model answers a treatment as its parent does."""
    treated = {(c.group.model, c.group.treatment, c.group.stage): c for c in pairs if c.kind == TREATMENT}
    out = []
    for c in pairs:
        if c.kind != RESISTANCE or c.group.treatment != VEHICLE:
            continue
        for (model, treatment, stage), mine in treated.items():
            theirs = treated.get((c.reference.model, treatment, c.reference.stage))
            if (model, stage) == (c.group.model, c.group.stage) and theirs is not None:
                w = weigh([mine.group, theirs.reference], [mine.reference, theirs.group])
                groups = (mine.group, mine.reference, theirs.group, theirs.reference)
                out.append(Question(f"{c.contrast}: response to {treatment}", INTERACTION, model, w, groups))
    return out


def stage_number(stage: str) -> float:
    """The number in the name of a stage, nan where there is none."""
    found = _STAGE.search(stage)
    return float(found[1]) if found else float("nan")


def _trends(design: Design, models: pd.DataFrame) -> list[Question]:
    """Change per stage of dose escalation, by least squares over stages; the parent is stage 0 where there is none."""
    parent = dict(zip(models["model"].astype(str), models["parent"].astype(str), strict=True))
    out = []
    for model in sorted({g.model for g in design.groups}):
        mine = {stage_number(g.stage): i for i, g in enumerate(design.groups)
                if g.model == model and g.treatment == VEHICLE and g.stage}  # fmt: skip
        start = [i for i, g in enumerate(design.groups)
                 if g.model == parent.get(model, "") and g.treatment == VEHICLE and not g.stage]  # fmt: skip
        if start and 0.0 not in mine:
            mine[0.0] = start[0]
        mine = {x: i for x, i in mine.items() if np.isfinite(x)}
        if len(mine) < 3:
            continue
        x = np.array(sorted(mine))
        centred = x - x.mean()
        w = np.zeros(len(design.groups))
        w[[mine[v] for v in x]] = centred / np.sum(centred**2)
        groups = tuple(design.groups[mine[v]] for v in x)
        out.append(Question(f"{model}: per stage", TREND, model, w, groups, direction=1))
    return out
