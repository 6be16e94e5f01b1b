"""What is known of the outside world: tables with a version, a licence and a source, usable without a network.

A starter set comes with the package; further tables are fetched from their official address (`fetch`), from a mirror,
or added from a local copy (`add`). `table` gives any of them typed; `rechallenge.knowledge.resolve` finds drugs,
genes, metabolites and cell lines by any of their names; `rechallenge.knowledge.questions` answers questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["add", "fetch", "installed", "remove", "starter", "table", "versions"]


def starter(name: str) -> pd.DataFrame:
    """A table of the starter set, all columns as text, empty where unknown. FileNotFoundError for an unknown name."""
    from rechallenge.knowledge.tables import starter_text

    return starter_text(name).copy()


def table(name: str) -> pd.DataFrame:
    """A starter or installed table with typed columns; `.attrs["provenance"]` says where it comes from.

    Raises UnknownResource or NotInstalled (`rechallenge.knowledge.errors`).
    """
    from rechallenge.knowledge import tables

    return tables.table(name)


def versions(names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Version, digest and licence of the named tables (by default all that are here), for the record of a run."""
    from rechallenge.knowledge import tables

    return tables.versions(names)


def fetch(name: str, **options: Any) -> dict[str, Any]:
    """Install a fetchable table from its official address or the mirror; see `rechallenge.knowledge.fetching.fetch`."""
    from rechallenge.knowledge import fetching

    return fetching.fetch(name, **options)


def add(name: str, *files: str | Path, version: str = "") -> dict[str, Any]:
    """Install a fetchable table from local copies of its files; see `rechallenge.knowledge.fetching.add`."""
    from rechallenge.knowledge import fetching

    return fetching.add(name, *files, version=version)


def installed() -> dict[str, dict[str, Any]]:
    """Provenance of every installed table, by name."""
    from rechallenge.knowledge import installing

    return installing.installed()


def remove(name: str) -> bool:
    """Delete an installed table; False where it was not installed."""
    from rechallenge.knowledge import installing

    return installing.remove(name)
