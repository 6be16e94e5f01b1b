"""Which arms of a read-out are compared with which: families of contrasts, recognised from the table.

- `group`: groups of one model against its control, or all pairs where no group is a control
- `stage`: stages of dose escalation against the first, in untreated cells (or the only group)
- `model`: resistant lines against their parent, untreated
- `time`: later times against the first, within one group; `group x time`: its difference from that of the control
- `within`: A + B against A (does B change what A does?) and `interaction`: (A + B) - A - B + control
- `model x group`: what the group does in the resistant line minus what it does in the parent
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from rechallenge.designs.labels import control_of, controls, parts

#: model, stage, time (None where none is given), group
Arm = tuple[str, str, float | None, str]
#: all pairs are made of at most so many groups
MOST_GROUPS = 12


@dataclass(frozen=True)
class Planned:
    """One contrast: weights by arm, what it is, and in which arm something was done that the other one lacks."""

    kind: str
    name: str
    model: str
    weights: Mapping[Arm, float]
    treated: Arm
    reference: Arm
    what: str = ""


@dataclass(frozen=True)
class Family:
    """Contrasts that are adjusted together.

    `control` where one arm is compared with all others; `chosen` where just the planned pairs are wanted; `repeated`
    where arms are times of the same units, so that every difference has a scatter of its own.
    """

    name: str
    arms: tuple[Arm, ...]
    planned: tuple[Planned, ...]
    control: Arm | None = None
    chosen: bool = False
    repeated: bool = False
    extra: tuple[Planned, ...] = field(default=())


def families(means: pd.DataFrame, models: pd.DataFrame | None, declared: frozenset[str]) -> Iterator[Family]:
    """The families of one read-out.

    `means` has a row per biological replicate and arm, with the columns model, stage, time (NaN for none) and group;
    `models` is the study's table of models; `declared` are labels of controls beside those that say so.
    """
    counts: dict[Arm, int] = {}
    for model, stage, time, group in means[["model", "stage", "time", "group"]].itertuples(index=False):
        key = arm(model, stage, time, group)
        counts[key] = counts.get(key, 0) + 1
    for model in sorted({a[0] for a in counts}):
        mine = {a: n for a, n in counts.items() if a[0] == model}
        for stage in sorted({a[1] for a in mine}):
            here = {a: n for a, n in mine.items() if a[1] == stage}
            times = sorted({a[2] for a in here}, key=_order)
            for time in times:
                yield from _groups({a: n for a, n in here.items() if a[2] == time}, declared)
            if len(times) > 1:
                yield from _times(here, times, declared)
        yield from _stages(mine, declared)
    yield from _models(counts, models, declared)


def arm(model: object, stage: object, time: float, group: object) -> Arm:
    """The arm of a row of replicate means."""
    return str(model), str(stage), None if pd.isna(time) else float(time), str(group)


def _order(time: float | None) -> float:
    return float("-inf") if time is None else time


def at(arm: Arm) -> str:
    """Stage and time of an arm in words: `, S2, time 24`."""
    return (f", {arm[1]}" if arm[1] else "") + (f", time {arm[2]:g}" if arm[2] is not None else "")


def _groups(arms: dict[Arm, int], declared: frozenset[str]) -> Iterator[Family]:
    """Groups of one model, stage and time."""
    names = {a[3]: n for a, n in arms.items()}
    of = {a[3]: a for a in arms}
    if len(names) < 2:
        return
    some = next(iter(arms))
    label = f"{some[0]}{at(some)}: groups"
    found = controls(names, declared)
    if not found:
        pairs = [(b, a) for i, a in enumerate(sorted(names)) for b in sorted(names)[i + 1 :]]
        if len(names) > MOST_GROUPS:
            return
        planned = tuple(_pair("group", of[b], of[a]) for b, a in pairs)
        yield Family(label, tuple(of[n] for n in sorted(names)), planned)
        return
    mine: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        rest = {c: n for c, n in found.items() if c != name}
        if name in found and (len(found) == 1 or name == control_of("", found)):
            continue
        mine.setdefault(control_of(name, rest), []).append(name)
    for control, treated in sorted(mine.items()):
        planned = tuple(_pair("group", of[t], of[control]) for t in treated)
        title = label if len(mine) == 1 else f"{label} against {control}"
        yield Family(title, (of[control], *(of[t] for t in treated)), planned, control=of[control])
    yield from _factorial(of, sorted(names), declared, some)


def _pair(kind: str, treated: Arm, reference: Arm, name: str = "", what: str = "") -> Planned:
    name = name or f"{treated[3]} vs {reference[3]}"
    return Planned(kind, name + at(treated), treated[0], {treated: 1.0, reference: -1.0}, treated, reference, what)


def _factorial(of: dict[str, Arm], names: Sequence[str], declared: frozenset[str], some: Arm) -> Iterator[Family]:
    """Groups A + B beside A, B and the control."""
    key = {n: parts(n, declared) for n in names}
    by: dict[frozenset[str], str] = {}
    for n in names:
        by.setdefault(key[n], n)
    planned, extra, arms = [], [], set()
    for both in (n for n in names if len(key[n]) == 2):
        for part in sorted(key[both]):
            alone = by.get(frozenset({part}))
            if alone is None:
                continue
            added = next(iter(key[both] - {part}))
            planned.append(_pair("within", of[both], of[alone], f"{both} vs {alone}", added))
            arms |= {of[both], of[alone]}
        one, two = (by.get(frozenset({p})) for p in sorted(key[both]))
        none = control_of("", {n: 1 for n in names if not key[n]})
        if one and two and none:
            weights = {of[both]: 1.0, of[one]: -1.0, of[two]: -1.0, of[none]: 1.0}
            name = f"{' x '.join(sorted(key[both]))}{at(some)}"
            extra.append(Planned("interaction", name, some[0], weights, of[both], of[none]))
            arms |= set(weights)
    if planned:
        order = tuple(sorted(arms, key=lambda a: a[3]))
        yield Family(f"{some[0]}{at(some)}: combined groups", order, tuple(planned), chosen=True, extra=tuple(extra))


def _times(arms: dict[Arm, int], times: Sequence[float | None], declared: frozenset[str]) -> Iterator[Family]:
    """Change over time in every group, and its difference from that in the control."""
    some = next(iter(arms))
    of = {(a[3], a[2]): a for a in arms}
    groups = sorted({a[3] for a in arms})
    totals = {g: sum(n for a, n in arms.items() if a[3] == g) for g in groups}
    found = controls(totals, declared)
    control = control_of("", found)
    planned, extra = [], []
    for group in groups:
        first = next((of[group, t] for t in times if (group, t) in of), None)
        for time in times:
            later = of.get((group, time))
            if first is None or later is None or later == first:
                continue
            name = f"{group}, time {_hours(later)} vs {_hours(first)}"
            weights = {later: 1.0, first: -1.0}
            planned.append(Planned("time", name, some[0], weights, later, first))
            zero, end = (of.get((control, a[2])) for a in (first, later))
            if control and group != control and zero and end:
                more = {**weights, end: -1.0, zero: 1.0}
                name = f"{group} vs {control}, change from time {_hours(first)} to {_hours(later)}"
                extra.append(Planned("group x time", name, some[0], more, later, end))
    if planned:
        stage = f", {some[1]}" if some[1] else ""
        yield Family(
            f"{some[0]}{stage}: times", tuple(arms), tuple(planned), chosen=True, repeated=True, extra=tuple(extra)
        )


def _hours(arm: Arm) -> str:
    return "0" if arm[2] is None else f"{arm[2]:g}"


def _stages(arms: dict[Arm, int], declared: frozenset[str]) -> Iterator[Family]:
    """Stages of one model in untreated cells (or the only group) against the first."""
    staged = {a: n for a, n in arms.items() if a[1]}
    if len({a[1] for a in staged}) < 2:
        return
    groups = {a[3]: n for a, n in staged.items()}
    group = control_of("", controls(groups, declared)) or (next(iter(groups)) if len(groups) == 1 else "")
    time = max((a[2] for a in staged if a[3] == group), key=_order, default=None)
    mine = sorted((a for a in staged if a[3] == group and a[2] == time), key=lambda a: stage_number(a[1]))
    if len(mine) < 2:
        return
    names = {a: f"{a[1]} vs {mine[0][1]}, {group}" for a in mine[1:]}
    planned = tuple(Planned("stage", n, a[0], {a: 1.0, mine[0]: -1.0}, a, mine[0]) for a, n in names.items())
    yield Family(f"{mine[0][0]}: stages", tuple(mine), planned, control=mine[0])


def stage_number(text: str) -> float:
    """S0, S1, stage 2, P3 as numbers; what has none comes last.

    >>> stage_number("S2"), stage_number("parental")
    (2.0, inf)
    """
    digits = "".join(c if c.isdigit() or c == "." else " " for c in text).split()
    return float(digits[0]) if digits else float("inf")


def _models(arms: dict[Arm, int], models: pd.DataFrame | None, declared: frozenset[str]) -> Iterator[Family]:
    """Lines against their parent, untreated; and whether a group does something else in them."""
    if models is None or models.empty:
        return
    parents = dict(zip(models["model"], models["parent"].fillna(""), strict=True))
    for parent in sorted({str(p) for p in parents.values() if p}):
        lines = sorted({a[0] for a in arms if parents.get(a[0]) == parent})
        own = {a for a in arms if a[0] == parent}
        for time in sorted({a[2] for a in own}, key=_order):
            here = {a: n for a, n in arms.items() if a[2] == time}
            yield from _against_parent(here, parent, lines, declared)


def _against_parent(arms: dict[Arm, int], parent: str, lines: list[str], declared: frozenset[str]) -> Iterator[Family]:
    of = {(a[0], a[3]): a for a in sorted(arms, key=lambda a: stage_number(a[1]), reverse=True)}
    own = {g: arms[a] for (m, g), a in of.items() if m == parent}
    base = control_of("", controls(own, declared)) or (next(iter(own)) if len(own) == 1 else "")
    if not base:
        return
    there = [line for line in lines if (line, base) in of]
    if not there:
        return
    zero = of[parent, base]
    planned = tuple(_pair("model", of[line, base], zero, f"{line} vs {parent}, {base}") for line in there)
    yield Family(
        f"{parent} and lines from it{at(zero)}: {base}", (zero, *(of[x, base] for x in there)), planned, control=zero
    )
    extra = []
    for line in there:
        for group in sorted(g for (m, g) in of if m == line and g != base and (parent, g) in of):
            weights = {of[line, group]: 1.0, of[line, base]: -1.0, of[parent, group]: -1.0, zero: 1.0}
            name = f"{group} vs {base}, {line} vs {parent}{at(zero)}"
            extra.append(Planned("model x group", name, line, weights, of[line, group], of[parent, group]))
    if extra:
        used = tuple(sorted({a for p in extra for a in p.weights}, key=lambda a: (a[0], a[3])))
        yield Family(f"{parent} and lines from it{at(zero)}: groups", used, (), chosen=True, extra=tuple(extra))
