"""A study from its folder to a record of everything that was read, done and found."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rechallenge import __version__, evidence, knowledge, sources
from rechallenge.analysis import Registry, discover
from rechallenge.checks import TABLES_USED, known_problems
from rechallenge.faults import Fault, InputFaults, RechallengeError, by_place, errors
from rechallenge.outputs import out_folder
from rechallenge.pipeline import options as given
from rechallenge.pipeline import workers
from rechallenge.pipeline.events import Event, Progress
from rechallenge.pipeline.keys import modules_of
from rechallenge.pipeline.plan import EVIDENCE, make
from rechallenge.pipeline.reading import Inputs, Reader, default_reader, modules_of_reader, read
from rechallenge.pipeline.schedule import Outcome, Scheduler
from rechallenge.record import FigureRecord, RunRecord, StepRecord
from rechallenge.store import Store, Stored, StoredFiles, StoredTables
from rechallenge.study import Study, problems

if TYPE_CHECKING:
    import pandas as pd

STORE = ".store"


def run(
    study_folder: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    dask: str | None = None,
    only: Iterable[str] = (),
    progress: Progress | None = None,
    registry: Registry | None = None,
    reader: Reader = default_reader,
) -> RunRecord:
    """Bring every result of a study up to date; results go to the store in `out` (default: `results` in the study).

    `jobs` worker processes (1: everything here) or the Dask cluster at `dask`. With `only` (names of analyses or
    streams), those and what they use are computed; of the rest, what is up to date is kept and what is not is left
    out. `registry` and `reader` replace what discovery finds and how tables are read.

    Nothing is written but the store: see `outputs.write`. Raises InputFaults (nothing was run), PlanError,
    StoreError, RechallengeError where the workers are lost, and KeyboardInterrupt on Ctrl-C or SIGTERM; finished
    work is kept in every case.
    """
    clock, started = time.perf_counter(), datetime.now(UTC)
    tell = progress or _silent
    study = Study.load(study_folder)
    registry = registry or discover()
    place = out_folder(study.folder, out)
    options, faults = given.options(study, registry)
    faults += [f for f in problems(study.folder) if f not in faults]
    store = Store(place / STORE)
    only = tuple(only)
    with _stoppable():
        store.prepare()
        inputs = read(study, registry.contracts, store, tell, reader)
        faults = by_place([*faults, *inputs.faults])
        if errors(faults):
            raise InputFaults(faults)
        faults = by_place([*faults, *known_problems(study, StoredTables(store, inputs.tables))])
        out_folder(study.folder, out, [i.path for i in inputs.files])
        tables = {
            **{kind: s.sha256 for kind, s in inputs.tables.items()},
            **{name: store.put_table(frame).sha256 for name, frame in study.own_tables().items()},
        }
        plan = make(registry, tables)
        chosen = {s.name for s in make(registry, tables, only).steps} if only else None
        _refuse_edited(registry, reader)
        tell(Event("planned", total=len(plan.steps)))
        crew = workers.make(jobs, dask)
        clean = False
        try:
            outcomes = Scheduler(plan, store, crew, options, tables, tell, chosen).run()
            clean = True
        finally:
            crew.close(now=not clean)
    settings = {"jobs": jobs, "dask": dask is not None, "only": only}
    record = _record(study, place, store, registry, options, outcomes, inputs, faults, settings)
    return replace(record, started=started.isoformat(timespec="seconds"), seconds=time.perf_counter() - clock)


def _record(
    study: Study,
    out: Path,
    store: Store,
    registry: Registry,
    options: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Outcome],
    inputs: Inputs,
    faults: list[Fault],
    settings: Mapping[str, Any],
) -> RunRecord:
    shown = [o for n, o in outcomes.items() if n in registry.steps and o.state != "left"]
    tables = {t: s for o in shown if o.step.kind == "analysis" for t, s in _outputs(o).items()}
    return RunRecord(
        study=study,
        out=out,
        steps=tuple(_step(o, options.get(o.step.name, {})) for o in shown),
        tables=StoredTables(store, tables),
        figures=_figures([o for o in shown if o.step.kind == "figure"], store),
        evidence=_claims(outcomes, store),
        faults=tuple(faults),
        excluded=inputs.excluded,
        inputs=tuple(inputs.files),
        rows_read=inputs.rows_read,
        versions={"rechallenge": __version__, **sources.versions()},
        knowledge=knowledge.versions(TABLES_USED),
        settings=settings,
        source=StoredTables(store, inputs.tables),
        reading=inputs.how,
    )


def _outputs(o: Outcome) -> Mapping[str, Stored]:
    return o.manifest.outputs if o.manifest is not None and o.state in ("done", "cached") else {}


def _step(o: Outcome, options: Mapping[str, Any]) -> StepRecord:
    s, m = o.step, o.manifest
    if o.state == "left":
        raise ValueError(f"{s.name} has no outcome")
    return StepRecord(
        name=s.name,
        kind=s.kind,
        stream=s.stream,
        title=s.title,
        state=o.state,
        reason=o.reason,
        about=s.about,
        reference=s.reference,
        methods=m.methods if m is not None else "",
        inputs=tuple(o.inputs),
        options=options,
        outputs=tuple(dict.fromkeys(_stem(n) if s.kind == "figure" else n for n in _outputs(o))),
        seconds=m.seconds if m is not None else 0.0,
        warnings=(*o.warnings, *(m.warnings if m is not None else ())),
        key=o.key,
        traceback=m.traceback if m is not None else "",
    )


def _stem(file: str) -> str:
    return file.rpartition(".")[0]


def _figures(outcomes: Iterable[Outcome], store: Store) -> tuple[FigureRecord, ...]:
    """All figures; where two steps name one alike, the later gets its step's name in front."""
    taken: set[str] = set()
    made = []
    for o in outcomes:
        files: dict[str, dict[str, Stored]] = {}
        for name, stored in _outputs(o).items():
            files.setdefault(_stem(name), {})[name.rpartition(".")[2]] = stored
        for stem, forms in files.items():
            name = f"{o.step.name}_{stem}" if stem.casefold() in taken else stem
            taken.add(name.casefold())
            made.append(
                FigureRecord(
                    name=name,
                    step=o.step.name,
                    stream=o.step.stream,
                    title=o.step.title,
                    caption=o.step.caption,
                    spec=store.json(forms["json"].sha256) if "json" in forms else {},
                    files=StoredFiles(store, forms),
                )
            )
    return tuple(made)


def _claims(outcomes: Mapping[str, Outcome], store: Store) -> pd.DataFrame:
    joined = outcomes.get(EVIDENCE)
    if joined is not None and EVIDENCE in _outputs(joined):
        return store.table(_outputs(joined)[EVIDENCE].sha256)
    return evidence.join(
        store.table(s.sha256) for o in outcomes.values() if o.step.kind == "claims" for s in _outputs(o).values()
    )


def _refuse_edited(registry: Registry, reader: Reader) -> None:
    """Raise where code was edited after this process had loaded it: old results would be stored as new ones."""
    loaded = {m for s in registry.steps.values() for m in modules_of(s)}
    changed = sources.edited(*sorted(loaded.union(modules_of_reader(reader))))
    if changed:
        raise RechallengeError(
            f"edited since it was loaded: {', '.join(changed)}. Start Python (or the notebook's kernel) again."
        )


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM stops a run as Ctrl-C does (in the main thread, where signals arrive)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _silent(event: Event) -> None:
    return None
