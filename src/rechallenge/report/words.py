"""Numbers, statuses and column names as a reader sees them. Plain text; escaping is left to who prints it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

MISSING = "–"
ALPHA = 0.05
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

#: what a status says in a table or beside a claim
STATUS_WORDS = {
    "estimated": "estimated",
    "censored": "a bound, beyond the tested doses",
    "censored_above": "a lower bound, above the tested doses",
    "censored_below": "an upper bound, below the tested doses",
    "not_estimable": "not estimable",
    "not_testable": "not testable",
}
STATE_WORDS = {
    "done": "computed",
    "cached": "unchanged, taken from the store",
    "skipped": "not applicable",
    "failed": "failed",
    "blocked": "not run",
}

_HEADINGS = {
    "ri": "RI (fold)",
    "log2_ri": "log2 RI",
    "p_value": "p",
    "q_value": "q",
    "f_p_value": "p (drug has an effect)",
    "n": "n",
    "se": "SE",
    "df": "df",
    "auc": "AUC",
    "dss": "DSS",
    "e0": "E0",
    "einf": "Einf",
    "emax": "Emax",
    "hill": "Hill slope",
    "ci": "95 % CI",
    "r2": "R²",
    "z_prime": "Z′",
    "ssmd": "SSMD",
    "cv": "CV",
    "hr_per_sd": "HR per SD",
    "tgi_percent": "TGI (%)",
    "log2fc": "log2 fold change",
    "nes": "NES",
    "n_replicates": "n (biological replicates)",
    "row": "row",
}
#: sections of the dossier as they are read: streams of claims and of steps, by section, in order
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "dose_response": (), "combination": (), "screen": (), "schedule": (), "transfer": (), "rescue": (),
    "expression": ("protein", "reversal"), "enrichment": (), "concordance": (), "modules": (), "cells": (),
    "tf_activity": ("regulators",), "motifs": (), "mirna": (), "reporter": (), "metabolome": (), "fatty_acids": (),
    "tracing": (), "seahorse": ("bioenergetics",), "atlas": (), "thermal_shift": (), "binding": (), "measurements": (),
    "qpcr": (), "elisa": (), "sizes": (), "images": (), "tumours": (),
    "cohorts": ("survival", "response", "subgroups", "treatment_survival", "tumour_normal", "biomarkers",
                "cell_association"),
}  # fmt: skip
_TITLES = {
    "cohorts": "Patients", "cells": "Single cells", "atlas": "Enzymes and metabolites", "tumours": "Animals",
    "modules": "Interaction modules", "sizes": "Particle sizes", "motifs": "Promoter motifs",
    "mirna": "microRNA sites", "reporter": "Reporters", "concordance": "Agreement of data sets",
}  # fmt: skip
_WORDS = {
    "ic50": "IC50",
    "ec50": "EC50",
    "gr50": "GR50",
    "gi50": "GI50",
    "grmax": "GRmax",
    "gr": "GR",
    "kd": "Kd",
    "ci": "CI",
    "cv": "CV",
    "sd": "SD",
    "se": "SE",
    "auc": "AUC",
    "dna": "DNA",
    "rna": "RNA",
    "mirna": "miRNA",
    "tf": "TF",
    "elisa": "ELISA",
    "qpcr": "qPCR",
    "ri": "RI",
    "dss": "DSS",
    "tm": "Tm",
    "cmax": "Cmax",
    "log2fc": "log2 fold change",
    "mad": "MAD",
    "rss": "RSS",
    "id": "ID",
    "hr": "HR",
    "sha256": "SHA-256",
}
_UNITS = {
    "um": "µM",
    "nm": "nM",
    "mm3": "mm³",
    "mm": "mm",
    "percent": "%",
    "hours": "h",
    "seconds": "s",
    "minutes": "min",
    "c": "°C",
    "ct": "Ct",
}


def number(value: Any, digits: int = 3, *, trim: bool = False) -> str:
    """A number at `digits` significant digits; whole numbers in full, missing as a dash.

    `trim` leaves out trailing zeros, for values that are exact by design (doses, levels).

    >>> number(0.012345), number(3.9), number(3.9, trim=True), number(1.2e-7), number(1430), number(float("inf"))
    ('0.0123', '3.90', '3.9', '1.20 × 10⁻⁷', '1,430', '∞')
    """
    if value is None:
        return MISSING
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    value = float(value)
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    power = math.floor(math.log10(abs(rounded)))
    if -4 < power < 6:
        text = f"{rounded:,.{max(digits - 1 - power, 0)}f}"
        if trim and "." in text:
            text = text.rstrip("0").rstrip(".")
    else:
        mantissa = f"{rounded / 10.0**power:.{digits - 1}f}"
        if trim and "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa} × 10{str(power).translate(_SUPERSCRIPT)}"
    return text.replace("-", "−")


def p_value(value: Any) -> str:
    """A p or q value at two significant digits.

    >>> p_value(0.0312), p_value(3.14e-9)
    ('0.031', '3.1 × 10⁻⁹')
    """
    return number(value, 2)


def equals(name: str, value: Any) -> str:
    """`p = 0.031` for a sentence; empty where the value is missing."""
    return "" if is_missing(value) else f"{name} = {p_value(value)}"


def is_missing(value: Any) -> bool:
    """None, NaN, NaT, pd.NA and the empty text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return not isinstance(value, list | tuple | dict)


