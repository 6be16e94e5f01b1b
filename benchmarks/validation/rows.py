"""One row of validation: what was asked, what was expected and what came out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

KINDS = {
    "oracle": "Agreement with published numbers and other software",
    "null": "Nothing there: how often p < .05",
    "coverage": "Intervals: how often 95 % hold the truth",
    "naive": "The same by the usual shortcut, for comparison",
}


@dataclass(frozen=True)
class Row:
    """`kind` is one of `KINDS`, `set` quick or full; `held` is yes, no, or shown (a shortcut that is not used here).

    `n` counts simulations or compared values. `known` says why a row that does not hold is left so.
    """

    kind: str
    set: str
    what: str
    source: str
    expected: str
    got: str
    n: int
    held: str
    repeat: str
    known: str = ""


COLUMNS = tuple(Row.__dataclass_fields__)


def table(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame([asdict(r) for r in rows], columns=list(COLUMNS))


def number(value: float, digits: int = 6) -> str:
    """A number as the page writes it."""
    return f"{value:.{digits}g}"


def agrees(
    what: str, source: str, expected: list[float], got: list[float], tolerance: float, repeat: str, *,
    kind: str = "quick", n: int = 0, digits: int = 6,
) -> Row:  # fmt: skip
    """Numbers beside published ones; they hold where every relative difference is within the tolerance."""
    a, b = np.asarray(expected, float), np.asarray(got, float)
    held = bool(np.all(np.isclose(b, a, rtol=tolerance, atol=0)))
    return Row("oracle", kind, what, source, _list(expected, digits), _list(got, digits), n or a.size,
               "yes" if held else "no", repeat)  # fmt: skip


def _list(values: list[float], digits: int) -> str:
    return ", ".join("no limit" if np.isinf(v) else number(v, digits) for v in values)


def rate(
    kind: str, what: str, hits: int, n: int, target: float, source: str, repeat: str, *, slack: float = 0.0,
    known: str = "", at_most: bool = False,
) -> Row:  # fmt: skip
    """A share beside its target: it holds within 3.3 binomial standard errors plus `slack` (stated with the target)."""
    share = hits / n
    reach = 3.3 * np.sqrt(target * (1 - target) / n) + slack
    off = share - target
    held = off <= reach if at_most else abs(off) <= reach
    sign = "at most " if at_most else ""
    said = f"{sign}{100 * target:g} %" + (f" (within {100 * slack:g} points)" if slack else "")
    verdict = "shown" if kind == "naive" else "yes" if held else "no"
    return Row(kind, "quick", what, source, said, f"{100 * share:.1f} %", n, verdict, repeat, known)
