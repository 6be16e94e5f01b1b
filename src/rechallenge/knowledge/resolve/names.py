"""How names are compared, and the form of an answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import installing

if TYPE_CHECKING:
    import pandas as pd

_NOT_ALNUM = re.compile(r"[^a-z0-9]+")
_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ω": "omega", "µ": "mu", "μ": "mu"})


def plain(name: Any) -> str:
    """A name as text, trimmed; '' for a missing value."""
    if name is None or (isinstance(name, float) and name != name):
        return ""
    return str(name).strip()


def fold(text: str) -> str:
    """A name as it is compared: lower case, letters and digits only, Greek letters spelt out.

    >>> fold("BGB-324") == fold("bgb 324")
    True
    """
    text = text.lower()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_GREEK))
    return _NOT_ALNUM.sub("", text)


def answers(names: Iterable[Any], columns: Sequence[str], find: Callable[[str], tuple[Any, ...]]) -> pd.DataFrame:
    """One row per name; `find` is asked once per distinct name and gives the values of `columns`."""
    import pandas as pd

    asked = [plain(n) for n in names]
    found = {name: find(name) for name in dict.fromkeys(asked)}
    rows = [found[name] for name in asked]
    data: dict[str, Any] = {"name": asked}
    for i, column in enumerate(columns):
        data[column] = [list(r[i]) if isinstance(r[i], list | tuple) else r[i] for r in rows]
    return pd.DataFrame(data, columns=["name", *columns])


def unresolved(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of an answer that name nothing for certain: ambiguous, unknown, or a spreadsheet's date."""
    return frame[frame["status"].isin(["ambiguous", "unknown", "date"])]


def state(*names: str) -> tuple[str, ...]:
    """Digests of installed tables ('' where absent): the key under which an index of names is kept."""
    return tuple(str((installing.provenance(n) or {}).get("sha256", "")) for n in names)
