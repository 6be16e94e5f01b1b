"""Many calls of one function over workers, in any order; a worker that dies costs only what was in its hands.

What was in flight when a process died is tried once more, one at a time, so that only the call that kills its worker
is given up. A Dask cluster tries again by itself.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any

from rechallenge.faults import RechallengeError, StoreError
from rechallenge.pipeline.workers import Workers

DIED = "its worker process died twice, most often for lack of memory"


@dataclass(frozen=True)
class Lost:
    """A call that gave no answer, and why."""

    reason: str


def spread(f: Callable[..., Any], calls: Sequence[tuple[Any, ...]], crew: Workers) -> Iterator[tuple[int, Any]]:
    """(number of the call, its answer or `Lost`), as they end.

    Raises StoreError where the store cannot be read or written and RechallengeError where all workers are lost.
    """
    waiting: deque[int] = deque(range(len(calls)))
    suspects: deque[int] = deque()
    deaths: Counter[int] = Counter()
    flying: dict[Future[Any], int] = {}

    def submit(number: int) -> None:
        try:
            flying[crew.submit(f, *calls[number])] = number
        except BrokenExecutor:  # the workers died between two calls: this one never began
            crew.restart()
            flying[crew.submit(f, *calls[number])] = number

    while waiting or suspects or flying:
        if suspects and not flying:
            submit(suspects.popleft())
        while waiting and not suspects and len(flying) < crew.limit:
            submit(waiting.popleft())
        # a limit, because on Windows a wait without one cannot be interrupted
        done = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED).done
        if any(isinstance(x.exception(), BrokenExecutor) for x in done if not x.cancelled()):
            done = wait(flying).done  # all that were in flight have ended with it
        broken = []
        for future in sorted(done, key=flying.__getitem__):
            number = flying.pop(future)
            try:
                yield number, future.result()
            except StoreError:
                raise
            except BrokenExecutor:
                broken.append(number)
            except Exception as e:
                if lost := crew.lost(e):
                    raise RechallengeError(lost) from e
                yield number, Lost(f"{type(e).__name__}: {e}")
        if broken:
            crew.restart()
        for number in broken:
            deaths[number] += 1
            if deaths[number] > 1:
                yield number, Lost(DIED)
            else:
                suspects.append(number)
