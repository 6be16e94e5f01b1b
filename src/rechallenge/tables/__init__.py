"""Lab tables: what they must hold (`contract`) and how files become frames or faults (`reading`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rechallenge.faults import Fault, InputFaults
from rechallenge.tables.contract import ORIGIN, Column, Contract, place, source_rows

if TYPE_CHECKING:
    from rechallenge.tables.reading import StudyTables, TableRead, read, read_study, read_table

__all__ = [
    "ORIGIN",
    "Column",
    "Contract",
    "Fault",
    "InputFaults",
    "StudyTables",
    "TableRead",
    "place",
    "read",
    "read_study",
    "read_table",
    "source_rows",
]


def __getattr__(name: str) -> Any:
    # Reading needs pandas and pyarrow; a contract alone does not.
    if name in __all__:
        return getattr(importlib.import_module("rechallenge.tables.reading"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
