"""A table of viabilities too large for one worker, cut into parts of whole curves.

The rows of one curve may stand anywhere in the file. A first pass sends every row to one of a few files by a hash of
its curve; each of these is read alone, sorted by curve and cut. Parts depend on the table and on `rows` only.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rechallenge.assays.dose_response.normalise import ALSO
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.faults import Fault, InputFaults
from rechallenge.store import LEFTOVER_AGE
from rechallenge.tables.normalise import as_text

TEXTS = (
    "model", "drug", "perturbation", "medium", "stage", "replicate", "plate", "well", "well_type", "exclude",
)  # fmt: skip
NUMBERS = ("hours", "dose_um", "viability")
BATCH = 200_000
#: rows of one intermediate file, which is read whole
SPILL_ROWS = 1_000_000
MOST_FILES = 256
_SPILL = ".cut-"


@dataclass
class Counted:
    """What was met while reading."""

    rows: int = 0
    #: rows whose dose or viability is empty
    empty: int = 0
    #: rows with and without the name of a biological replicate
    named: int = 0
    bare: int = 0
    columns: list[str] = field(default_factory=list)


def parts(path: Path, folder: Path, rows: int, counted: Counted) -> Iterator[pd.DataFrame]:
    """Parts of at most `rows` rows (a longer curve is a part of its own) with `_file` and `_row` of every well.

    Intermediate files go to `folder`. Raises InputFaults where the file is no table of viabilities.
    """
    for old in folder.glob(_SPILL + "*"):
        if old.stat().st_mtime < time.time() - LEFTOVER_AGE:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_SPILL, dir=folder) as temporary:
        for spilled in _spill(path, Path(temporary), counted):
            yield from _cut(spilled, rows)
            spilled.unlink()


def _spill(path: Path, folder: Path, counted: Counted) -> list[Path]:
    files = [folder / f"{i:03d}.arrow" for i in range(_number_of_files(path))]
    writers: dict[int, Any] = {}
    with ExitStack() as opened:
        for frame in _batches(path, counted):
            at = pd.util.hash_pandas_object(frame[list(CURVE)], index=False).to_numpy() % np.uint64(len(files))
            for i in np.unique(at).tolist():
                batch = pa.RecordBatch.from_pandas(frame[at == i], schema=_schema(frame), preserve_index=False)
                if i not in writers:
                    writers[i] = opened.enter_context(pa.ipc.new_stream(str(files[i]), batch.schema))
                writers[i].write_batch(batch)
    if counted.named and counted.bare:
        raise _fault(path, f"{counted.bare} rows name no biological replicate and {counted.named} do.",
                     "Fill the column replicate in all rows, or leave it out.", "replicate")  # fmt: skip
    return [files[i] for i in sorted(writers)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What a file that cannot be read raises, as a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise _fault(path, "there is no such file.", "Check the path.") from None
    except (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as e:
        raise _fault(path, f"it cannot be read as a table ({str(e).splitlines()[0]}).", "Save it again.") from None


def _number_of_files(path: Path) -> int:
    """By the rows that the file says it holds, or at 60 bytes a row."""
    with _readable(path):
        rows = pq.ParquetFile(path).metadata.num_rows if path.suffix == ".parquet" else path.stat().st_size // 60
    return min(MOST_FILES, rows // SPILL_ROWS + 1)


def _schema(frame: pd.DataFrame) -> Any:
    kinds = {"_row": pa.int64(), "_file": pa.string()}
    return pa.schema([pa.field(c, kinds.get(c, pa.float64() if c in NUMBERS else pa.string())) for c in frame.columns])


def _cut(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with pa.ipc.open_stream(str(path)) as stream:
        frame = stream.read_pandas()
    number = frame.groupby(list(CURVE), sort=True, dropna=False).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number))
    first = begin = 0
    while begin < len(frame):
        last = max(int(np.searchsorted(ends, begin + rows, side="right")), first + 1)
        end = int(ends[last - 1])
        # within a part, rows in the order of the file
        yield frame.iloc[np.sort(order[begin:end])].reset_index(drop=True)
        first, begin = last, end


def _batches(path: Path, counted: Counted) -> Iterator[pd.DataFrame]:
    """The table in pieces with the columns that curves are made from; the heading is row 1."""
    first = 2
    for raw in _raw(path):
        names = {c: ALSO.get(c, c) if ALSO.get(c) not in raw.columns else c for c in raw.columns}
        given = raw.rename(columns=names)
        _complete(path, list(given.columns))
        out = pd.DataFrame({c: _text(given[c]) for c in TEXTS if c in given.columns})
        for name in CURVE:
            if name not in out.columns and name not in NUMBERS:
                out[name] = "none" if name == "perturbation" else ""
        for name in NUMBERS:
            out[name] = _number(path, given[name], first) if name in given.columns else np.nan
        out["perturbation"] = out["perturbation"].where(out["perturbation"] != "", "none")
        out["_file"], out["_row"] = path.name, np.arange(first, first + len(out), dtype=np.int64)
        first += len(out)
        replicate = out["replicate"] != "" if "replicate" in out.columns else pd.Series(False, index=out.index)
        counted.named += int(replicate.sum())
        counted.bare += int((~replicate).sum())
        counted.rows += len(out)
        counted.empty += int((~np.isfinite(out["dose_um"]) | ~np.isfinite(out["viability"])).sum())
        counted.columns = list(out.columns)
        yield out
    if not counted.rows:
        raise _fault(path, "the table has no rows.", "")


def _raw(path: Path) -> Iterator[pd.DataFrame]:
    name = path.name.removesuffix(".gz")
    if path.suffix != ".parquet" and not name.endswith((".csv", ".tsv", ".txt")):
        raise _fault(path, "only .csv, .tsv and .parquet (or .csv.gz, .tsv.gz) are read here.", "Save it as one.")
    with _readable(path):
        if path.suffix == ".parquet":
            source = pq.ParquetFile(path)
            wanted = {*TEXTS, *NUMBERS, "signal", *ALSO}
            for batch in source.iter_batches(BATCH, columns=[c for c in source.schema_arrow.names if c in wanted]):
                yield batch.to_pandas()
            return
        separator = "," if name.endswith(".csv") else "\t"
        yield from pd.read_csv(
            path, sep=separator, dtype=str, chunksize=BATCH, keep_default_na=False, encoding="utf-8-sig"
        )


def _complete(path: Path, columns: list[str]) -> None:
    missing = [c for c in ("model", "drug", "dose_um", "viability") if c not in columns]
    if "viability" in missing and "signal" in columns:
        raise _fault(
            path, "the wells are signals; a plate that is cut by curve loses its vehicle wells.",
            "Divide by the vehicle wells first (rechallenge.dose_response.responses), or use `rechallenge run`.",
            "signal",
        )  # fmt: skip
    if missing:
        raise _fault(path, f"the table lacks {', '.join(missing)}.", f"It has {', '.join(columns[:20])}.")


def _text(values: pd.Series[Any]) -> pd.Series[Any]:
    codes, found = pd.factorize(values)
    texts = np.array([as_text(v) for v in found] + [""], dtype=object)
    return pd.Series(texts[codes], index=values.index, dtype=object)


def _number(path: Path, values: pd.Series[Any], first: int) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    text = values.astype(str).str.strip()
    made = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = made.isna() & ~text.str.lower().isin(["", "nan", "na", "none"])
    if wrong.any():
        at = int(np.flatnonzero(wrong.to_numpy())[0])
        fault = Fault(
            "no-number", "this is no number.", "Use a decimal point and no thousands separator.", file=path.name,
            row=first + at, column=str(values.name), value=str(values.iloc[at]), count=int(wrong.sum()),
        )  # fmt: skip
        raise InputFaults([fault])
    return made


def _fault(path: Path, message: str, remedy: str, column: str = "") -> InputFaults:
    return InputFaults([Fault("table", message, remedy, file=path.name, column=column)])
