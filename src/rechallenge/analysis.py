"""An analysis is a pure function from tables to tables; its parameter names say which.

::

    @analysis(title="Resistance index", reference="doi:...")
    def resistance_index(curves: pd.DataFrame, models: pd.DataFrame, *, paired: bool = False) -> pd.DataFrame:
        ...

Parameters before the star are tables: a table kind of the study (`viability`), the result of another analysis
(`curves`) or a table that every study has (`models`, `therapies`, `contrasts`, `exposures`). One with the default
None is used where it exists. Parameters after the star are options, settable in `study.toml`. The function's name is
the name of its result; it may be the name of the table kind that it takes, and is the result for every other function
then, while `<kind>_table` is the table as read. `@claims` and `@figure` mark functions of the same form that turn
results into evidence and into figures.

A module that holds such functions may also hold `Contract`s; `discover()` finds all of them in the stream packages
of this project and in the entry-point group `rechallenge.analyses` of others.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

from rechallenge.tables.contract import Contract

STREAM_PACKAGES = (
    "rechallenge.assays",
    "rechallenge.omics",
    "rechallenge.regulators",
    "rechallenge.clinical",
    "rechallenge.integration",
)
ENTRY_POINTS = "rechallenge.analyses"
#: tables that every study has, made from `study.toml`
STUDY_TABLES = ("models", "therapies", "contrasts", "exposures")

StepKind = Literal["analysis", "claims", "figure"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Split:
    """How a large step is cut into independent parts so that several workers are of use.

    `table` (one of the step's inputs) is cut between, never inside, groups of equal `by`; each part has at most
    `groups` groups, so the parts depend on the data alone and never on how many workers there are.
    `finish(frame, **options)` completes the joined result (false-discovery rates over all parts, say); it takes the
    joined table and, by name, those of the step's options that it declares after the star.
    """

    table: str
    by: tuple[str, ...]
    groups: int = 2000
    finish: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Analysis:
    """A step: a pure function and what a reader must know about it."""

    name: str
    kind: StepKind
    run: Callable[..., Any]
    title: str
    needs: tuple[str, ...]
    wants: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    gives: tuple[str, ...] = ()
    about: str = ""
    reference: tuple[str, ...] = ()
    formula: str = ""
    oracle: str = ""
    limits: str = ""
    methods: str | Callable[..., str] = ""
    caption: str = ""
    split: Split | None = None
    module: str = ""

    @property
    def stream(self) -> str:
        """The file it lives in: `dose_response` for `rechallenge.assays.dose_response` and what is below it."""
        return stream_of(self.module)

    @property
    def ref(self) -> str:
        """Importable address, `package.module:name`."""
        return f"{self.module}:{self.run.__name__}"

    def __call__(self, *tables: Any, **named: Any) -> Any:
        return self.run(*tables, **named)


def stream_of(module: str) -> str:
    """The stream (assay) that a module belongs to."""
    for package in STREAM_PACKAGES:
        if module.startswith(package + "."):
            return module[len(package) + 1 :].split(".")[0]
    return module.rsplit(".", 1)[-1]


def _step(
    kind: StepKind,
    f: Callable[..., Any],
    *,
    gives: tuple[str, ...] = (),
    reference: str | tuple[str, ...] = (),
    **more: Any,
) -> Analysis:
    needs, wants, options = [], [], {}
    for p in inspect.signature(f).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            if p.default is p.empty:
                raise TypeError(f"{f.__name__}: option {p.name} needs a default")
            options[p.name] = p.default
        elif p.kind is p.POSITIONAL_OR_KEYWORD:
            if p.default is p.empty:
                needs.append(p.name)
            elif p.default is None:
                wants.append(p.name)
            else:
                raise TypeError(f"{f.__name__}: put the option {p.name} after a star; tables come before it")
        else:
            raise TypeError(f"{f.__name__}: parameters are named tables and named options, not *{p.name}")
    return Analysis(
        name=f.__name__,
        kind=kind,
        run=f,
        needs=tuple(needs),
        wants=tuple(wants),
        options=options,
        gives=gives or (f.__name__,),
        about=inspect.getdoc(f) or "",
        reference=(reference,) if isinstance(reference, str) and reference else tuple(reference),
        module=f.__module__,
        **more,
    )


def _mark(f: F, step: Analysis) -> F:
    f.__dict__["__rechallenge__"] = step
    return f


def analysis(
    *,
    title: str,
    reference: str | tuple[str, ...] = (),
    gives: tuple[str, ...] = (),
    methods: str | Callable[..., str] = "",
    formula: str = "",
    oracle: str = "",
    limits: str = "",
    split: Split | None = None,
) -> Callable[[F], F]:
    """Mark a function from tables to a table (or, with several `gives`, to a dict of tables) as an analysis.

    `methods` is the sentence for the methods paragraph, either text with `{option}` fields or a function that takes
    the result table and the options by name and returns the sentence. `formula` is what is computed, in plain text;
    `oracle` what it agrees with and the test that shows it ("No outside reference: ..." where there is none);
    `limits` what it cannot tell. The function itself is returned unchanged.
    """
    facts = {"formula": formula, "oracle": oracle, "limits": limits}
    return lambda f: _mark(
        f, _step("analysis", f, gives=gives, title=title, reference=reference, methods=methods, split=split, **facts)
    )


def claims(*, title: str = "") -> Callable[[F], F]:
    """Mark a function from result tables to rows of Evidence (`rechallenge.evidence.COLUMNS`)."""
    return lambda f: _mark(f, _step("claims", f, title=title or f.__name__))


def figure(*, title: str, caption: str = "") -> Callable[[F], F]:
    """Mark a function from result tables to an Altair chart, a dict of name -> chart, or None (nothing to draw)."""
    return lambda f: _mark(f, _step("figure", f, title=title, caption=caption))


def step_of(f: Callable[..., Any]) -> Analysis:
    """The `Analysis` behind a marked function; TypeError where it is not marked."""
    step = getattr(f, "__rechallenge__", None)
    if not isinstance(step, Analysis):
        raise TypeError(f"{getattr(f, '__name__', f)!r} is not marked as an analysis, claims or figure")
    return step


@dataclass(frozen=True)
class Registry:
    """Everything that discovery found: steps by name and contracts by table kind."""

    steps: Mapping[str, Analysis]
    contracts: Mapping[str, Contract]

    def giver(self, table: str) -> Analysis | None:
        """The analysis that gives that table, if any."""
        return next((s for s in self.steps.values() if s.kind == "analysis" and table in s.gives), None)


def _modules() -> list[Any]:
    names = [
        info.name
        for package in STREAM_PACKAGES
        for info in sorted(
            pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."), key=lambda i: i.name
        )
        if not info.name.rsplit(".", 1)[-1].startswith("_")
    ]
    found: list[Any] = [importlib.import_module(name) for name in names]
    from importlib.metadata import entry_points

    found.extend(e.load() for e in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name))
    return found


@lru_cache(maxsize=1)
def discover() -> Registry:
    """Find every marked function and every contract; a name that two files claim is an error."""
    steps: dict[str, Analysis] = {}
    contracts: dict[str, Contract] = {}
    for module in _modules():
        for value in vars(module).values():
            step = getattr(value, "__rechallenge__", None)
            if isinstance(step, Analysis):
                other = steps.setdefault(step.name, step)
                if other is not step:
                    raise ValueError(f"two steps are called {step.name}: {other.ref} and {step.ref}")
            elif isinstance(value, Contract):
                known = contracts.setdefault(value.name, value)
                if known is not value:
                    raise ValueError(f"two contracts are called {value.name} (second in {module.__name__})")
    return Registry(dict(sorted(steps.items())), dict(sorted(contracts.items())))
