"""Work on several cores whose result does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def spread(work: Callable[..., Any], parts: Iterable[tuple[Any, ...]]) -> None:
    """`work(*part)` for every part, on as many threads as numba may use (`NUMBA_NUM_THREADS`, by default all cores).

    Of use where `work` lets go of the interpreter (compiled with `nogil`). Parts must be made from the data alone and
    write to places of their own; then every number of threads gives the same bytes.
    """
    import numba  # type: ignore[import-untyped,unused-ignore]

    n = int(numba.config.NUMBA_NUM_THREADS)
    if n < 2:
        for part in parts:
            work(*part)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(n) as pool:
        for done in [pool.submit(work, *part) for part in parts]:
            done.result()
