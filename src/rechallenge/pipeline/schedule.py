"""Bring every step of a plan up to date: take from the store what is there, hand the rest to the workers.

A step that fails stops only what needs it. When a worker dies, what was in its hands is tried once more, one at a
time, so that only the step that kills its worker is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any, Literal

from rechallenge.analysis import Analysis
from rechallenge.faults import RechallengeError, StoreError
from rechallenge.pipeline.events import Event, Progress
from rechallenge.pipeline.execute import execute, finish
from rechallenge.pipeline.keys import key_of
from rechallenge.pipeline.plan import EVIDENCE, Plan, as_read
from rechallenge.pipeline.workers import SCRIPT_HINT, Workers
from rechallenge.record import StepState
from rechallenge.store import Manifest, Store


@dataclass(frozen=True)
class Outcome:
    """How a step ended. `left` says that it was not asked for and is not up to date."""

    step: Analysis
    state: StepState | Literal["left"]
    key: str = ""
    reason: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    manifest: Manifest | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class _Task:
    """One call handed to a worker: a whole step, one of its parts (`index`), or the joining of them."""

    step: str
    what: Literal["whole", "part", "finish"]
    f: Callable[..., Manifest]
    arguments: tuple[Any, ...]
    index: int = 0
    attempts: int = 0


@dataclass
class _Open:
    """A step in work. `parts` holds the keys of the parts of a split step, `missing` the indexes of those to come."""

    key: str
    inputs: dict[str, str]
    warnings: tuple[str, ...]
    parts: list[str] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    started: bool = False


class Scheduler:
    """Runs the steps of one plan over one store.

    `tables` maps the tables of the study to the digests of their stored bytes, `options` step names to options.
    Steps outside `chosen` (where it is given) are taken from the store if they are up to date and else left.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        workers: Workers,
        options: Mapping[str, Mapping[str, Any]],
        tables: Mapping[str, str],
        progress: Progress,
        chosen: Set[str] | None = None,
    ):
        self._plan, self._store, self._workers, self._progress = plan, store, workers, progress
        self._options = options
        self._given = as_read(tables)
        self._results: dict[str, str] = {}
        self._chosen = chosen
        self._steps = {s.name: s for s in plan.steps}
        self._place = {s.name: i for i, s in enumerate(plan.steps)}
        self._outcomes: dict[str, Outcome] = {}
        self._open: dict[str, _Open] = {}
        self._queue: deque[_Task] = deque()
        self._suspects: deque[_Task] = deque()
        self._flying: dict[Future[Manifest], _Task] = {}
        self._ended: list[str] = []

    def run(self) -> dict[str, Outcome]:
        """Every step's outcome, in the order of the plan. Raises StoreError, and RechallengeError where the workers
        are lost; what was finished is in the store then."""
        order = TopologicalSorter(self._plan.after)
        order.prepare()
        while order.is_active():
            for name in sorted(order.get_ready(), key=self._place.__getitem__):
                self._take_up(self._steps[name])
            if not self._ended:
                self._hand_out()
                if not self._flying:
                    raise RuntimeError(f"nothing can go on; open: {', '.join(self._open)}")
                self._collect()
            for name in self._ended:
                order.done(name)
            self._ended.clear()
        return {s.name: self._outcomes[s.name] for s in self._plan.steps}

    # -- one step ------------------------------------------------------------------------------------------------

    def _take_up(self, step: Analysis) -> None:
        """A step whose predecessors have ended: decide it at once, or put it in the queue."""
        inputs = {}
        for t in (*step.needs, *step.wants):
            tables = self._given if self._plan.giver(step, t) is None else self._results
            if t in tables:
                inputs[t] = tables[t]
        absent = [t for t in step.needs if t not in inputs]
        if not absent and not step.needs and step.wants and not inputs and step.name != EVIDENCE:
            absent = list(step.wants)
        unmet = [
            self._outcomes[g] for t in (*step.needs, *step.wants) if (g := self._lacking(step, t, inputs)) is not None
        ]
        if any(o.state == "left" for o in unmet):
            self._end(Outcome(step, "left"))
            return
        if absent:
            self._end(self._without(step, absent))
            return
        warnings = tuple(
            f"ran without the result of {o.step.name}, which {'failed' if o.state == 'failed' else 'is blocked'}"
            for o in unmet
            if o.state in ("failed", "blocked")
        )
        key = key_of(step, inputs, self._options.get(step.name, {}))
        notes = len(self._store.notes)
        known = self._store.manifest(key)
        warnings += tuple(self._store.notes[notes:])
        if known is not None:
            self._end(Outcome(step, "cached", key, known.reason, inputs, known, warnings))
        elif self._chosen is not None and step.name not in self._chosen:
            self._end(Outcome(step, "left"))
        else:
            self._open[step.name] = _Open(key, inputs, warnings)
            self._queue.append(_Task(step.name, "whole", execute, self._arguments(step, key, inputs)))

    def _lacking(self, step: Analysis, table: str, inputs: Mapping[str, str]) -> str | None:
        """The step of this plan that should have given a table which is not there."""
        giver = self._plan.giver(step, table)
        return giver if table not in inputs and giver in self._outcomes else None

    def _without(self, step: Analysis, absent: list[str]) -> Outcome:
        """The outcome of a step that lacks tables: blocked where one of them failed, else skipped."""
        for t in absent:
            o = self._outcomes.get(self._plan.givers.get(t, ""))
            if o is not None and o.state in ("failed", "blocked"):
                how = "failed" if o.state == "failed" else "is blocked"
                return Outcome(step, "blocked", reason=f"needs {t}, but {o.step.name} {how}")
        o = self._outcomes.get(self._plan.givers.get(absent[0], ""))
        why = f": {o.reason}" if o is not None and o.reason else ""
        return Outcome(step, "skipped", reason=f"needs {absent[0]}, which is not there{why}")

    def _arguments(self, step: Analysis, key: str, inputs: Mapping[str, str]) -> tuple[Any, ...]:
        return (step.ref, str(self._store.root), key, dict(inputs), dict(self._options.get(step.name, {})))

    def _end(self, outcome: Outcome) -> None:
        name = outcome.step.name
        manifest = outcome.manifest
        if manifest is not None and manifest.state == "skipped":
            outcome = Outcome(
                outcome.step, "skipped", outcome.key, manifest.reason, outcome.inputs, manifest, outcome.warnings
            )
        elif manifest is not None and manifest.state == "done" and outcome.step.kind != "figure":
            self._results.update({t: o.sha256 for t, o in manifest.outputs.items()})
        self._outcomes[name] = outcome
        self._open.pop(name, None)
        self._ended.append(name)
        self._progress(
            Event(
                "finished",
                name,
                outcome.state,
                done=len(self._outcomes),
                total=len(self._steps),
                reason=outcome.reason,
            )
        )

    def _end_with(self, name: str, manifest: Manifest) -> None:
        opened = self._open[name]
        state: StepState = "failed" if manifest.state == "failed" else "done"
        self._queue = deque(t for t in self._queue if t.step != name)
        self._suspects = deque(t for t in self._suspects if t.step != name)
        self._end(
            Outcome(self._steps[name], state, opened.key, manifest.reason, opened.inputs, manifest, opened.warnings)
        )

    # -- parts of a step -----------------------------------------------------------------------------------------

    def _part(self, name: str, digests: tuple[str, ...]) -> None:
        """Queue the parts of a split step that are not in the store yet."""
        step, opened = self._steps[name], self._open[name]
        table = step.split.table if step.split is not None else ""
        options = self._options.get(name, {})
        for i, digest in enumerate(digests):
            inputs = {**opened.inputs, table: digest}
            key = key_of(step, inputs, options, part=True)
            opened.parts.append(key)
            if self._store.manifest(key) is None:
                opened.missing.add(i)
                self._queue.append(_Task(name, "part", execute, (*self._arguments(step, key, inputs), True), index=i))
        self._parts_done(name)

    def _parts_done(self, name: str) -> None:
        opened = self._open[name]
        n = len(opened.parts)
        self._progress(Event("part", name, part=n - len(opened.missing), parts=n))
        if not opened.missing:
            step = self._steps[name]
            arguments = (*self._arguments(step, opened.key, opened.inputs), tuple(opened.parts))
            self._queue.appendleft(_Task(name, "finish", finish, arguments))

    # -- workers -------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        if self._suspects:
            if not self._flying:
                self._submit(self._suspects.popleft())
            return
        while self._queue and len(self._flying) < self._workers.limit:
            self._submit(self._queue.popleft())

    def _submit(self, task: _Task) -> None:
        opened = self._open[task.step]
        if not opened.started:
            opened.started = True
            self._progress(Event("started", task.step, done=len(self._outcomes), total=len(self._steps)))
        try:
            self._flying[self._workers.submit(task.f, *task.arguments)] = task
        except BrokenExecutor:
            # the workers died between two tasks: this one never began
            self._workers.restart()
            self._flying[self._workers.submit(task.f, *task.arguments)] = task

    def _collect(self) -> None:
        """Wait for at least one task in flight and take its answer."""
        done: Set[Future[Manifest]] = set()
        while not done and self._flying:
            # a limit, because on Windows a wait without one cannot be interrupted
            done = wait(self._flying, timeout=1.0, return_when=FIRST_COMPLETED).done
        broken: list[_Task] = []
        for future in sorted(done, key=lambda f: self._place[self._flying[f].step]):
            self._receive(future, self._flying.pop(future), broken)
        if broken:
            for future in wait(self._flying).done:
                self._receive(future, self._flying.pop(future), broken)
            self._workers.restart()
            self._try_again(broken)

    def _receive(self, future: Future[Manifest], task: _Task, broken: list[_Task]) -> None:
        try:
            manifest = future.result()
        except StoreError:
            raise
        except BrokenExecutor:
            broken.append(task)
            return
        except Exception as e:
            if lost := self._workers.lost(e):
                raise RechallengeError(lost) from e
            self._give_up(task, f"the worker could not run it ({type(e).__name__}: {e})")
            return
        if task.step not in self._open:  # another part of the step failed meanwhile
            return
        if manifest.state == "failed" or task.what == "finish":
            self._end_with(task.step, manifest)
        elif manifest.state == "cut":
            self._part(task.step, manifest.parts)
        elif task.what == "part":
            self._open[task.step].missing.discard(task.index)
            self._parts_done(task.step)
        else:
            self._end_with(task.step, manifest)

    def _try_again(self, broken: list[_Task]) -> None:
        for task in broken:
            task.attempts += 1
            if task.attempts > 1:
                self._give_up(task, f"its worker process died twice, most often for lack of memory. {SCRIPT_HINT}")
            elif task.step in self._open:
                self._suspects.append(task)

    def _give_up(self, task: _Task, reason: str) -> None:
        if task.step in self._open:
            opened = self._open[task.step]
            self._end_with(task.step, Manifest(opened.key, task.step, "failed", reason))
