"""Units that a lab writes beside its numbers, and what turns them into the unit of a column.

Factors are kept as (multiply, divide) so that 50 nM becomes exactly 0.05 µM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Unit:
    """One unit: `value * times / over` is in the base unit of its dimension."""

    name: str
    dimension: str
    times: float = 1.0
    over: float = 1.0

    def to(self, base: Unit, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of this unit in another unit of the same dimension."""
        times, over = self.times * base.over, self.over * base.times
        return values if times == over else values * (times / over) if times > over else values / (over / times)


def _table(dimension: str, *rows: tuple[str, float, float, str]) -> dict[str, Unit]:
    return {
        alias: Unit(name, dimension, times, over) for name, times, over, aliases in rows for alias in aliases.split()
    }


#: Base units: µM, h, fraction, mm, mm³, g. Keys are lower case without spaces, µ as u.
_UNITS: dict[str, dict[str, Unit]] = {
    "concentration": _table(
        "concentration",
        ("M", 1e6, 1, "molar mol/l moll-1 mol·l-1"),
        ("mM", 1e3, 1, "mm mmol/l millimolar mmoll-1 mmol·l-1 umol/ml"),
        ("µM", 1, 1, "um umol/l micromolar umoll-1 umol·l-1 mcm nmol/ml"),
        ("nM", 1, 1e3, "nm nmol/l nanomolar nmoll-1 nmol·l-1 pmol/ml"),
        ("pM", 1, 1e6, "pm pmol/l picomolar pmoll-1 pmol·l-1"),
        ("fM", 1, 1e9, "fm fmol/l femtomolar"),
    ),
    "time": _table(
        "time",
        ("h", 1, 1, "h hr hrs hour hours std"),
        ("min", 1, 60, "min mins minute minutes"),
        ("s", 1, 3600, "s sec secs second seconds"),
        ("d", 24, 1, "d day days tage"),
    ),
    "fraction": _table(
        "fraction",
        ("fraction", 1, 1, "fraction 0-1"),
        ("%", 1, 100, "% percent pct %ofcontrol %ofvehicle %control %vehicle %ofdmso"),
    ),
    "length": _table(
        "length",
        ("mm", 1, 1, "mm millimetre millimeter"),
        ("cm", 10, 1, "cm"),
        ("µm", 1, 1e3, "um"),
    ),
    "volume": _table(
        "volume",
        ("mm³", 1, 1, "mm3 mm^3 mm³ ul"),
        ("cm³", 1e3, 1, "cm3 cm^3 cm³ ml cc"),
    ),
    "mass": _table(
        "mass",
        ("g", 1, 1, "g gram grams"),
        ("mg", 1, 1e3, "mg"),
        ("kg", 1e3, 1, "kg"),
    ),
}
_MASS_CONCENTRATION = re.compile(r"^(f|p|n|u|m|k)?g/(u|m|d)?l$|^(u|m)?g/kg$|^%?\(?[wv]/v\)?$|^ppm$|^u/ml$|^iu/ml$")
_LOGARITHM = re.compile(r"^-?(log|lg|ln|log2|log10|p)\(?\[?(10|2)?\(?\[?(f|p|n|u|m)?m(olar)?[\)\]]*$")


def plain_unit(text: str) -> str:
    """A unit as it is compared: lower case, no spaces, µ as u (also where µ was read in a wrong encoding)."""
    text = text.strip().replace("Âµ", "u").replace("µ", "u").replace("μ", "u").replace("−", "-").replace("⁻¹", "-1")
    return re.sub(r"\s+", "", text).lower()


def find(text: str, dimension: str) -> Unit | None:
    """The unit of that dimension which `text` names, or None.

    >>> find("nmol / L", "concentration").name
    'nM'
    """
    if dimension == "concentration" and text.strip() == "M":
        return Unit("M", "concentration", 1e6)
    key = plain_unit(text)
    unit = _UNITS.get(dimension, {}).get(key)
    if unit is None and dimension == "fraction" and key.startswith("%"):
        return _UNITS["fraction"]["%"]
    return unit


def dimension_of(unit: str) -> str:
    """The dimension of a column's own unit ('' where none is known): 'µM' -> 'concentration'."""
    if unit.strip() in ("µM", "μM", "uM"):
        return "concentration"
    key = plain_unit(unit)
    if key.startswith("fraction"):
        return "fraction"
    return next((d for d, table in _UNITS.items() if d != "concentration" and key in table), "")


def base_of(unit: str) -> Unit | None:
    """The `Unit` of a column's own unit, or None."""
    if plain_unit(unit).startswith("fraction"):
        return _UNITS["fraction"]["fraction"]
    dimension = dimension_of(unit)
    return find(unit, dimension) if dimension else None


def is_unit(text: str) -> bool:
    """Whether the text names any unit at all, of whatever dimension."""
    key = plain_unit(text)
    return bool(key) and (
        text.strip() == "M"
        or any(key in table for table in _UNITS.values())
        or bool(_MASS_CONCENTRATION.match(key))
        or bool(_LOGARITHM.match(key))
        or key in ("au", "a.u.", "rlu", "rfu", "od", "a.u", "cps", "c", "°c", "degc", "umol", "nmol")
    )


def why_not(text: str) -> tuple[str, str]:
    """Message and remedy for a unit that cannot be turned into µM."""
    key = plain_unit(text)
    if _MASS_CONCENTRATION.match(key):
        return (
            "this unit counts mass, not molecules; turning it into µM needs the molar mass of the drug.",
            "Convert the doses to µM (µg/mL divided by the molar mass in g/mol, times 1000).",
        )
    if _LOGARITHM.match(key):
        return (
            "these are logarithms of doses.",
            "Write the doses themselves, in µM; a logarithm has no place for dose 0.",
        )
    return "this is not a unit of concentration that is known here.", "Use M, mM, µM (or uM), nM or pM."


#: Units of concentration that may end a heading (`dose_nM`) or a cell (`10 uM`).
CONCENTRATION_SUFFIX = re.compile(
    r"^(?P<stem>.*?)[\s_\-,;:/]*(?P<unit>(?:[mnpfuµμ]|Âµ)M|(?<=[\s_\-,;:/])M|[mnpuµμ]m|[mnpuµμ]mol\s*/\s*[lL])$"
)
