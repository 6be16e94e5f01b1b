"""Rechallenge: find what makes a tumour resist a drug, and what makes it sensitive again.

Everything is loaded on first use, so importing the package costs next to nothing::

    from rechallenge import dose_response
    curves = dose_response.fit_curves(df)

    import rechallenge
    record = rechallenge.run("my_study")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; the names are loaded on first use all the same
    from rechallenge import simulate
    from rechallenge.assays import dose_response
    from rechallenge.faults import InputFaults, RechallengeError
    from rechallenge.pipeline.run import run
    from rechallenge.study import Study
    from rechallenge.tables import read as read_table

__version__ = "0.1.0"

#: name -> (module, attribute or None for the module itself)
_LAZY: dict[str, tuple[str, str | None]] = {
    "dose_response": ("rechallenge.assays.dose_response", None),
    "simulate": ("rechallenge.simulate", None),
    "Study": ("rechallenge.study", "Study"),
    "run": ("rechallenge.pipeline", "run"),
    "read_table": ("rechallenge.tables", "read"),
    "InputFaults": ("rechallenge.faults", "InputFaults"),
    "RechallengeError": ("rechallenge.faults", "RechallengeError"),
}
__all__ = [
    "InputFaults", "RechallengeError", "Study", "__version__", "dose_response", "read_table", "run", "simulate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _LAZY[name]
    except KeyError:
        raise AttributeError(f"module 'rechallenge' has no attribute {name!r}") from None
    loaded = importlib.import_module(module)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
