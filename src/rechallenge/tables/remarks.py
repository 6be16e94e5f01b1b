"""What to say about a cell that should hold a number and does not: message and remedy by what it is."""

from __future__ import annotations

from rechallenge.tables import units
from rechallenge.tables.contract import Column
from rechallenge.tables.numbers import Decision, unit_in

#: what -> (fault code, message, remedy)
_REMARKS: dict[str, tuple[str, str, str]] = {
    "text": (
        "not-a-number",
        "a number belongs here.",
        "Write the number alone; leave the cell empty if nothing was measured.",
    ),
    "not-detected": (
        "not-detected",
        "'not detected' or 'not determined' is not a number.",
        "Leave the cell empty if it was not measured; if it was too low to detect, write the value the reader gave.",
    ),
    "limit": (
        "detection-limit",
        "this is a bound, not a number.",
        "Write the value that the instrument gave; leave the cell empty if there is none. A bound cannot be fitted.",
    ),
    "overflow": (
        "overflow",
        "the reader's signal went beyond its range.",
        "Measure the plate again at a lower gain; otherwise leave the cell empty, and the well is listed as excluded.",
    ),
    "spreadsheet": (
        "spreadsheet-error",
        "the formula in this cell failed.",
        "Mend the formula in the spreadsheet (often a division by an empty cell), or leave the cell empty.",
    ),
    "narrow": (
        "spreadsheet-error",
        "the spreadsheet wrote hash signs because the column was too narrow to show the number.",
        "Widen the column and save again.",
    ),
    "formula": (
        "formula",
        "the cell holds a formula whose result was not saved.",
        "Open the file in a spreadsheet and save it, or paste the values in place of the formulas.",
    ),
    "infinite": ("infinite", "infinity is not a measurement.", "Leave the cell empty if there is no value."),
    "spread": (
        "two-numbers",
        "the cell holds a mean and its spread; single replicates are needed.",
        "Write one row per replicate with the value measured.",
    ),
    "range": (
        "two-numbers",
        "the cell holds two numbers (a range, or something a spreadsheet may take for a date).",
        "Write one number per cell.",
    ),
    "date": (
        "date",
        "a spreadsheet turned what was typed (such as 1.3, 1-3 or 1/3) into a date; the number is lost.",
        "Format the column as a number (or as text) and type the values again.",
    ),
}


def remark(what: str, value: str, column: Column, decision: Decision, declared: str = "") -> tuple[str, str, str]:
    """(code, message, remedy) for one odd value of a number column; `declared` is the unit that its heading names."""
    if what == "unit":
        return _with_unit(value, column, declared)
    if what == "percent":
        return (
            "number-with-unit",
            "a number alone belongs here, not a per cent.",
            f"Write the number{' in ' + column.unit if column.unit else ''}.",
        )
    if what == "ambiguous":
        one, other = value.replace(",", ".").replace(" ", ""), value.replace(",", "").replace(".", "")
        return (
            "ambiguous-number",
            f"this may be {one} or {other}: nothing in the file says whether its comma is a decimal mark."
            if not decision.why
            else f"this may be {one} or {other}: the file has two decimal marks ({decision.why}).",
            f"Write {one} or {other}.",
        )
    if what == "mixed":
        if decision.mark is None:
            why = f"the file has two decimal marks ({decision.why})."
        else:
            mark = "point" if decision.mark == "." else "comma"
            why = f"the decimal mark of this file is the {mark} ({decision.why}), and this number has the other one."
        return "mixed-decimal", why, "Use one decimal mark throughout the file."
    code, message, remedy = _REMARKS[what]
    if what == "text" and column.unit:
        message = f"a number ({column.unit}) belongs here."
    return code, message, remedy


def _with_unit(value: str, column: Column, declared: str) -> tuple[str, str, str]:
    number, unit = unit_in(value)
    base = units.base_of(column.unit)
    given = units.find(unit, base.dimension) if base else None
    if base is None or given is None:
        if base is not None and base.dimension == "concentration" and units.is_unit(unit):
            message, remedy = units.why_not(unit)
            return "unit", message, remedy
        return (
            "not-a-number",
            "a number alone belongs here.",
            f"Write {number}{' (' + column.unit + ')' if column.unit else ''}.",
        )
    said = units.find(declared, base.dimension) if declared else None
    if said is not None:
        what = f"Write {number} alone" if said.name == given.name else "Write the number alone"
        return (
            "number-with-unit",
            "the cell holds a number and its unit.",
            f"{what}, in {said.name} as the heading says.",
        )
    stem = column.name.removesuffix("_um")
    if given.name == base.name:
        return (
            "number-with-unit",
            "the cell holds a number and its unit.",
            f"Write {number} alone; {column.name} is in {base.name}.",
        )
    if base.dimension == "concentration":
        return (
            "number-with-unit",
            "the cell holds a number and its unit.",
            f"Write {number} alone under a heading '{stem} ({given.name})', or beside it in a column {stem}_unit.",
        )
    return (
        "number-with-unit",
        "the cell holds a number and its unit.",
        f"Write the number alone, in {base.name}, or head the column '{column.name} ({given.name})'.",
    )
