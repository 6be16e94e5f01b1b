"""Tables as bytes: one frame, one sequence of bytes, so that equal tables have equal digests.

Parquet with fixed options. Of pandas only the dtypes that Parquet would not give back are noted. The index is not
kept: a named index becomes columns, an unnamed one is dropped. Integers with gaps come back as float64 unless
they were of a nullable dtype, text as object with None where it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_OPTIONS: dict[str, Any] = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": True,
    "data_page_version": "1.0",
    "row_group_size": 1 << 20,
    "write_statistics": True,
    "store_schema": True,
}
_NOTE = b"rechallenge"
#: what `infer_dtype` calls an object column -> its type in Parquet (None: as pyarrow infers it, an integer or double)
_OBJECTS: dict[str, Any] = {
    "string": pa.string(),
    "empty": pa.string(),
    "boolean": pa.bool_(),
    "integer": None,
    "floating": None,
    "integer-na": None,
    "mixed-integer-float": None,
}


def encode(frame: pd.DataFrame) -> bytes:
    """The bytes of a table. Raises TypeError or ValueError that names the column which cannot be kept."""
    frame = _plain_index(frame)
    names = list(frame.columns)
    wrong = [n for n in names if not isinstance(n, str)]
    if wrong:
        raise TypeError(f"column names are text, not {wrong[0]!r}")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice")
    dtypes = {n: str(t) for n, t in frame.dtypes.items() if _is_nullable(t)}
    arrays = [_array(str(n), frame[n]) for n in names]
    schema = pa.schema(
        [pa.field(n, a.type) for n, a in zip(names, arrays, strict=True)],
        metadata={_NOTE: json.dumps(dtypes, sort_keys=True).encode()} if dtypes else None,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, **_OPTIONS)
    return bytes(sink.getvalue().to_pybytes())


def decode(data: bytes) -> pd.DataFrame:
    """The table of `encode`d bytes; every column may be written to."""
    return _frame(_table(data))


def join(parts: Sequence[bytes]) -> pd.DataFrame:
    """One table from several, rows in the order of the parts.

    A column that is empty throughout one part takes its type from the others; integers meet floats as floats.
    Raises ValueError where the columns differ.
    """
    tables = [_table(p) for p in parts]
    if not tables:
        raise ValueError("there is nothing to join")
    names = tables[0].column_names
    for t in tables[1:]:
        if set(t.column_names) != set(names):
            odd = sorted(set(t.column_names) ^ set(names))
            raise ValueError(f"the parts differ in their columns: {', '.join(odd)}")
    fields = []
    for name in names:
        filled = [t.column(name).type for t in tables if t.column(name).null_count < t.num_rows]
        types = filled or [tables[0].column(name).type]
        fields.append(pa.field(name, _common(name, types)))
    schema = pa.schema(fields, metadata=tables[0].schema.metadata)
    aligned = [
        pa.Table.from_arrays(
            [
                t.column(f.name).cast(f.type)
                if t.column(f.name).null_count < t.num_rows
                else pa.nulls(t.num_rows, f.type)
                for f in fields
            ],
            schema=schema,
        )
        for t in tables
    ]
    return _frame(pa.concat_tables(aligned).unify_dictionaries())


def _common(name: str, types: list[Any]) -> Any:
    first = types[0]
    if all(t == first for t in types):
        return first
    if all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in types):
        return pa.float64() if any(pa.types.is_floating(t) for t in types) else pa.int64()
    raise ValueError(f"the parts differ in the type of column {name!r}: {', '.join(sorted({str(t) for t in types}))}")


def _plain_index(frame: pd.DataFrame) -> pd.DataFrame:
    if isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.step == 1:
        return frame
    named = any(n is not None for n in frame.index.names)
    return frame.reset_index(drop=not named)


def _is_nullable(dtype: Any) -> bool:
    """Dtypes of pandas' own that Parquet gives back as numpy ones unless it is told."""
    return isinstance(dtype, pd.api.extensions.ExtensionDtype) and not isinstance(
        dtype, pd.CategoricalDtype | pd.DatetimeTZDtype
    )


def _array(name: str, values: pd.Series[Any]) -> Any:
    kind: Any = None
    if isinstance(values.dtype, pd.PeriodDtype | pd.IntervalDtype | pd.SparseDtype):
        raise TypeError(f"column {name!r} is of dtype {values.dtype}; a column is numbers, text, yes/no or dates")
    if values.dtype == object:
        found = pd.api.types.infer_dtype(values, skipna=True)
        if found not in _OBJECTS:
            raise TypeError(f"column {name!r} holds {found} values; a column is numbers, text, yes/no or dates")
        kind = _OBJECTS[found]
    try:
        made = pa.array(values, type=kind, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as e:
        raise TypeError(f"column {name!r} of dtype {values.dtype} cannot be stored: {e}") from None
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _table(data: bytes) -> Any:
    return pq.ParquetFile(pa.BufferReader(data)).read()


def _frame(table: Any) -> pd.DataFrame:
    metadata = table.schema.metadata or {}
    dtypes: dict[str, str] = json.loads(metadata.get(_NOTE, b"{}"))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    for name, dtype in dtypes.items():
        if name in frame.columns:
            frame[name] = pd.api.types.pandas_dtype(dtype).__from_arrow__(table.column(name))  # type: ignore[union-attr]
    for name in frame.columns:
        values = frame[name].to_numpy(copy=False) if frame[name].dtype.kind in "biufmM" else None
        if values is not None and not values.flags.writeable:
            frame[name] = values.copy()
    return frame
