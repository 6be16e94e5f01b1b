"""`run.json`: what a run read, with what it worked, what came of each step, and what it wrote. No absolute paths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rechallenge import __version__
from rechallenge.record import RunRecord, StepRecord
from rechallenge.store import StoredTables

if TYPE_CHECKING:
    import pandas as pd

RUN_FILE = "run.json"
#: raised when the form of `run.json` changes
FORMAT = 1
#: parts of `settings` and of a step that say how a result was come by, not what it is
_PASSING_SETTINGS = ("jobs", "dask")
_PASSING = ("seconds",)


def run_file(record: RunRecord, outputs: Mapping[str, Any], *, lasting: bool = False) -> dict[str, Any]:
    """The content of `run.json`, ready for JSON (infinite numbers as text, missing ones as null).

    With `lasting`, without what differs between two runs that came to the same results (times, worker settings,
    computed or taken from the store).
    """
    steps = [_step(s) for s in record.steps]
    settings = dict(record.settings)
    if lasting:
        for s in steps:
            s["state"] = "done" if s["state"] == "cached" else s["state"]
            for k in _PASSING:
                s.pop(k)
        for k in _PASSING_SETTINGS:
            settings.pop(k, None)
    tables = record.tables
    content: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "rechallenge": __version__,
            **(
                {}
                if lasting
                else {"started": record.started, "seconds": round(record.seconds, 3), "reading": record.reading}
            ),
            "study": {
                "title": record.study.title,
                "description": record.study.description,
                "authors": record.study.authors,
                "therapies": record.study.therapies,
                "seed": record.study.seed,
                "models": {name: m.model_dump() for name, m in record.study.models.items()},
            },
            "settings": settings,
            "versions": record.versions,
            "knowledge": record.knowledge,
            "inputs": [{"path": i.path, "kind": i.kind, "bytes": i.bytes, "sha256": i.sha256} for i in record.inputs],
            "rows_read": record.rows_read,
            "steps": steps,
            "tables": {n: t.sha256 for n, t in tables.stored.items()} if isinstance(tables, StoredTables) else {},
            "faults": [f.record() for f in record.faults],
            "excluded": rows(record.excluded),
            "outputs": outputs,
        }
    )
    return content


def _step(s: StepRecord) -> dict[str, Any]:
    return {
        "name": s.name,
        "kind": s.kind,
        "stream": s.stream,
        "title": s.title,
        "state": s.state,
        "reason": s.reason,
        "inputs": s.inputs,
        "outputs": s.outputs,
        "options": s.options,
        "seconds": round(s.seconds, 3),
        "warnings": s.warnings,
        "methods": s.methods,
        "reference": s.reference,
        "key": s.key,
        "traceback": s.traceback,
    }


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as a list of rows."""
    return [dict(zip(frame.columns, r, strict=True)) for r in frame.itertuples(index=False, name=None)]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: lists for tuples, text for infinite numbers, null for NaN and missing."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if value is None or isinstance(value, str | bool):
        return value
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a number of numpy
        value = value.item()
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, int | bool):
        return value
    return None if str(value) in ("<NA>", "NaT") else str(value)
