"""What a perturbation label says: which gene, lowered or raised, and which labels are controls.

Understood, in any case and with spaces, hyphens or underscores between the parts::

    siAKR1B1  shAKR1B1-2  sgAKR1B1#1  CRISPRi AKR1B1      lowered
    AKR1B1 KO  AKR1B1 KD  AKR1B1-/-  AKR1B1 knockdown     lowered
    AKR1B1 inhibitor  AKR1B1i  anti-IL6                   lowered (its activity)
    AKR1B1 OE  OE-AKR1B1  pcDNA-AKR1B1  AKR1B1 cDNA       raised
    AKR1B1 activator  CRISPRa AKR1B1                      raised
    miR-22 mimic / miR-22 inhibitor                       raised / lowered

    none  siNC  shCtrl  sgNTC  scramble  vector  EV  mock  shGFP  sgAAVS1 ...   controls

Gene symbols are written as in human (AKR1B1) or mouse (Akr1b1). Anything else, and labels that combine several
perturbations, are not attributed to a gene; they are listed as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: labels without any perturbation
UNTREATED = frozenset({"", "none", "no", "wt", "wildtype", "parental", "untreated", "untransfected", "naive"})
_PLAIN_CONTROLS = (
    r"(?:nc|neg(?:ative)?|ctrl?|con|control|scr|scram(?:ble|bled)?|scrb?|nt|ntc|nontarget(?:ing)?|nonsilencing|luc|"
    r"luciferase|gfp|egfp|lacz|aavs1|rosa26|safe|empty(?:vector)?|vector|ev|mock|vehicle|dmso|puro|neo)"
)
_MEANS = {
    "si": "knock-down", "sirna": "knock-down", "sh": "knock-down", "shrna": "knock-down", "kd": "knock-down",
    "knockdown": "knock-down", "crispri": "knock-down", "silencing": "knock-down", "silenced": "knock-down",
    "aso": "knock-down", "antagomir": "knock-down",
    "sg": "knock-out", "sgrna": "knock-out", "ko": "knock-out", "knockout": "knock-out", "crispr": "knock-out",
    "null": "knock-out",
    "oe": "over-expression", "overexpression": "over-expression", "overexpressed": "over-expression",
    "cdna": "over-expression", "pcdna": "over-expression", "pcdna3": "over-expression", "orf": "over-expression",
    "crispra": "over-expression", "mimic": "over-expression", "plvx": "over-expression",
    "inhibitor": "inhibition", "inhibition": "inhibition", "antibody": "inhibition", "blocking": "inhibition",
    "anti": "inhibition", "antagonist": "inhibition",
    "activator": "activation", "agonist": "activation",
}  # fmt: skip
_SIGN = {"knock-down": -1, "knock-out": -1, "inhibition": -1, "over-expression": 1, "activation": 1}
#: glued to a gene only in lower case (siAKR1B1, not SHP2); with a separator in any case (SH-AKR1B1)
_PREFIX = (
    "sirna", "shrna", "sgrna", "crispri", "crispra", "crispr", "pcdna3.1", "pcdna3", "pcdna", "plvx", "anti", "aso",
    "si", "sh", "sg", "oe", "ko", "kd",
)  # fmt: skip
_SUFFIX = (
    "overexpression", "overexpressed", "knockdown", "knockout", "inhibitor", "inhibition", "antibody", "activator",
    "antagonist", "antagomir", "silencing", "silenced", "agonist", "mimic", "cdna", "null", "orf", "ko", "kd", "oe",
)  # fmt: skip
#: AKR1B1, C1orf112, HLA-A, MT-CO1, NKX2-1, Akr1b1, miR-22-3p
_GENE = (
    r"(?:HLA-[A-Z0-9]{1,5}|MT-[A-Z0-9]{2,5}|NKX[0-9]-[0-9]|[A-Z][0-9]{1,2}orf[0-9]{1,3}|[A-Z][A-Z0-9]{1,9}"
    r"|[A-Z][a-z]{1,5}[0-9][a-z0-9]{0,6}|miR-?[0-9]+[a-z]?(?:-[35]p)?)"
)
_CLONE = r"(?:[#_\-. ]+(?:clone\s*)?#?[0-9a-d]{1,2})?"
_GAP = r"[\s_\-]*"


@dataclass(frozen=True)
class Perturbation:
    """A label as understood. `gene` is empty where it is a control (`control`) or was not understood (`why`).

    `sign`: -1 where the gene or its activity is lowered, +1 where it is raised. `family`: si, sh, sg, oe or "" (what
    kind of control it should have).
    """

    label: str
    gene: str = ""
    action: str = ""
    sign: int = 0
    control: bool = False
    family: str = ""
    why: str = ""


def _family(word: str) -> str:
    word = word.casefold()
    for family in ("si", "sh", "sg"):
        if word.startswith(family):
            return family
    return "oe" if _MEANS.get(word) == "over-expression" else ""


def _is_control(label: str) -> tuple[bool, str]:
    text = re.sub(r"[\s_\-#.]+", "", label).casefold()
    if text in UNTREATED:
        return True, ""
    if re.fullmatch(r"pcdna(?:31?)?|plvx|plko1?", text):
        return True, "sh" if text.startswith("plko") else "oe"
    before = r"(si|sirna|sh|shrna|sg|sgrna|oe|pcdna(?:31?)?|plvx|plko1?|lv|lenti)?"
    found = re.fullmatch(rf"{before}{_PLAIN_CONTROLS}(?:sirna|shrna|sgrna|oligo|cells)?[0-9]?", text)
    if not found:
        return False, ""
    family = _family(found[1] or "")
    if not family and re.search(r"vector|ev$|^empty", text):
        family = "oe"
    return True, family


def parse(label: str) -> Perturbation:
    """The gene and the sense of one label; see the module's list.

    >>> [(p.gene, p.sign) for p in map(parse, ("siAKR1B1", "AKR1B1 OE", "IL6 inhibitor", "shAKR1B1-2"))]
    [('AKR1B1', -1), ('AKR1B1', 1), ('IL6', -1), ('AKR1B1', -1)]
    >>> parse("siNC").control, parse("siA + siB").why
    (True, 'several perturbations at once')
    """
    text = str(label).strip()
    control, family = _is_control(text)
    if control:
        return Perturbation(text, control=True, family=family)
    if re.search(r"\s\+\s|\band\b|;|/(?!-)|&|,", text):
        return Perturbation(text, why="several perturbations at once")
    if m := re.fullmatch(rf"({_GENE})\s*-/-", text):
        return Perturbation(text, m[1], "knock-out", -1)
    if m := re.fullmatch(rf"({_GENE})i", text):
        return Perturbation(text, m[1], "inhibition", -1)
    for word in _SUFFIX:
        gap = _GAP if word in ("ko", "kd", "oe") else r"[\s_\-]+"
        if m := re.fullmatch(rf"({_GENE}){gap}(?i:{word}){_CLONE}", text):
            return Perturbation(text, m[1], _MEANS[word], _SIGN[_MEANS[word]], family=_family(word))
    for word in _PREFIX:
        exact = re.escape(word)
        if m := re.fullmatch(rf"(?:{exact}|(?i:{exact})[\s_\-]+)({_GENE}){_CLONE}", text):
            action = _MEANS[word.removesuffix(".1")]
            return Perturbation(text, m[1], action, _SIGN[action], family=_family(word.removesuffix(".1")))
    return Perturbation(text, why="not understood as a gene lowered or raised")


def control_for(perturbation: Perturbation, labels: list[str]) -> tuple[str | None, bool]:
    """The control label among `labels` to compare with, and whether it is of the same kind (siNC for siAKR1B1).

    A control of the same kind is best; else any treated control (scramble, mock); else untreated cells. None where
    there is no control at all.
    """
    controls = [p for p in map(parse, sorted(labels)) if p.control]
    treated = [p for p in controls if re.sub(r"[\s_\-]+", "", p.label).casefold() not in UNTREATED]
    same = [p for p in treated if p.family and p.family == perturbation.family]
    general = [p for p in treated if not p.family]
    if same:
        return same[0].label, True
    if general:
        return general[0].label, True
    plain = [p for p in controls if p not in treated]
    if perturbation.family == "" and plain:
        return plain[0].label, True
    rest = plain or treated
    return (rest[0].label, False) if rest else (None, False)
