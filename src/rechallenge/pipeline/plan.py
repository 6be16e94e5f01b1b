"""Which steps a study allows, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from rechallenge import evidence
from rechallenge.analysis import STUDY_TABLES, Analysis, Registry
from rechallenge.faults import RechallengeError
from rechallenge.study import nearest

#: the table of all claims; an analysis may need it like any other
EVIDENCE = "evidence"
#: `<kind>_table` is the table of that kind as it was read, also where a result bears the name of the kind
AS_READ = "_table"


class PlanError(RechallengeError):
    """The steps cannot be put in order: two give the same table, they need each other, or a name is not known."""


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each comes after what it uses.

    `after` names, for every step, the steps whose results it uses; `givers` the step that gives each table.
    A result may bear the name of a table kind: its own step takes the table as read, every other the result.
    """

    steps: tuple[Analysis, ...]
    after: Mapping[str, frozenset[str]]
    givers: Mapping[str, str]

    def giver(self, step: Analysis, table: str) -> str | None:
        """The step that gives what `step` means by `table`; None where it is a table of the study."""
        return _giver(self.givers, step, table)


def _giver(givers: Mapping[str, str], step: Analysis, table: str) -> str | None:
    return None if step.kind == "analysis" and table in step.gives else givers.get(table)


def as_read(tables: Mapping[str, str]) -> dict[str, str]:
    """The study's tables under their names and under `<kind>_table`."""
    return {**{f"{t}{AS_READ}": digest for t, digest in tables.items() if t not in STUDY_TABLES}, **tables}


def all_claims(claims: Iterable[Analysis]) -> Analysis:
    """The step that joins the claims of all streams into the table `evidence`."""
    return Analysis(
        name=EVIDENCE,
        kind="analysis",
        run=evidence.join,
        title="All claims",
        needs=(),
        wants=tuple(c.name for c in claims),
        gives=(EVIDENCE,),
        module=evidence.__name__,
    )


def plan(registry: Registry, available: Iterable[str], only: Iterable[str] = ()) -> list[Analysis]:
    """The steps that these tables allow, each after what it uses; with `only` (names of steps or streams), those
    and what they use. Raises PlanError."""
    return list(make(registry, available, only).steps)


def make(registry: Registry, available: Iterable[str], only: Iterable[str] = ()) -> Plan:
    """As `plan`, with the edges."""
    available = set(available)
    have = available | {f"{t}{AS_READ}" for t in available} | set(STUDY_TABLES)
    steps = dict(registry.steps)
    claims = [s for s in steps.values() if s.kind == "claims"]
    if claims:
        if EVIDENCE in steps:
            raise PlanError(f"the name {EVIDENCE} is taken: it is the table of all claims ({steps[EVIDENCE].ref}).")
        steps[EVIDENCE] = all_claims(claims)
    givers = _givers(steps, have - available)
    runnable = _runnable(steps, givers, have)
    after = {
        name: frozenset(g for t in (*s.needs, *s.wants) if (g := _giver(givers, s, t)) is not None and g in runnable)
        for name, s in runnable.items()
    }
    chosen = _chosen(registry, runnable, after, tuple(only))
    try:
        order = list(TopologicalSorter({n: after[n] for n in sorted(chosen)}).static_order())
    except CycleError as e:
        loop = e.args[1]
        raise PlanError(f"these steps need each other's results: {' -> '.join(reversed(loop))}.") from None
    return Plan(tuple(runnable[n] for n in order), {n: after[n] for n in order}, givers)


def _givers(steps: Mapping[str, Analysis], reserved: set[str]) -> dict[str, str]:
    """Table -> the step that gives it. The result of a claims step is known, to the join alone, by its own name."""
    givers: dict[str, str] = {}
    for s in steps.values():
        for table in s.gives if s.kind == "analysis" else (s.name,) if s.kind == "claims" else ():
            other = givers.setdefault(table, s.name)
            if other != s.name:
                raise PlanError(f"two steps give the table {table}: {steps[other].ref} and {s.ref}.")
            if table in reserved:
                raise PlanError(f"{s.ref} gives a table {table}, a name that every study has. Rename the result.")
    return givers


def _runnable(steps: Mapping[str, Analysis], givers: Mapping[str, str], have: set[str]) -> dict[str, Analysis]:
    """Steps whose needs can be met, or where there are none, one of whose wants can."""
    possible = dict(steps)
    while True:

        def met(step: Analysis, table: str, of: dict[str, Analysis] = possible) -> bool:
            giver = _giver(givers, step, table)
            return table in have if giver is None else giver in of

        kept = {
            n: s
            for n, s in possible.items()
            if all(met(s, t) for t in s.needs)
            # what every study has is no reason to run
            and (s.needs or not s.wants or any(met(s, t) for t in s.wants if t not in STUDY_TABLES))
        }
        if len(kept) == len(possible):
            return kept
        possible = kept


def _chosen(
    registry: Registry, runnable: Mapping[str, Analysis], after: Mapping[str, frozenset[str]], only: tuple[str, ...]
) -> set[str]:
    if not only:
        return set(runnable)
    waiting: list[str] = []
    for name in only:
        known = {n for n, s in registry.steps.items() if name in (n, s.stream)}
        if not known and name != EVIDENCE:
            names = sorted({*registry.steps, *(s.stream for s in registry.steps.values())})
            raise PlanError(f"no analysis and no stream is called {name!r}.{nearest(name, names)}")
        ready = [n for n in (known or {EVIDENCE}) if n in runnable]
        if not ready:
            lacking = sorted({t for n in known for t in registry.steps[n].needs or registry.steps[n].wants})
            raise PlanError(f"this study has no table for {name}; it takes {', '.join(lacking)}.")
        waiting.extend(ready)
    chosen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting.extend(after[name])
    return chosen
