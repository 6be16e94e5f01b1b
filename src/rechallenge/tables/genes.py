"""Gene symbols that a spreadsheet turned into dates.

Ziemann et al., Gene name errors are widespread in the scientific literature, Genome Biology 2016,
doi:10.1186/s13059-016-1044-7. HGNC renamed the genes concerned (MARCH -> MARCHF, SEPT -> SEPTIN, MARC -> MTARC,
DEC1 -> DELEC1): Bruford et al., Nature Genetics 2020, doi:10.1038/s41588-020-0669-3.
"""

from __future__ import annotations

import datetime as dt
import re

_MONTHS = {
    m: i
    for i, names in enumerate(
        ("jan", "feb", "mar mrz mär", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"),
        start=1,
    )
    for m in names.split()
}
_DAY_MONTH = re.compile(r"^(\d{1,2})[-./ ]{1,2}([a-zä]{3,9})\.?(?:[-./ ]+(\d{2,4}))?$", re.I)
_MONTH_DAY = re.compile(r"^([a-zä]{3,9})\.?[-./ ](\d{1,4})$", re.I)
_ISO = re.compile(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T].*)?$")
_NUMERIC = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{2}|\d{4})$")
#: Serial numbers of the days from 1990 to 2050.
_SERIAL = (32874, 54789)


def date_of(text: str, serial: bool = True) -> tuple[int, int] | None:
    """(month, number) when the text is what a spreadsheet makes of a gene symbol, else None.

    The number is the day, or the year where only month and year are shown ('Mar-01'). `serial` also takes a
    five-digit number for the serial number of a day.
    """
    s = text.strip()
    if found := _DAY_MONTH.match(s):
        month = _month(found[2])
        return (month, int(found[1])) if month and int(found[1]) <= 31 else None
    if found := _MONTH_DAY.match(s):
        month, number = _month(found[1]), int(found[2])
        return (month, number % 100) if month else None
    if found := _ISO.match(s):
        return (int(found[2]), int(found[3])) if 1 <= int(found[2]) <= 12 and int(found[3]) <= 31 else None
    if found := _NUMERIC.match(s):
        a, b = int(found[1]), int(found[3])
        orders = [(a, b), (b, a)] if found[2] == "/" else [(b, a)]  # with slashes a US spreadsheet puts the month first
        possible = [(month, day) for month, day in orders if 1 <= month <= 12 and 1 <= day <= 31]
        return next((p for p in possible if likely(*p)), possible[0] if possible else None)
    if serial and re.match(r"^\d{5}(?:\.0)?$", s) and _SERIAL[0] <= int(s[:5]) < _SERIAL[1]:
        day = dt.date(1899, 12, 30) + dt.timedelta(days=int(s[:5]))
        return day.month, day.day
    return None


def likely(month: int, number: int) -> str:
    """The gene symbols that give this date, new name first; '' where none is known.

    >>> likely(3, 1)
    'MARCHF1 (MARCH1) or MTARC1 (MARC1)'
    """
    if month == 3 and 1 <= number <= 11:
        marc = f" or MTARC{number} (MARC{number})" if number <= 2 else ""
        return f"MARCHF{number} (MARCH{number}){marc}"
    if month == 9 and (1 <= number <= 12 or number == 14):
        return f"SEPTIN{number} (SEPT{number})"
    if month == 9 and number == 15:
        return "SELENOF (SEP15)"
    if month == 12 and number == 1:
        return "DELEC1 (DEC1) or BHLHE40 (DEC1)"
    if month == 12 and number == 2:
        return "BHLHE41 (DEC2)"
    if month == 10 and number == 4:
        return "POU5F1 (OCT4)"
    return ""


def _month(word: str) -> int:
    return _MONTHS.get(word.lower()[:3], 0)
