"""More than one study holds: the curves of a large screen, and whole libraries of studies, spread over workers.

::

    from rechallenge import bulk

    bulk.fit_table("screen.parquet", "screen", jobs=16, memory="2GB")       # one row per curve
    bulk.run_library("studies", jobs=16)                                     # one row per study

Work is cut by the data, never by the number of workers, so results do not depend on them. What was finished is kept: a
second call goes on where the first was stopped.
"""

from __future__ import annotations

from rechallenge.bulk.curves import Fitted, fit_table
from rechallenge.bulk.library import Library, run_library, studies_in
from rechallenge.bulk.memory import parse_memory, peak_memory
from rechallenge.bulk.spread import Lost, spread

__all__ = [
    "Fitted",
    "Library",
    "Lost",
    "fit_table",
    "parse_memory",
    "peak_memory",
    "run_library",
    "spread",
    "studies_in",
]
