"""Which groups of samples a study compares, read from its models, treatments and declared contrasts.

A group is the samples of one model, treatment and stage within one stratum (tracer, hours, assay: whatever must be
equal on both sides). Three kinds of contrast are inferred:

- *resistance*: a model against its parent, under the same treatment;
- *treatment*: a treatment against vehicle, in the same model and stage;
- *declared*: rows of `[[contrasts]]` in study.toml, with `model`, `against`, `treatment`, `against_treatment`.

Equal replicate labels in two groups mean the same experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.tables.contract import source_rows, spans_of

VEHICLE = "vehicle"
_VEHICLE_LABELS = frozenset(
    {
        "",
        "vehicle",
        "dmso",
        "none",
        "control",
        "ctrl",
        "untreated",
        "mock",
        "solvent",
        "pbs",
        "medium",
        "veh",
        "vehicle control",
        "nt",
    }
)
KINDS = ("resistance", "treatment", "declared")


@dataclass(frozen=True)
class Group:
    """One side of a contrast."""

    model: str
    treatment: str = VEHICLE
    stage: str = ""

    @property
    def label(self) -> str:
        treated = "" if self.treatment == VEHICLE else f" + {self.treatment}"
        return f"{self.model}{f' {self.stage}' if self.stage else ''}{treated}"


@dataclass(frozen=True)
class Comparison:
    """`group` against `reference` within `stratum` (column -> value). `model` is the model it tells about."""

    kind: str
    group: Group
    reference: Group
    stratum: tuple[tuple[str, str], ...] = ()
    name: str = ""

    @property
    def model(self) -> str:
        return self.group.model

    @property
    def contrast(self) -> str:
        """In words, the same for every stream: `Huh-7 LR vs Huh-7 P, lenvatinib`."""
        if self.name:
            return self.name
        a, b = self.group, self.reference
        if a.treatment == b.treatment:
            both = f"{_bare(a)} vs {_bare(b)}"
            return both if a.treatment == VEHICLE else f"{both}, {a.treatment}"
        if (a.model, a.stage) == (b.model, b.stage):
            return f"{_bare(a)}: {a.treatment} vs {b.treatment}"
        return f"{a.label} vs {b.label}"


def _bare(group: Group) -> str:
    return f"{group.model} {group.stage}" if group.stage else group.model


def is_vehicle(label: object) -> bool:
    """Whether a label says that nothing (or the solvent alone) was given."""
    return str(label).strip().casefold() in _VEHICLE_LABELS


def treatments(values: pd.Series) -> pd.Series:
    """Labels of treatments trimmed, with every way to write vehicle as `vehicle`."""
    text = values.fillna("").astype(str).str.strip()
    return text.where(~text.map(is_vehicle), VEHICLE)


def grouped(sheet: pd.DataFrame) -> pd.DataFrame:
    """The sheet with the columns `model`, `treatment`, `stage`, `replicate` as clean text ('' where it has none)."""
    out = sheet.copy()
    for name in ("model", "stage", "replicate"):
        out[name] = out[name].fillna("").astype(str).str.strip() if name in out else ""
    out["treatment"] = treatments(out["treatment"]) if "treatment" in out else VEHICLE
    return out


def of(
    sheet: pd.DataFrame,
    models: pd.DataFrame,
    declared: pd.DataFrame | None = None,
    *,
    within: Sequence[str] = (),
) -> list[Comparison]:
    """Every contrast that the samples of `sheet` (as `grouped` gives it) allow, in a fixed order.

    `within` names columns that are equal on both sides. A stage of a parent is not asked for: a model at each of its
    stages is compared with its parent at the same stage where that exists, and else with the parent as it is.
    """
    parent = {str(m): str(p) for m, p in zip(models["model"], models["parent"], strict=True) if str(p)}
    found: list[Comparison] = []
    for stratum, part in _strata(sheet, within):
        keys = sorted(set(zip(part["model"], part["treatment"], part["stage"], strict=True)))
        there = {Group(*k) for k in keys if k[0]}
        for g in sorted(there, key=lambda g: (g.model, g.treatment, g.stage)):
            origin = parent.get(g.model, "")
            bases = [Group(origin, g.treatment, g.stage), Group(origin, g.treatment)]
            bases += sorted(
                (o for o in there if (o.model, o.treatment) == (origin, g.treatment)), key=lambda o: o.stage
            )
            base = next((b for b in bases if b in there), None) if origin else None
            if base is not None:
                found.append(Comparison("resistance", g, base, stratum))
            bare = Group(g.model, VEHICLE, g.stage)
            if g.treatment != VEHICLE and bare in there:
                found.append(Comparison("treatment", g, bare, stratum))
        found += _declared(declared, there, stratum)
    order = {k: i for i, k in enumerate(KINDS)}
    unique = {(c.stratum, c.group, c.reference): c for c in reversed(found)}
    return sorted(unique.values(), key=lambda c: (c.stratum, order[c.kind], c.contrast))


def perturbed(sheet: pd.DataFrame, *, within: Sequence[str] = ()) -> list[tuple[Comparison, str, int]]:
    """Groups in which one gene was lowered (-1) or raised (+1), all else equal: (comparison, gene, sense), in order.

    A label as `siAKR1B1` or `sorafenib + AKR1B1 OE` (`designs.labels.done`) is compared in its model and stage with the
    control of its kind (siNC for si) under the same other treatment, else with whatever control is there.
    """
    from rechallenge.designs.labels import control_of, done, parts

    found = []
    for stratum, part in _strata(sheet, within):
        for (model, stage), rows in part[part["model"] != ""].groupby(["model", "stage"], sort=True):
            count = {str(t): int(n) for t, n in rows.groupby("treatment", sort=True).size().items()}
            added = {t: parts(t) for t in count}
            for treatment, pieces in added.items():
                genes = [p for p in sorted(pieces) if done(p).gene]
                if len(genes) != 1:
                    continue
                controls = {t: n for t, n in count.items() if added[t] == pieces - set(genes)}
                if controls:
                    gene, sense = done(genes[0])
                    sides = Group(str(model), treatment, str(stage)), control_of(genes[0], controls)
                    reference = Group(str(model), sides[1], str(stage))
                    found.append((Comparison("treatment", sides[0], reference, stratum), gene, sense))
    return found


def _strata(sheet: pd.DataFrame, within: Sequence[str]) -> list[tuple[tuple[tuple[str, str], ...], pd.DataFrame]]:
    if not within:
        return [((), sheet)]
    keys = sheet[list(within)].fillna("").astype(str)
    groups = keys.groupby(list(within), sort=True).indices
    out = []
    for values, rows in groups.items():
        values = values if isinstance(values, tuple) else (values,)
        out.append((tuple(zip(within, map(str, values), strict=True)), sheet.iloc[rows]))
    return out


def _declared(
    declared: pd.DataFrame | None, there: set[Group], stratum: tuple[tuple[str, str], ...]
) -> list[Comparison]:
    if declared is None or "model" not in getattr(declared, "columns", ()):
        return []
    out = []
    for row in declared.fillna("").to_dict("records"):
        said: Mapping[str, str] = {str(k): str(v).strip() for k, v in row.items()}
        treatment = VEHICLE if is_vehicle(said.get("treatment", "")) else said["treatment"]
        other = said.get("against_treatment", "") or treatment
        other = VEHICLE if is_vehicle(other) else other
        a = Group(said["model"], treatment, said.get("stage", ""))
        b = Group(said.get("against", "") or said["model"], other, said.get("against_stage", ""))
        if a in there and b in there and a != b:
            out.append(Comparison("declared", a, b, stratum, said.get("name", "")))
    return out


def members(sheet: pd.DataFrame, group: Group, stratum: Sequence[tuple[str, str]] = ()) -> NDArray[np.bool_]:
    """Which rows of a `grouped` sheet belong to a group."""
    mine = (sheet["model"] == group.model) & (sheet["treatment"] == group.treatment) & (sheet["stage"] == group.stage)
    for column, value in stratum:
        mine &= sheet[column].fillna("").astype(str) == value
    return mine.to_numpy(dtype=bool)


def origins(texts: Iterable[str]) -> str:
    """Several `source_rows` texts as one, each row once.

    >>> origins(["a.csv:2-4", "b.csv:7", "a.csv:4-5"])
    'a.csv:2-5;b.csv:7'
    """
    files: list[str] = []
    rows: list[int] = []
    for name, first, last in (one for text in texts for one in spans_of(str(text))):
        new = range(first, last + 1)
        files += [name] * len(new)
        rows += new
    return source_rows(files, rows)


def direction(comparison: Comparison, models: pd.DataFrame) -> int:
    """+1 where being up in the contrast goes with resistance (a resistant model against its parent), else 0."""
    roles = dict(zip(models["model"].astype(str), models["role"].astype(str), strict=True))
    resistant = (
        roles.get(comparison.group.model) == "resistant" and roles.get(comparison.reference.model) != "resistant"
    )
    return int(resistant and comparison.group.treatment == comparison.reference.treatment)
