"""The progress bar of the command line: one line that says what is being worked on, kept off pipes and logs."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rechallenge.pipeline.events import Event


class Bar:
    """Callable that draws pipeline events; a context manager. Silent where the error stream is not a terminal."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._running: dict[str, str] = {}

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("Reading tables", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, event: Event) -> None:
        if self._progress is None or self._task is None:
            return
        if event.what == "planned":
            self._progress.update(self._task, total=event.total, completed=0, description="Running")
        elif event.what == "started":
            self._running[event.name] = event.name
        elif event.what == "part":
            self._running[event.name] = f"{event.name} {event.part}/{event.parts}"
        elif event.what == "finished":
            self._running.pop(event.name, None)
            self._progress.update(self._task, completed=event.done)
        if self._running:
            first, *more = self._running.values()
            text = first + (f" and {len(more)} more" if more else "")
            self._progress.update(self._task, description=text[:48])
