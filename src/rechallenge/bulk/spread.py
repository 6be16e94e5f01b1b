"""Many calls of one function over workers, in any order; a worker that dies costs only what was in its hands.

What was in flight when a process died is tried once more, one at a time, so that only the call that kills its worker
is given up. A Dask cluster tries again by itself.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
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


def spread(f: Callable[..., Any], calls: Iterable[tuple[Any, ...]], crew: Workers) -> Iterator[tuple[int, Any]]:
    """(number of the call, its answer or `Lost`), as they end.

    Calls are taken when a worker is free, so that what makes them goes on while others are at work. Raises StoreError
    where the store cannot be read or written and RechallengeError where all workers are lost.
    """
    waiting = iter(enumerate(calls))
    held: dict[int, tuple[Any, ...]] = {}
    suspects: deque[int] = deque()
    deaths: Counter[int] = Counter()
    flying: dict[Future[Any], int] = {}

    def submit(number: int) -> None:
        try:
            flying[crew.submit(f, *held[number])] = number
        except BrokenExecutor:  # the workers died between two calls: this one never began
            crew.restart()
            flying[crew.submit(f, *held[number])] = number

    more = True
    while more or suspects or flying:
        if suspects and not flying:
            submit(suspects.popleft())
        while more and not suspects and len(flying) < crew.limit:
            taken = next(waiting, None)
            more = taken is not None
            if taken is not None:
                held[taken[0]] = taken[1]
                submit(taken[0])
        # a limit, because on Windows a wait without one cannot be interrupted
        done = wait(flying, timeout=1.0, return_when=FIRST_COMPLETED).done
        if any(isinstance(x.exception(), BrokenExecutor) for x in done if not x.cancelled()):
            done = wait(flying).done  # all that were in flight have ended with it
        broken = []
        for future in sorted(done, key=flying.__getitem__):
            number = flying.pop(future)
            try:
                answer = future.result()
            except StoreError:
                raise
            except BrokenExecutor:
                broken.append(number)
                continue
            except Exception as e:
                if lost := crew.lost(e):
                    raise RechallengeError(lost) from e
                answer = Lost(f"{type(e).__name__}: {e}")
            del held[number]
            yield number, answer
        if broken:
            crew.restart()
        for number in broken:
            deaths[number] += 1
            if deaths[number] > 1:
                del held[number]
                yield number, Lost(DIED)
            else:
                suspects.append(number)
