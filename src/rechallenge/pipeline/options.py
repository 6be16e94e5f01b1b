"""Options of analyses: the defaults of the functions, overridden from `study.toml`, checked before anything runs."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from rechallenge.analysis import Analysis, Registry
from rechallenge.faults import Fault
from rechallenge.study import STUDY_FILE, Study, nearest

#: options that, wherever they occur, are fractions between 0 and 1, both excluded
FRACTIONS = ("alpha", "confidence", "flat_alpha", "level")


@dataclass(frozen=True)
class _Refused(Exception):
    """A value that an option cannot take: what it must be."""

    wanted: str
    near: str = ""


def options(study: Study, registry: Registry) -> tuple[dict[str, dict[str, Any]], list[Fault]]:
    """Options as used by every step, by step name, and the faults of the `[options.*]` sections.

    A section is named after a stream (every step of it that has the option) or after a step, which goes first.
    A step's option `seed` that defaults to 0 takes the study's seed.
    """
    steps = registry.steps.values()
    used = {s.name: dict(s.options) for s in steps}
    for s in steps:
        if s.options.get("seed") == 0 and not isinstance(s.options["seed"], bool):
            used[s.name]["seed"] = study.seed
    faults: list[Fault] = []
    sections = {s.stream for s in steps} | set(used)
    for section, values in study.options.items():
        if section not in sections:
            faults.append(
                Fault(
                    "unknown-option-section",
                    "no analysis and no stream has this name.",
                    f"See `rechallenge list`.{nearest(section, sorted(sections))}",
                    file=STUDY_FILE,
                    column=f"options.{section}",
                )
            )
            continue
        chosen = [s for s in steps if s.stream == section or s.name == section]
        for name, value in values.items():
            faults.extend(_check(section, name, value, chosen))
    if not faults:
        for s in steps:
            given = {**study.options.get(s.stream, {}), **study.options.get(s.name, {})}
            for name in s.options.keys() & given.keys():
                used[s.name][name] = accepted(given[name], s.options[name], _hints(s).get(name))
    return used, faults


def _check(section: str, name: str, value: Any, steps: Iterable[Analysis]) -> Iterable[Fault]:
    having = [s for s in steps if name in s.options]
    place: dict[str, Any] = {"file": STUDY_FILE, "column": f"options.{section}.{name}"}
    if not having:
        known = sorted({o for s in steps for o in s.options})
        listed = f"Known here: {', '.join(known)}." if known else "Nothing can be set here."
        yield Fault("unknown-option", f"{section} has no such option.", f"{listed}{nearest(name, known)}", **place)
        return
    for s in having:
        try:
            taken = accepted(value, s.options[name], _hints(s).get(name))
            if name in FRACTIONS and isinstance(taken, float) and not 0 < taken < 1:
                raise _Refused("between 0 and 1")
        except _Refused as e:
            yield Fault(
                "option-value",
                f"this must be {e.wanted}.",
                f"The default is {_shown(s.options[name])}.{e.near}",
                value=_shown(value)[:80],
                **place,
            )
            return


def accepted(value: Any, default: Any, hint: Any = None) -> Any:
    """The value in the form the function expects (a whole number where a decimal one is wanted becomes one).

    `hint` is the annotation of the option, where there is one; else the type of the default says what is wanted.
    Raises `_Refused`.
    """
    if hint is None or hint is Any:
        return value if default is None else _fit(value, _type_of(default))
    return _fit(value, hint)


def _type_of(default: Any) -> Any:
    if isinstance(default, tuple | list):
        inner = {_type_of(v) for v in default}
        one = inner.pop() if len(inner) == 1 else Any
        return tuple[one, ...] if isinstance(default, tuple) else list[one]  # type: ignore[valid-type]
    return Any if default is None else type(default)


def _fit(value: Any, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        if any(value == a and type(value) is type(a) for a in args):
            return value
        raise _Refused(f"one of {', '.join(_shown(a) for a in args)}", nearest(str(value), args))
    if origin in (Union, types.UnionType):
        refused = []
        for a in args:
            try:
                return _fit(value, a)
            except _Refused as e:
                refused.append(e)
        wanted = " or ".join(dict.fromkeys(e.wanted for e in refused if e.wanted != _NOTHING))
        raise _Refused(wanted, next((e.near for e in refused if e.near), ""))
    if hint is type(None):
        if value is None:
            return None
        raise _Refused(_NOTHING)
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise _Refused("true or false, without quotes")
    if hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise _Refused("a whole number")
    if hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
            return float(value)
        raise _Refused("a number")
    if hint is str:
        if isinstance(value, str):
            return value
        raise _Refused("text in quotes")
    if (origin or hint) in (tuple, list):
        return _fit_many(value, origin or hint, args)
    if (origin or hint) in (dict, Mapping, typing.Mapping) or getattr(origin, "__name__", "") == "Mapping":
        if not isinstance(value, dict):
            raise _Refused("a table { name = value, ... }")
        return {k: _fit(v, args[1] if len(args) == 2 else Any) for k, v in value.items()}
    return value


def _fit_many(value: Any, kind: Any, args: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise _Refused("a list [ ... ]")
    if kind is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            raise _Refused(f"a list of {len(args)} values")
        inner: Iterable[Any] = args
    else:
        inner = [args[0] if args else Any] * len(value)
    try:
        return kind(_fit(v, h) for v, h in zip(value, inner, strict=True))
    except _Refused as e:
        raise _Refused(f"a list, each of it {e.wanted}", e.near) from None


_NOTHING = "nothing"


def _hints(step: Analysis) -> dict[str, Any]:
    """The annotations of a step's options that can be understood here; others are left to the type of the default."""
    found: dict[str, Any] = {}
    for name, hint in getattr(step.run, "__annotations__", {}).items():
        if name in step.options:
            holder = types.SimpleNamespace(__annotations__={name: hint})
            try:
                found.update(typing.get_type_hints(holder, globalns=getattr(step.run, "__globals__", {})))
            except (NameError, TypeError, SyntaxError, AttributeError):
                continue
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(_shown(v) for v in value)}]"
    return str(value)
