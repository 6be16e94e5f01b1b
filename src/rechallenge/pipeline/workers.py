"""Who runs the steps: this process, worker processes, or a Dask cluster. All are a `concurrent.futures.Executor`.

Worker processes are spawned: they begin empty, so a script that calls `run(..., jobs=2)` needs the usual
`if __name__ == "__main__":`. They end when the process that made them ends, however that happened.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import Any, Protocol

from rechallenge.faults import RechallengeError

SCRIPT_HINT = (
    'If this run was started from a script of your own, put the call below `if __name__ == "__main__":`; '
    "if memory is short, use fewer --jobs."
)


_ADDRESS = re.compile(r"([a-z]+://)?(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}")


class Workers(Protocol):
    """Something that runs functions. `limit` is how many it is given at a time."""

    limit: int

    def submit(self, f: Callable[..., Any], /, *arguments: Any) -> Future[Any]: ...

    def restart(self) -> None:
        """Make new workers after one died."""

    def lost(self, e: BaseException) -> str:
        """Why the connection to all workers is gone, or the empty string where the trouble is the task's alone."""

    def close(self, now: bool) -> None:
        """Let the workers go; with `now`, without waiting for what they are doing."""


class Inline:
    """Runs everything here, one after another."""

    limit = 1

    def submit(self, f: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(f(*arguments))
        except Exception as e:  # noqa: BLE001 - handed on through the future, as every executor does
            done.set_exception(e)
        return done

    def restart(self) -> None:
        return None

    def lost(self, e: BaseException) -> str:
        return ""

    def close(self, now: bool) -> None:
        return None


class Processes:
    """Worker processes on this machine, started when there is something to do."""

    def __init__(self, jobs: int):
        self.limit = jobs
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, f: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.limit, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
            )
        return self._pool.submit(f, *arguments)

    def restart(self) -> None:
        self.close(now=True)

    def lost(self, e: BaseException) -> str:
        return ""

    def close(self, now: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        working = list((getattr(pool, "_processes", None) or {}).values()) if now else []
        pool.shutdown(wait=not now, cancel_futures=True)
        for process in working:
            process.terminate()
        for process in working:
            process.join()


def _begin() -> None:
    """First thing in a worker: leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class Dask:
    """A Dask cluster. Its workers must see the results folder under the same path and have the same software.

    A worker process works at one step at a time: start them with one thread each (`dask worker --nthreads 1`).
    """

    limit = 100_000

    def __init__(self, address: str):
        try:
            import distributed
        except ImportError:
            raise RechallengeError(
                "--dask needs the package distributed. Install it: pip install 'rechallenge[dask]'."
            ) from None
        if not _ADDRESS.fullmatch(address):
            raise RechallengeError(
                f"{address!r} is no address of a Dask scheduler. "
                "Give it as tcp://HOST:PORT, as `dask scheduler` prints it."
            )
        try:
            self._client = distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as e:
            raise RechallengeError(
                f"no Dask scheduler answers at {address} ({e or type(e).__name__}). "
                "Start one with `dask scheduler`, and give the address that it prints."
            ) from None
        self._executor: Executor = self._client.get_executor()

    def submit(self, f: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        return self._executor.submit(f, *arguments)

    def restart(self) -> None:
        return None

    def lost(self, e: BaseException) -> str:
        if isinstance(e, CancelledError | OSError):
            return f"the connection to the Dask scheduler was lost ({e or type(e).__name__}). Run again to go on."
        return ""

    def close(self, now: bool) -> None:
        if now:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._client.close(timeout=2 if now else 10)


def make(jobs: int, dask: str | None) -> Workers:
    """The workers asked for. Raises RechallengeError where there are none."""
    if dask:
        return Dask(dask)
    if jobs < 1:
        raise RechallengeError(f"--jobs is a whole number from 1; {jobs} is not.")
    return Inline() if jobs == 1 else Processes(jobs)
