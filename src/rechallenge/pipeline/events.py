"""What a run tells whoever watches it (a progress bar, a log): small events, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: reading: a table kind (`name`) was read or taken from the store (`state`), the `done`-th of `total`
#: planned: `total` steps are in the plan
#: started: a step was handed to a worker
#: part: `part` of `parts` parts of a split step are done
#: finished: a step has its state; `done` of `total` steps are finished
What = Literal["reading", "planned", "started", "part", "finished"]


@dataclass(frozen=True)
class Event:
    """One thing that happened. `state` is that of `record.StepState`, for `finished` and `reading`; `reason` says
    why a step was skipped, failed or is blocked."""

    what: What
    name: str = ""
    state: str = ""
    done: int = 0
    total: int = 0
    part: int = 0
    parts: int = 0
    reason: str = ""


Progress = Callable[[Event], None]
