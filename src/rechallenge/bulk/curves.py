"""Every curve of a large screen: cut into parts, fitted by workers under a memory budget, joined in one table.

The numbers are those of `dose_response.fit_curves`: a part holds whole curves, a curve is fitted from its own wells
alone, and false-discovery rates are taken over all curves at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge import sources
from rechallenge.analysis import analysis, step_of
from rechallenge.assays import dose_response
from rechallenge.assays.dose_response.curves import finish_curves
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.bulk.cutting import Counted, parts
from rechallenge.bulk.memory import parse_memory, peak_memory
from rechallenge.bulk.spread import Lost, spread
from rechallenge.faults import RechallengeError
from rechallenge.pipeline import workers
from rechallenge.pipeline.events import Event, Progress
from rechallenge.pipeline.execute import execute
from rechallenge.pipeline.keys import key_of
from rechallenge.pipeline.run import STORE
from rechallenge.store import Store, explained, file_sha256, write_atomic

#: memory of a worker with all that it has loaded and compiled, and what it needs on top for one row of a part and for
#: one resample of one curve (bytes; measured: 320 MB, 370 MB where it compiled, and 1,400 bytes a row)
LOADED, PER_ROW, PER_RESAMPLE = 500_000_000, 1_600, 60
#: values that the bootstrap holds at a time (`stats.hill.bootstrap`)
MOST_RESAMPLES = 4_000_000
#: parts are not made larger than this: more would gain nothing and leave workers idle at the end
MOST_ROWS = 20_000
LEFT_OUT = (*CURVE, "reason")


@dataclass(frozen=True)
class Fitted:
    """What `fit_table` made: `curves.parquet`, `left_out.csv` and `screen.json` in `out`.

    `left_out`: curves of the table that have no result, each with the reason. `peak`: largest memory of a worker that
    computed something in this call, in bytes (0 where nothing was computed or the system does not tell).
    """

    out: Path
    rows: int
    empty: int
    n_curves: int
    left_out: pd.DataFrame
    n_parts: int
    computed: int
    failed: int
    part_rows: int
    budget: int
    peak: int
    seconds: float

    @property
    def curves(self) -> pd.DataFrame:
        """The table of curves, read from its file."""
        from rechallenge import parquet

        return parquet.decode((self.out / "curves.parquet").read_bytes())


@analysis(title="Dose-response curves of one part of a large table")
def part_of_curves(wells: pd.DataFrame, *, chosen: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """`fit_curves` of the wells of some curves, with its options in `chosen`."""
    return dose_response.fit_curves(wells, **dict(chosen or {}))


def rows_within(budget: int, resamples: int) -> int:
    """Rows of a part that a worker can fit in `budget` bytes, taking a curve to have nine rows at least.

    Raises RechallengeError where the budget is too small for any.
    """
    each = PER_ROW + resamples * PER_RESAMPLE / 9
    rows = int((budget - LOADED) / each)
    if resamples and rows / 9 * resamples > MOST_RESAMPLES:
        rows = int((budget - LOADED - MOST_RESAMPLES * PER_RESAMPLE) / PER_ROW)
    if rows < 2_000:
        least = (LOADED + 2_000 * each) / 1e9
        raise RechallengeError(
            f"{budget / 1e9:.2f} GB is too little memory for a worker. Give it {least:.1f} GB or more with --memory."
        )
    return min(rows, MOST_ROWS)


def fit_table(
    table: str | Path,
    out: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    memory: str | int = "2GB",
    bootstraps: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Fitted:
    """Fit every curve of a table of viabilities (CSV, TSV or Parquet, any number of rows) and write one row per curve.

    `table` has the columns of `dose_response.fit_curves` (model, drug, dose_um, viability as a fraction of vehicle,
    replicate, ...); rows may stand in any order. `jobs` processes or the Dask cluster at `dask`, each within
    `memory`. `bootstraps`: intervals are percentiles of so many resamples of biological replicates (0: by inversion,
    which covers better with few replicates). `options`: those of the analysis `curves`.

    `out/curves.parquet` is the same bytes whatever `jobs`, `dask` and `memory` are. Finished parts are kept in `out`
    and found again by the next call. Raises InputFaults for a table that cannot be used, ValueError for an unknown
    option, RechallengeError where the memory is too little or all workers are lost, StoreError.
    """
    clock, tell = time.perf_counter(), progress or (lambda event: None)
    path, out = Path(table), Path(out)
    chosen = _options(bootstraps, options)
    budget = parse_memory(memory)
    part_rows = rows_within(budget, bootstraps)
    store = Store(out / STORE)
    store.prepare()
    cut = _Cut(path, out, store, part_rows, {"chosen": chosen})
    failed, peak = _compute(cut, workers.make(jobs, dask), tell)
    curves, reasons = _joined(store, cut.keys, failed)
    left = _left_out(cut.asked, curves, reasons)
    made = Fitted(
        out, cut.counted.rows, cut.counted.empty, len(curves), left, len(cut.keys), len(cut.todo) - len(failed),
        len(failed), part_rows, budget, peak, time.perf_counter() - clock,
    )  # fmt: skip
    _write(made, curves, path, chosen)
    return replace(made, seconds=time.perf_counter() - clock)


class _Cut:
    """The parts of a table, stored one by one; iterating gives the call for each that is not computed yet."""

    def __init__(self, path: Path, out: Path, store: Store, rows: int, given: Mapping[str, Any]):
        self._path, self._out, self._store, self._rows, self._given = path, out, store, rows, given
        self.counted = Counted()
        self.keys: list[str] = []
        self.todo: list[int] = []
        #: the curves of each part
        self.asked: list[pd.DataFrame] = []

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        step = step_of(part_of_curves)
        with explained("cut the table in", self._out):
            for frame in parts(self._path, self._out, self._rows, self.counted):
                digest = self._store.put_table(frame).sha256
                key = key_of(step, {"wells": digest}, self._given, part=True)
                self.asked.append(frame.loc[frame["dose_um"] > 0, list(CURVE)].drop_duplicates())
                self.keys.append(key)
                if self._store.manifest(key) is None:
                    self.todo.append(len(self.keys) - 1)
                    yield step.ref, str(self._store.root.resolve()), key, digest, self._given

    @property
    def total(self) -> int:
        """How many parts there will be, as far as it is known."""
        return max(len(self.keys), -(-self.counted.rows // self._rows))


def fit_part(ref: str, root: str, key: str, wells: str, given: Mapping[str, Any]) -> tuple[str, str, int]:
    """Fit one stored part and store its curves: state, reason and the memory of this process at its peak."""
    done = execute(ref, root, key, {"wells": wells}, given, True)
    return done.state, done.reason, peak_memory()


def _options(bootstraps: int, options: Mapping[str, Any]) -> dict[str, Any]:
    known = step_of(dose_response.curves).options
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"unknown option {', '.join(unknown)}; known are {', '.join(known)}")
    if bootstraps < 0 or 0 < bootstraps < 20:
        raise ValueError(f"bootstraps must be 0 or at least 20, got {bootstraps}")
    return {**options, **({"interval": "bootstrap", "n_boot": bootstraps} if bootstraps else {})}


def _compute(cut: _Cut, crew: workers.Workers, tell: Progress) -> tuple[dict[int, str], int]:
    """Reasons of the parts that failed, by number, and the largest memory of a worker."""
    failed: dict[int, str] = {}
    peak = answered = 0
    clean = False
    try:
        for at, answer in spread(fit_part, cut, crew):
            answered += 1
            state, reason, used = ("failed", answer.reason, 0) if isinstance(answer, Lost) else answer
            peak = max(peak, used)
            if state == "failed":
                failed[cut.todo[at]] = reason
            if answered == 1:
                tell(Event("planned", total=cut.total))
            done = len(cut.keys) - len(cut.todo) + answered
            tell(Event("finished", f"part {cut.todo[at] + 1}", state, done=done, total=cut.total, reason=reason))
        clean = True
    finally:
        crew.close(now=not clean)
    return failed, peak


def _joined(store: Store, keys: list[str], failed: Mapping[int, str]) -> tuple[pd.DataFrame, dict[int, str]]:
    """All curves, ordered and with q-values over all of them; and why parts have none, by number."""
    from rechallenge import parquet

    found, reasons = [], dict(failed)
    for i, key in enumerate(keys):
        manifest = store.manifest(key)
        if manifest is not None and manifest.state == "done":
            found.append(store.get(manifest.outputs["part_of_curves"].sha256))
        elif manifest is not None:
            reasons[i] = manifest.reason
    if not found:
        raise RechallengeError("no curve could be fitted: " + "; ".join(sorted(set(reasons.values()))))
    return finish_curves(parquet.join(found)), reasons


def _left_out(asked: list[pd.DataFrame], curves: pd.DataFrame, reasons: Mapping[int, str]) -> pd.DataFrame:
    """Curves of the table without a row in the result, with the reason."""
    everything = pd.concat(
        [a.assign(reason=reasons.get(i, "no dose above 0 has a usable response")) for i, a in enumerate(asked)]
    )
    there = pd.MultiIndex.from_frame(curves[list(CURVE)])
    gone = ~pd.MultiIndex.from_frame(everything[list(CURVE)]).isin(there)
    return everything.loc[gone, list(LEFT_OUT)].sort_values(list(CURVE)).reset_index(drop=True)


def _write(made: Fitted, curves: pd.DataFrame, path: Path, chosen: Mapping[str, Any]) -> None:
    from rechallenge import parquet
    from rechallenge.outputs import csv_bytes

    about = {
        "table": path.name,
        "sha256": file_sha256(path),
        "rows": made.rows,
        "rows_without_dose_or_viability": made.empty,
        "curves": made.n_curves,
        "curves_left_out": len(made.left_out),
        "options": {**step_of(dose_response.curves).options, **chosen},
        "versions": dict(sources.versions()),
    }
    with explained("write", made.out):
        write_atomic(made.out / "curves.parquet", parquet.encode(curves))
        write_atomic(made.out / "left_out.csv", csv_bytes(made.left_out))
        write_atomic(made.out / "screen.json", json.dumps(about, indent=1, default=str).encode())