def bound(low: Any, high: Any) -> str:
    """What limits say of a dose or a ratio without estimate: `> 10`, `< 0.01`; empty where both or no sides are known.

    A lower limit of 0 is no limit.

    >>> bound(10, float("inf")), bound(0, 0.01), bound(1, 2), bound(0, float("inf"))
    ('> 10', '< 0.01', '', '')
    """
    above, below = _finite(low) and float(low) != 0, _finite(high)
    if above and not below:
        return f"> {number(low, trim=True)}"
    if below and not above:
        return f"< {number(high, trim=True)}"
    return ""


def interval(low: Any, high: Any) -> str:
    """`3.10 to 4.80`, an open side as infinity; empty where neither limit is known.

    >>> interval(3.1, 4.8), interval(10, float("inf")), interval(None, 2)
    ('3.10 to 4.80', '10 to ∞', '')
    """
    if not (_finite(low) or _finite(high)) or is_missing(low) or is_missing(high):
        return ""
    exact = _infinite(low) or _infinite(high) or float(low) == 0
    return f"{number(low, trim=exact)} to {number(high, trim=exact)}"


def _finite(value: Any) -> bool:
    return not is_missing(value) and math.isfinite(float(value))


def _infinite(value: Any) -> bool:
    return not is_missing(value) and math.isinf(float(value))


def even(texts: Iterable[Any]) -> list[Any]:
    """Written numbers side by side at two digits: `3` as `3.0` where others have one decimal; the rest as it is.

    >>> even(["3", "2.3", "15", "> 4", "n.d."]), even(["3", "4"])
    (['3.0', '2.3', '15', '> 4', 'n.d.'], ['3', '4'])
    """
    given = list(texts)
    if not any(isinstance(t, str) and re.fullmatch(r"\d\.\d", t) for t in given):
        return given
    return [f"{t}.0" if isinstance(t, str) and re.fullmatch(r"[1-9]", t) else t for t in given]


def plain(text: str) -> str:
    """A text in which numbers with the digits of a computer are written as a reader writes them.

    >>> plain("2 lines, 0.05; doi:10.123456789/2e-3; from 1.0000000000000001e-07 to 0.30000000000000004.")
    '2 lines, 0.05; doi:10.123456789/2e-3; from 1 × 10⁻⁷ to 0.3.'
    """
    return re.sub(
        r"(?<![\w./\-])-?(?:\d+\.\d{9,}(?:e[+-]\d+)?|\d+(?:\.\d+)?e[+-]\d+)(?![\w/]|\.\d)",
        lambda found: number(float(found[0]), trim=True),
        text,
    )


