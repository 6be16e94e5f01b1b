"""Isotopes of the elements of metabolites and derivatives, formulas and tracers as labs write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: element -> ((exact mass in Da, abundance), ...) of its stable isotopes, lightest first. IUPAC representative
#: composition (Meija et al. 2016, doi:10.1515/pac-2015-0503; sulfur after the 2009 table,
#: doi:10.1351/PAC-REP-10-06-02: 36S is rare, but there) and AME masses. AccuCor has the same masses rounded to five
#: decimals, and sulfur without 36S; within the uncertainty of the table (32S .9499 +- .0026) neither is wrong.
ISOTOPES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "H": ((1.0078250322, 0.999885), (2.0141017781, 0.000115)),
    "C": ((12.0, 0.9893), (13.003354835, 0.0107)),
    "N": ((14.003074004, 0.99636), (15.000108899, 0.00364)),
    "O": ((15.99491462, 0.99757), (16.999131757, 0.00038), (17.999159613, 0.00205)),
    "F": ((18.998403163, 1.0),),
    "Na": ((22.98976928, 1.0),),
    "Si": ((27.976926535, 0.92223), (28.976494665, 0.04685), (29.9737701, 0.03092)),
    "P": ((30.973761998, 1.0),),
    "S": ((31.972071174, 0.9499), (32.97145891, 0.0075), (33.9678670, 0.0425), (35.967081, 0.0001)),
    "Cl": ((34.96885268, 0.7576), (36.96590260, 0.2424)),
    "K": ((38.963706487, 0.932581), (39.96399817, 0.000117), (40.961825258, 0.067302)),
    "Br": ((78.9183376, 0.5069), (80.9162897, 0.4931)),
    "I": ((126.9044719, 1.0),),
}
Abundances = Mapping[str, tuple[tuple[float, float], ...]]
#: tracer as written -> its element; the second isotope of the element is the label
TRACERS = {"13C": "C", "15N": "N", "2H": "H"}
_GROUP = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Tracer:
    """A labelled nutrient: `isotope` (13C, 15N, 2H), its `element`, the `compound`, and how many atoms are labelled.

    `labelled` is 'U' (uniformly), the labelled positions ('1,2') or '' where the name does not say.
    """

    isotope: str
    element: str
    compound: str
    labelled: str

    @property
    def key(self) -> str:
        """One form of all ways to write the same tracer: `13C U glucose`."""
        return " ".join(filter(None, (self.isotope, self.labelled, self.compound)))


def parse_formula(formula: str) -> dict[str, int]:
    """Element -> count of a sum formula without brackets or charges (a charge at the end is passed over).

    Raises ValueError for what is not a formula or an element whose isotopes are not listed.

    >>> parse_formula("C6H5O7-"), parse_formula("C4H6NO4")["N"]
    ({'C': 6, 'H': 5, 'O': 7}, 1)
    """
    text = re.sub(r"[\s\[\]()⁺⁻]", "", str(formula))
    text = re.sub(r"[+\-−]+\d*$", "", text)
    out: dict[str, int] = {}
    at = 0
    for found in _GROUP.finditer(text):
        if found.start() != at:
            break
        at = found.end()
        out[found[1]] = out.get(found[1], 0) + int(found[2] or 1)
    if not text or at != len(text):
        raise ValueError(f"{formula!r} is not a sum formula such as C6H12O6")
    strange = sorted(set(out) - set(ISOTOPES))
    if strange:
        raise ValueError(f"the isotopes of {', '.join(strange)} in {formula!r} are not listed")
    return out


def mass(atoms: Mapping[str, int]) -> float:
    """Monoisotopic mass in Da."""
    return sum(n * ISOTOPES[e][0][0] for e, n in atoms.items())


def parse_tracer(text: object) -> Tracer:
    """A tracer as labs write it. Raises ValueError where no isotope, or more than one, is named.

    >>> [parse_tracer(t).key for t in ("[U-13C]glucose", "13C6-D-Glucose", "U-13C5 L-glutamine", "[1,2-13C2]-glucose")]
    ['13C U glucose', '13C U glucose', '13C U glutamine', '13C 1,2 glucose']
    >>> parse_tracer("15N2-glutamine").key, parse_tracer("D2O").key, parse_tracer("[amide-15N]glutamine").key
    ('15N U glutamine', '2H U water', '15N amide glutamine')
    """
    raw = str(text).strip()
    plain = raw.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789"))
    plain = re.sub(r"\bC-?13\b", "13C", plain)
    plain = re.sub(r"\bN-?15\b", "15N", plain)
    if re.fullmatch(r"\(?(D2O|2H2O|deuterium oxide|heavy water|deuterated water)\)?", plain, flags=re.IGNORECASE):
        return Tracer("2H", "H", "water", "U")
    plain = re.sub(r"(?<![A-Za-z])(?:D|d|H-?2)(\d*)(?=[\]\-\s]|$)(?!-?[gG]lucose$)", r"2H\1", plain)
    found = re.findall(r"(13C|15N|2H)(\d*)", plain)
    isotopes = {f[0] for f in found} | {i for i in ("13C", "15N") if i in plain}
    if len(isotopes) != 1:
        what = "more than one isotope" if isotopes else "no isotope (13C, 15N, 2H)"
        raise ValueError(f"the tracer {raw!r} names {what}")
    isotope, count = found[0]
    label = ""
    inside = re.search(r"\[?([^\[\]]*?)-?\(?(?:13C|15N|2H)\d*\)?\]?", plain)
    lead = inside[1].strip(" -(") if inside else ""
    if lead.upper() == "U" or re.fullmatch(r"(?:uniformly|fully)(?: labell?ed)?", lead, flags=re.IGNORECASE):
        label = "U"
    elif lead:
        label = re.sub(r"\s", "", lead)
    rest = re.sub(r"\[?[^\[\]]*?\(?(?:13C|15N|2H)\d*\)?\]?", "", plain, count=1)
    rest = re.sub(r"^[\s\-]+|[\s\-]+$", "", rest)
    rest = re.sub(r"^(?:[DL]|DL|alpha|beta)-", "", rest, flags=re.IGNORECASE).strip(" -").casefold()
    if not label and count and ATOMS.get((rest, TRACERS[isotope])) == int(count):
        label = "U"
    return Tracer(isotope, TRACERS[isotope], rest, label)


#: how many atoms of an element a common tracer has: 13C6-glucose is uniformly labelled
ATOMS = {
    ("glucose", "C"): 6, ("glutamine", "C"): 5, ("glutamine", "N"): 2, ("lactate", "C"): 3, ("pyruvate", "C"): 3,
    ("acetate", "C"): 2, ("palmitate", "C"): 16, ("serine", "C"): 3, ("glycine", "C"): 2, ("glutamate", "C"): 5,
    ("fructose", "C"): 6, ("aspartate", "C"): 4, ("leucine", "C"): 6, ("alanine", "C"): 3, ("glucose", "H"): 7,
}  # fmt: skip
