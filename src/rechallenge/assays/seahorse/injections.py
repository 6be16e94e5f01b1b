"""Which phase a measurement belongs to: what was injected, and what that does in a stress test."""

from __future__ import annotations

import re
from collections.abc import Iterable

MITO, GLYCO = "mito", "glyco"
BASAL = "basal"
#: injections of the standard kits, three measurements in each phase (Agilent kits 103015 and 103020)
STANDARD = {
    MITO: ("oligomycin", "FCCP", "rotenone + antimycin A"),
    GLYCO: ("glucose", "oligomycin", "2-DG"),
}
PER_PHASE = 3
_COMPOUNDS: tuple[tuple[str, str], ...] = (
    ("oligomycin", r"oligo(?:mycin)?"),
    ("uncoupler", r"fccp|cccp|bam-?15|dnp|2,4-dinitrophenol"),
    ("inhibitors", r"rot(?:enone)?|anti(?:mycin)?(?:\s*a)?|rotanti|ama|aa|am|antia|rote?/?aa|rotaa"),
    ("2-DG", r"2-?dg|2-?deoxy-?d?-?glucose|deoxyglucose"),
    ("glucose", r"glucose|glc|gluc"),
    ("monensin", r"monensin|mon"),
)


def assay_of(*texts: object) -> str:
    """`mito` or `glyco` as a group name or a column says; '' where neither or both are named.

    >>> assay_of("Huh-7 LR MITO"), assay_of("glycolysis stress test"), assay_of("Huh-7 LR")
    ('mito', 'glyco', '')
    """
    said = " ".join(str(t) for t in texts if t is not None)
    words = {w for w in re.split(r"[^a-z]+", said.lower()) if w}
    mito = bool(words & {"mito", "mst", "mitostress", "mitochondrial", "cms", "cmst", "respiration"})
    glyco = bool(words & {"glyco", "gst", "glycostress", "glycolysis", "glycolytic", "gly"})
    return MITO if mito and not glyco else GLYCO if glyco and not mito else ""


def without_assay(group: str) -> str:
    """A group name without the word that names the assay.

    >>> without_assay("Group_1 MITO"), without_assay("Huh-7 LR (glyco)")
    ('Group_1', 'Huh-7 LR')
    """
    bare = re.sub(r"[\s_\-(\[]*\b(?:mito|glyco|mst|gst|mito ?stress|glyco ?stress)\b[)\]]*", "", group, flags=re.I)
    return bare.strip(" _-") or group


def roles(injection: str) -> frozenset[str]:
    """What the compounds of an injection do: oligomycin, uncoupler, inhibitors, glucose, 2-DG, monensin.

    >>> sorted(roles("glucose / oligomycin")), sorted(roles("AM/ROT")), sorted(roles("2-DG / RotAnti"))
    (['glucose', 'oligomycin'], ['inhibitors'], ['2-DG', 'inhibitors'])
    """
    found = set()
    for piece in re.split(r"\s*[/+&;,]\s*|\s+and\s+", injection.strip().lower()):
        name = re.sub(r"\s*\(?[\d.]+\s*[munµμ]?m\)?", "", piece).strip()
        found |= {role for role, pattern in _COMPOUNDS if re.fullmatch(rf"(?:{pattern})+", name)}
    return frozenset(found)


def phase_of(injection: str, assay: str) -> str:
    """The phase of a stress test that follows an injection; `basal` before the first, '' where it has no part in it.

    In a plate that runs both tests one port holds a compound for each: "glucose / oligomycin" begins the oligomycin
    phase of the mitochondrial and the glucose phase of the glycolytic test. Oligomycin or monensin shows the capacity
    of glycolysis.
    """
    if not injection.strip() or injection.strip().lower() in (BASAL, "baseline", "base", "none"):
        return BASAL
    there = roles(injection)
    if assay == MITO:
        order = ("inhibitors", "uncoupler", "oligomycin")
        return next((r for r in order if r in there), "")
    if "2-DG" in there:
        return "2-DG"
    if "glucose" in there:
        return "glucose"
    return "capacity" if there & {"oligomycin", "monensin"} else ""


def guess_assay(injections: Iterable[str]) -> str:
    """The test that a series of injections makes, where all of them fit one alone."""
    there = frozenset[str]().union(*(roles(i) for i in injections))
    glyco = bool(there & {"glucose", "2-DG"})
    mito = bool(there & {"uncoupler", "inhibitors"})
    return GLYCO if glyco and not mito else MITO if mito and not glyco else ""