def setting(name: str, value: Any) -> str:
    """A setting of the run in words, empty where it says nothing (not asked for, or none).

    >>> setting("dask", False), setting("only", ()), setting("only", ("curves",)), setting("jobs", 1)
    ('', '', 'only the steps curves', 'one process')
    """
    if value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value):
        return ""
    if isinstance(value, list | tuple):
        value = listed(str(v) for v in value)
    if name == "only":
        return f"only the steps {value}"
    if name == "jobs":
        return "one process" if value == 1 else f"{value} processes"
    label = name.replace("_", " ")
    return f"with {label}" if value is True else f"{label} {value}"


def heading(column: str) -> str:
    """A column name as a heading.

    >>> heading("ic50_um"), heading("q_value"), heading("vehicle_cv")
    ('IC50 (µM)', 'q', 'vehicle CV')
    """
    if column in _HEADINGS:
        return _HEADINGS[column]
    parts = column.split("_")
    unit = _UNITS.get(parts[-1], "") if len(parts) > 1 else ""
    if unit:
        parts = parts[:-1]
    if parts[-2:] in (["p", "value"], ["q", "value"]):
        parts = [*parts[:-2], parts[-2]]
    text = " ".join(_WORDS.get(p, p) for p in parts if p)
    return f"{text} ({unit})" if unit else text


def section(stream: str) -> str:
    """The section in which a stream is told: claims of `survival` stand with the other patients."""
    return next((name for name, others in SECTIONS.items() if stream in others), stream)


def in_order(streams: Iterable[str]) -> list[str]:
    """Sections of these streams, each once: those of `SECTIONS` in its order, then others as they come."""
    found = list(dict.fromkeys(section(s) for s in streams))
    return [s for s in SECTIONS if s in found] + [s for s in found if s not in SECTIONS]


def title(name: str) -> str:
    """The name of a stream or table as a title: `dose_response` -> `Dose response`."""
    if name in _TITLES:
        return _TITLES[name]
    parts = [p for p in re.split(r"[_\s]+", name) if p]
    text = " ".join(_WORDS.get(p, p) for p in parts)
    return text if parts and parts[0] in _WORDS else text[:1].upper() + text[1:]


def status(value: Any, reason: Any = "") -> str:
    """A status in words, with its reason."""
    word = STATUS_WORDS.get(str(value), str(value).replace("_", " "))
    return word if is_missing(reason) else f"{word}: {reason}"


def listed(items: Iterable[str], most: int = 0, joint: str = "and") -> str:
    """`a, b and c`; with `most`, at most so many and how many more there are."""
    names = list(items)
    if most and len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joint} {names[-1]}" if names else ""


def counted(n: int, one: str, many: str = "") -> str:
    """`1 row`, `1,430 rows`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def rows_in_words(source_rows: str) -> str:
    """`viability.csv:2-28,31;b.csv:4` as `viability.csv, rows 2 to 28 and 31; b.csv, row 4`."""
    said = []
    for part in filter(None, source_rows.split(";")):
        file, colon, spans = part.rpartition(":")
        if not colon or not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", spans):
            said.append(part)
            continue
        one = re.fullmatch(r"\d+", spans) is not None
        said.append(f"{file}, row{'' if one else 's'} {listed([s.replace('-', ' to ') for s in spans.split(',')])}")
    return "; ".join(said)


def row_numbers(source_rows: str) -> dict[str, list[list[int]]]:
    """File -> spans [first, last] of a `source_rows` text; what does not follow that form is left out."""
    found: dict[str, list[list[int]]] = {}
    for part in filter(None, source_rows.split(";")):
        file, _, spans = part.rpartition(":")
        if file and re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", spans):
            for span in spans.split(","):
                first, _, last = span.partition("-")
                found.setdefault(file, []).append([int(first), int(last or first)])
    return found


def file_name(name: str) -> str:
    """A table or figure name as the stem of a file name.

    >>> file_name("curves Huh-7/LR")
    'curves_Huh-7_LR'
    """
    return re.sub(r"[^\w.\-]+", "_", name).strip("._") or "unnamed"
