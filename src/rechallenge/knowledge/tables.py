"""Knowledge tables as typed frames, with where they come from.

`table(name)` gives numbers as numbers and lists as lists; `.attrs["provenance"]` holds version, licence and digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import installing
from rechallenge.knowledge.catalogue import Resource, get, names

if TYPE_CHECKING:
    import pandas as pd


def starter_bytes(name: str) -> bytes:
    """The CSV file of a starter table. FileNotFoundError for an unknown name."""
    return (files("rechallenge") / "knowledge" / "data" / f"{name}.csv").read_bytes()


@lru_cache(maxsize=64)
def starter_text(name: str) -> pd.DataFrame:
    """A starter table, all columns as text, empty where unknown. Shared: do not write to it."""
    import io

    import pandas as pd

    return pd.read_csv(io.BytesIO(starter_bytes(name)), dtype=str, keep_default_na=False)


def table(name: str) -> pd.DataFrame:
    """A knowledge table: one of the starter set, or one that is installed.

    Numbers are float64 or Int64 (missing where unknown), lists are lists of text, the rest is text ('' = unknown).
    `.attrs["provenance"]` says version, licence, SHA-256, rows and citation. UnknownResource, NotInstalled.
    """
    resource = get(name)
    if resource.starter:
        frame, record = starter_text(name).copy(), starter_provenance(name)
    else:
        frame, record = installing.read(name)
    frame = _typed(resource, frame)
    frame.attrs["provenance"] = record
    return frame


def _typed(resource: Resource, frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    for column in resource.columns:
        values = frame[column.name]
        if column.kind == "list":
            frame[column.name] = pd.Series([v.split("|") if v else [] for v in values], index=frame.index, dtype=object)
        elif column.kind in ("number", "integer"):
            numbers = pd.to_numeric(values.where(values != "") if values.dtype == object else values)
            frame[column.name] = numbers.astype("Int64" if column.kind == "integer" else "float64")
    return frame


def starter_provenance(name: str) -> dict[str, Any]:
    """What `table` says of a starter table: the same keys as for an installed one."""
    resource = get(name)
    return {
        "name": name,
        "title": resource.title,
        "version": resource.version,
        "licence": resource.licence,
        "licence_url": resource.licence_url,
        "redistribution": resource.redistribution,
        "commercial": resource.commercial,
        "citation": resource.citation,
        "rows": len(starter_text(name)),
        "columns": list(starter_text(name).columns),
        "sha256": hashlib.sha256(starter_bytes(name)).hexdigest(),
    }


def provenance(name: str) -> dict[str, Any] | None:
    """Version, licence, digest, rows of a table; None where it is not installed."""
    return starter_provenance(name) if get(name).starter else installing.provenance(name)


def versions(wanted: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """What a study records of the knowledge it used: name -> version, sha256, licence, rows, and date where fetched.

    `wanted` are table names; by default every starter table and every installed one. A table that is not installed is
    given with state "not installed".
    """
    found: dict[str, dict[str, Any]] = {}
    for name in wanted if wanted is not None else names():
        record = provenance(name)
        if record is None:
            if wanted is not None:
                found[name] = {"state": "not installed", "version": get(name).version}
            continue
        found[name] = {k: record[k] for k in ("version", "sha256", "licence", "rows", "date") if k in record}
    return found
