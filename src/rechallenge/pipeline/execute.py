"""One step, in whatever process runs it: inputs from the store, the function, outputs to the store.

Only addresses, keys, digests and options travel; data do not. What goes wrong inside a step is an answer, not an
exception; exceptions that leave these functions are about the store.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rechallenge import evidence, sources
from rechallenge.analysis import Analysis, Split, step_of
from rechallenge.faults import NotApplicable, RechallengeError, StoreError
from rechallenge.pipeline.keys import key_of, modules_of
from rechallenge.pipeline.plan import EVIDENCE, all_claims
from rechallenge.store import Manifest, Store, Stored

if TYPE_CHECKING:
    import pandas as pd

#: a process works at one step at a time: warnings are caught per process, and so are threads of the numeric libraries
_ONE_AT_A_TIME = threading.Lock()
FIGURE_FORMATS = ("svg", "pdf", "png", "csv", "json")


def execute(
    ref: str,
    store_root: str,
    key: str,
    inputs: Mapping[str, str],
    options: Mapping[str, Any],
    part: bool = False,
) -> Manifest:
    """Run one step and store what it makes; the manifest, also where it was skipped (stored) or failed (not stored).

    `ref` is `module:function`, `inputs` the digest of the stored table for each table parameter. A step that is to be
    split and has more groups than one part holds is not run: its parts are stored, and the answer is `cut`.
    Raises StoreError where the store cannot be read or written.
    """
    started = time.perf_counter()
    base = Manifest(key, ref.partition(":")[2], "done", inputs=dict(inputs), options=dict(options))
    try:
        step = resolve(ref)
        _same_code(step, key, inputs, options, part)
    except Exception as e:  # noqa: BLE001 - whatever a module raises on import is the step's failure
        return _failed(base, e, started)
    store = Store(store_root)
    tables = {name: store.table(digest) for name, digest in inputs.items()}

    def compute() -> Any:
        result = evidence.join(tables.values()) if step.name == EVIDENCE else step.run(**tables, **options)
        return result if part else _finished(step.split, result, options)

    if step.split is not None and not part:
        try:
            pieces = _cut(step.split, tables[step.split.table])
        except Exception as e:  # noqa: BLE001 - what goes wrong in a step is its answer
            return _failed(base, e, started)
        if len(pieces) > 1:
            stored = tuple(store.put_table(p).sha256 for p in pieces)
            return replace(base, state="cut", parts=stored, seconds=time.perf_counter() - started)
    return _run(step, base, compute, store, started, sentence=not part)


def finish(
    ref: str,
    store_root: str,
    key: str,
    inputs: Mapping[str, str],
    options: Mapping[str, Any],
    part_keys: Sequence[str],
) -> Manifest:
    """Join the stored parts of a split step in order, complete them, and store the result under the step's key."""
    started = time.perf_counter()
    base = Manifest(key, ref.partition(":")[2], "done", inputs=dict(inputs), options=dict(options))
    try:
        step = resolve(ref)
        _same_code(step, key, inputs, options, False)
    except Exception as e:  # noqa: BLE001 - whatever a module raises on import is the step's failure
        return _failed(base, e, started)
    store = Store(store_root)
    found = [store.manifest(k) for k in part_keys]
    parts = [m for m in found if m is not None]
    if len(parts) < len(found):
        raise StoreError(f"a finished part of {step.name} is gone from the store. Run again; it is made anew.")
    base = replace(
        base,
        warnings=_counted([w for m in parts for w in m.warnings]),
        seconds=sum(m.seconds for m in parts),
        parts=tuple(part_keys),
    )
    made = [m for m in parts if m.state == "done"]
    if not made:
        return store.keep(replace(base, state="skipped", reason=parts[0].reason, versions=sources.versions()))

    def compute() -> Any:
        from rechallenge import parquet

        joined = {name: parquet.join([store.get(m.outputs[name].sha256) for m in made]) for name in made[0].outputs}
        return _finished(step.split, joined if len(step.gives) > 1 else joined[step.gives[0]], options)

    return _run(step, base, compute, store, started, sentence=True)


def resolve(ref: str) -> Analysis:
    """The step behind `module:function`. Raises RechallengeError where this process cannot find it."""
    module, _, name = ref.partition(":")
    if module == evidence.__name__ and name == evidence.join.__name__:
        return all_claims(())
    try:
        return step_of(getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError, TypeError) as e:
        raise RechallengeError(
            f"{ref} cannot be loaded here ({e}). An analysis is a marked function of a module that workers can import."
        ) from e


def _same_code(step: Analysis, key: str, inputs: Mapping[str, str], options: Mapping[str, Any], part: bool) -> None:
    changed = sources.edited(*modules_of(step))
    if changed:
        raise RechallengeError(f"edited since it was loaded: {', '.join(changed)}. Start this process again.")
    if key_of(step, inputs, options, part=part) != key:
        raise RechallengeError(
            "this worker has other code or other library versions than the run that called it. "
            "Install the same on every worker and start the workers again."
        )


def _run(
    step: Analysis, base: Manifest, compute: Callable[[], Any], store: Store, started: float, *, sentence: bool
) -> Manifest:
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outputs: dict[str, Stored] = {}
        methods = ""
        try:
            if step.kind == "figure":
                with _trusted_charts():
                    outputs = _figures(step, compute(), store)
            else:
                result = compute()
                tables = _tables(step, result)
                outputs = {name: store.put_table(frame) for name, frame in tables.items()}
                methods = _methods(step, result, base.options) if sentence else ""
        except NotApplicable as e:
            base = replace(base, state="skipped", reason=str(e))
            outputs = {}
        except StoreError:
            raise
        except (Exception, SystemExit) as e:  # noqa: BLE001 - what goes wrong in a step is its answer
            return _failed(replace(base, warnings=_said(base.warnings, caught)), e, started)
    done = replace(
        base,
        outputs=outputs,
        methods=methods,
        warnings=_said(base.warnings, caught),
        seconds=base.seconds + time.perf_counter() - started,
        versions=dict(sources.versions()),
    )
    return store.keep(done)


