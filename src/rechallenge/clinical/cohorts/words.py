"""How clinical tables say that something happened, and what their cells of 'not known' look like."""

from __future__ import annotations

import re

MISSING = frozenset(
    [
        "",
        "na",
        "n/a",
        "nan",
        "none given",
        "unknown",
        "[unknown]",
        "[not available]",
        "[not evaluated]",
        "[not applicable]",
        "[discrepancy]",
        "not reported",
        "not available",
        "---",
        "--",
        "-",
        "?",
        "missing",
        "not evaluated",
    ]
)
_YES = frozenset(
    [
        "1",
        "1.0",
        "yes",
        "true",
        "dead",
        "deceased",
        "event",
        "died",
        "death",
        "progressed",
        "progression",
        "recurred",
        "relapsed",
        "recurrence",
        "relapse",
        "recurred/progressed",
        "progressed/recurred",
        "positive",
        "pos",
    ]
) | {"dead with tumor"}
_NO = frozenset(
    [
        "0",
        "0.0",
        "no",
        "false",
        "alive",
        "living",
        "censored",
        "none",
        "event-free",
        "disease-free",
        "diseasefree",
        "negative",
        "neg",
    ]
) | {"no event", "disease free", "not progressed", "no recurrence", "progression free"}
_RESPONDED = frozenset(
    {"cr", "pr", "mcr", "mpr", "complete response", "partial response", "complete remission", "partial remission",
     "complete remission/response", "partial remission/response", "responder", "response", "yes", "1", "1.0", "r",
     "objective response", "sensitive", "true"}
)  # fmt: skip
_NOT = frozenset(
    {"sd", "pd", "stable disease", "progressive disease", "clinical progressive disease", "non-responder",
     "non responder", "nonresponder", "no response", "no", "0", "0.0", "nr", "resistant", "false"}
)  # fmt: skip
_NORMAL = re.compile(
    r"normal|adjacent|non[- ]?tumou?r|non[- ]?cancer|para[- ]?(cancer|tumou?r)|peri[- ]?tumou?r|healthy|control", re.I
)
_BARCODE = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:[-.](\d{2})[A-Z]?.*)?$", re.I)
_ARMS = frozenset(
    {"placebo", "plac", "control", "observation", "best supportive care", "bsc", "untreated", "none", "no"}
)


def missing(text: object) -> bool:
    """Whether a cell says that the value is not known."""
    return str(text).strip().casefold() in MISSING


def event_of(text: str) -> int | None:
    """1, 0, or None where the cell does not say; `1:DECEASED` (cBioPortal) is read by its number.

    >>> event_of("Dead"), event_of("0:LIVING"), event_of("1.0"), event_of("maybe")
    (1, 0, 1, None)
    """
    word = text.strip().casefold()
    if re.match(r"^[01]:", word):
        return int(word[0])
    return 1 if word in _YES else 0 if word in _NO else None


def response_of(text: str) -> int | None:
    """1 for a responder (CR, PR), 0 for none (SD, PD), None where the cell does not say."""
    word = re.sub(r"[_\s]+", " ", text.strip().casefold())
    return 1 if word in _RESPONDED else 0 if word in _NOT else None


def is_normal(tissue: str, sample: str) -> bool:
    """Whether a sample is not tumour: by its tissue, else by its TCGA barcode (10 to 19)."""
    if tissue.strip():
        return bool(_NORMAL.search(tissue)) and not re.match(r"^\s*(primary )?(solid )?tumou?r\s*$", tissue, re.I)
    found = _BARCODE.match(sample.replace(".", "-"))
    return bool(found and found[2] and 10 <= int(found[2]) < 20)


def patient_of(sample: str, named: str = "") -> str:
    """The patient of a sample: as named, else the first three parts of a TCGA barcode, else the sample's name.

    >>> patient_of("TCGA-2V-A95S-01A"), patient_of("S1", "P1"), patient_of("GSM7")
    ('TCGA-2V-A95S', 'P1', 'GSM7')
    """
    if named.strip():
        return named.strip()
    found = _BARCODE.match(sample.replace(".", "-"))
    return found[1].upper() if found else sample


def is_control_arm(treatment: str) -> bool:
    """Whether a treatment is placebo or none."""
    return treatment.strip().casefold() in _ARMS
