"""Many studies, one after another or spread over workers: each alone, and one table of how they ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.bulk.memory import peak_memory
from rechallenge.bulk.spread import Lost, spread
from rechallenge.faults import Fault, InputFaults, RechallengeError
from rechallenge.pipeline import workers
from rechallenge.pipeline.events import Event, Progress
from rechallenge.store import explained, write_atomic
from rechallenge.study import STUDY_FILE

SUMMARY = "library.csv"
#: `state`: done; partly (some analyses failed, the rest is there); faults (in the input, nothing was run); failed
COLUMNS = (
    "study", "title", "state", "reason", "computed", "up_to_date", "skipped", "failed", "claims", "first_candidate",
    "first_candidate_tier", "report", "seconds", "peak_memory_mb",
)  # fmt: skip


@dataclass(frozen=True)
class Library:
    """How the studies ended: `table` has one row per study (COLUMNS), and is what `summary` holds."""

    table: pd.DataFrame
    summary: Path
    seconds: float

    @property
    def unwell(self) -> pd.DataFrame:
        """The studies that did not end as `done`."""
        return self.table[self.table["state"] != "done"]


def studies_in(folder: str | Path) -> list[Path]:
    """The folders with a study file in this folder, sorted by name. Raises InputFaults where there is none."""
    folder = Path(folder)
    found = sorted(p.parent for p in folder.glob(f"*/{STUDY_FILE}"))
    if not found:
        raise InputFaults(
            [
                Fault(
                    "no-studies",
                    f"no folder in {folder} holds a {STUDY_FILE}.",
                    "Give the folder that the studies' folders lie in.",
                )
            ]
        )
    return found


def run_library(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Library:
    """Bring every study in `folder` up to date, `jobs` of them at a time or over the Dask cluster at `dask`.

    Results go to `results` in each study, or to `out/NAME`. A study that has faults, fails or kills its worker stops
    no other. `library.csv` (in `out`, else in `folder`) is written after every study. A second call computes only
    what is missing or has changed. Raises InputFaults where there is no study, RechallengeError where all workers
    are lost, and StoreError where the table cannot be written.
    """
    clock, tell = time.perf_counter(), progress or (lambda event: None)
    studies = studies_in(folder)
    place = Path(out) if out is not None else Path(folder)
    with explained("make", place):
        place.mkdir(parents=True, exist_ok=True)
    summary = place / SUMMARY
    calls = [(str(s.resolve()), str((place / s.name).resolve()) if out is not None else None) for s in studies]
    rows: dict[int, dict[str, Any]] = {}
    tell(Event("planned", total=len(calls)))
    crew = workers.make(jobs, dask)
    clean = False
    try:
        for at, answer in spread(run_one, calls, crew):
            row = _row(studies[at], "failed", answer.reason, peak_memory_mb=0) if isinstance(answer, Lost) else answer
            rows[at] = row
            _write(summary, rows)
            tell(Event("finished", row["study"], row["state"], done=len(rows), total=len(calls), reason=row["reason"]))
        clean = True
    finally:
        crew.close(now=not clean)
    return Library(_table(rows), summary, time.perf_counter() - clock)


def run_one(folder: str, out: str | None) -> dict[str, Any]:
    """Run one study and write its outputs; its row of the table. What goes wrong in it is a row too."""
    from rechallenge import outputs, pipeline

    clock, study = time.perf_counter(), Path(folder)
    try:
        record = pipeline.run(study, out)
        outputs.write(record)
    except InputFaults as e:
        bad = [f for f in e.faults if f.severity == "error"]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        return _row(study, "faults", f"{bad[0]}{more}", seconds=time.perf_counter() - clock)
    except RechallengeError as e:
        return _row(study, "failed", str(e), seconds=time.perf_counter() - clock)
    except Exception as e:  # noqa: BLE001 - one study must not stop the others
        return _row(study, "failed", f"{type(e).__name__}: {e}", seconds=time.perf_counter() - clock)
    states = pd.Series([s.state for s in record.steps], dtype=object)
    candidates = record.tables["candidates"] if "candidates" in record.tables else pd.DataFrame()
    first: dict[Any, Any] = candidates.iloc[0].to_dict() if len(candidates) else {}
    return _row(
        study,
        "partly" if record.failed else "done",
        "; ".join(f"{s.name}: {s.reason}" for s in record.failed),
        title=record.study.title,
        computed=int((states == "done").sum()),
        up_to_date=int((states == "cached").sum()),
        skipped=int(states.isin(["skipped", "blocked"]).sum()),
        failed=len(record.failed),
        claims=len(record.evidence),
        first_candidate=first.get("entity", ""),
        first_candidate_tier=first.get("tier", ""),
        report=str(record.out / "report.html"),
        seconds=time.perf_counter() - clock,
    )


def _row(study: Path, state: str, reason: str, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    made.update(dict.fromkeys(("computed", "up_to_date", "skipped", "failed", "claims"), 0))
    made.update(study=study.name, state=state, reason=reason, seconds=round(seconds, 2))
    made["peak_memory_mb"] = round(peak_memory() / 1e6)
    return {**made, **more}


def _table(rows: dict[int, dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([rows[i] for i in sorted(rows)], columns=list(COLUMNS))


def _write(path: Path, rows: dict[int, dict[str, Any]]) -> None:
    from rechallenge.outputs import csv_bytes

    with explained("write", path):
        write_atomic(path, csv_bytes(_table(rows)), durable=False)