def _finished(split: Split | None, result: Any, options: Mapping[str, Any]) -> Any:
    if split is None or split.finish is None:
        return result
    return split.finish(result, **_declared(split.finish, options))


def _declared(f: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a function names after its first parameter (all of them where it takes `**`)."""
    parameters = list(inspect.signature(f).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(options)
    return {p.name: options[p.name] for p in parameters if p.name in options}


def _cut(split: Split, frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Parts of a table with at most `split.groups` whole groups each, groups in the order of their first row."""
    by = [c for c in split.by if c in frame.columns]
    if not by:
        raise ValueError(f"the table {split.table} has none of the columns {', '.join(split.by)} to be split by")
    number = frame.groupby(by, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    if not len(number) or number.max() < split.groups:
        return [frame]
    part = number // split.groups
    return [frame[part == i] for i in range(int(part.max()) + 1)]


def _tables(step: Analysis, result: Any) -> dict[str, pd.DataFrame]:
    """What a step returned, as tables by name, if it is what the step says that it gives."""
    import pandas as pd

    named = {step.gives[0]: result} if isinstance(result, pd.DataFrame) and len(step.gives) == 1 else result
    if not isinstance(named, Mapping) or set(named) != set(step.gives):
        got = f"tables {', '.join(map(str, named))}" if isinstance(named, Mapping) else f"a {type(result).__name__}"
        raise TypeError(f"{step.ref} gives {', '.join(step.gives)} but returned {got}")
    for name, frame in named.items():
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"{step.ref}: {name} is a {type(frame).__name__}, not a DataFrame")
        if step.kind == "claims":
            evidence.check(frame)
    return {name: named[name] for name in step.gives}


def _trusted_charts() -> AbstractContextManager[None]:
    """Charts are not validated against the grammar's schema while they are built, which takes a fifth of a run's time;
    the drawing itself refuses what it cannot draw, and the tests build every figure with the validation on."""
    from altair.utils import schemapi

    return schemapi.debug_mode(False)


def _figures(step: Analysis, result: Any, store: Store) -> dict[str, Stored]:
    """Exported files by `figure.format`. NotApplicable where there is nothing to draw."""
    if result is None or (isinstance(result, Mapping) and not result):
        raise NotApplicable("nothing to draw")
    from rechallenge.report.theme import export

    # a Vega-Lite specification is a mapping too: it says so itself
    many = isinstance(result, Mapping) and "$schema" not in result
    charts: dict[str, Any] = {}
    for name, chart in (result if many else {step.name: result}).items():
        stem = figure_stem(str(name))
        if stem.casefold() in {s.casefold() for s in charts}:
            raise ValueError(f"{step.ref}: two figures would be called {stem}")
        charts[stem] = chart
    outputs: dict[str, Stored] = {}
    for stem, chart in charts.items():
        for form, data in export(stem, chart).items():
            if form not in FIGURE_FORMATS:
                raise ValueError(f"figures are written as {', '.join(FIGURE_FORMATS)}, not {form}")
            outputs[f"{stem}.{form}"] = store.put_blob(data)
    return outputs


def figure_stem(name: str) -> str:
    """The name of a figure as a file stem that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name.replace("µ", "u").replace("μ", "u")).strip("-")[:120] or "figure"


def _methods(step: Analysis, result: Any, options: Mapping[str, Any]) -> str:
    """The step's sentence for the methods paragraph."""
    if callable(step.methods):
        return str(step.methods(result, **_declared(step.methods, options)))
    return step.methods.format_map(dict(options)) if step.methods else ""


def _said(before: Sequence[str], caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    return _counted([*before, *(f"{w.category.__name__}: {w.message}" for w in caught)])


def _counted(texts: Sequence[str]) -> tuple[str, ...]:
    """Each text once, in the order of first appearance, with how often it was there."""
    counts: dict[str, int] = {}
    for t in texts:
        stem, times = t, 1
        if (m := re.fullmatch(r"(.*) \((\d+) times\)", t, re.DOTALL)) is not None:
            stem, times = m[1], int(m[2])
        counts[stem] = counts.get(stem, 0) + times
    return tuple(t if n == 1 else f"{t} ({n} times)" for t, n in counts.items())


def _failed(base: Manifest, e: BaseException, started: float) -> Manifest:
    text = str(e).strip()
    reason = text if isinstance(e, RechallengeError) and text else f"{type(e).__name__}: {text}".rstrip(": ")
    return replace(
        base,
        state="failed",
        reason=reason,
        traceback=_trace(e),
        seconds=base.seconds + time.perf_counter() - started,
        versions=dict(sources.versions()),
    )


def _trace(e: BaseException) -> str:
    """The traceback with file names as they are below `sys.path`: it is written into results that travel."""
    found = traceback.TracebackException.from_exception(e)
    places = sorted((str(Path(p).resolve()) for p in sys.path if p), key=len, reverse=True)
    one: traceback.TracebackException | None = found
    while one is not None:
        for frame in one.stack:
            for place in places:
                if frame.filename.startswith(place + "/") or frame.filename.startswith(place + "\\"):
                    frame.filename = frame.filename[len(place) + 1 :]
                    break
            else:
                frame.filename = Path(frame.filename).name
        one = one.__cause__ or one.__context__
    return "".join(found.format())
