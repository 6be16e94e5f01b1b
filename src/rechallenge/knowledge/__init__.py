"""What is known of the outside world: tables with a source in every row, shipped with the package."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@lru_cache(maxsize=32)
def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    path = files(__package__) / "data" / f"{name}.csv"
    with path.open("rb") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


def starter(name: str) -> pd.DataFrame:
    """A table of the starter set, all columns as text, empty where unknown. FileNotFoundError for an unknown name."""
    return _read(name).copy()
