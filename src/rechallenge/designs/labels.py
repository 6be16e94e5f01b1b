"""What the label of a group says: control or not, its parts, the gene that was lowered or raised."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

#: labels of groups to which nothing was done, without case, spaces and hyphens
CONTROLS = frozenset({
    "", "vehicle", "dmso", "control", "ctrl", "ctl", "con", "untreated", "none", "mock", "sham", "pbs", "saline",
    "solvent", "medium", "nc", "negativecontrol", "blank", "normal", "wt", "wildtype", "baseline", "placebo", "scr",
    "scramble", "scrambled", "vector", "emptyvector", "ev", "nt", "ntc", "nontargeting", "etoh", "ethanol",
    "uninjected",    "uninfected", "untransfected", "igg", "isotype", "isotypecontrol",
})  # fmt: skip
_CONTROL_OF_KIND = (
    r"(?:si|sh|sg|sirna|shrna|sgrna|lv|oe|pcdna|plvx)"
    r"(nc|ctrl?|con|control|scr|scrambled?|nt|ntc|gfp|luc|vector|ev)[0-9]?"
)
_KIND = re.compile(r"^(si|sh|sg)(?:rna)?[\s_\-]*(?=[A-Za-z0-9])")
_LOWERED = re.compile(
    r"^(?:si|sh|sg|siRNA|shRNA|sgRNA|CRISPRi|anti)[\s_\-]*([A-Z][A-Za-z0-9\-]{1,11}?)(?:[#_\-. ]+[0-9a-d]{1,2})?$"
    r"|^([A-Z][A-Za-z0-9]{1,11})[\s_\-]*(?:KO|KD|knock-?out|knock-?down|-/-)(?:[#_\-. ]+[0-9]{1,2})?$"
)
_RAISED = re.compile(
    r"^(?:OE|pcDNA(?:3(?:\.1)?)?|pLVX|CRISPRa)[\s_\-]+([A-Z][A-Za-z0-9\-]{1,11})$"
    r"|^([A-Z][A-Za-z0-9]{1,11})[\s_\-]*(?:OE|over-?expression|over-?expressed|cDNA|ORF)(?:[#_\-. ]+[0-9]{1,2})?$"
)

_MIRNA = re.compile(
    r"^(anti[\s_\-]*)?((?:hsa-)?miR-[0-9]+[a-z]?(?:-[0-9])?(?:-[35]p)?)"
    r"(?:[\s_\-]*(mimics?|agomir|OE|over-?expression|inhibitor|antagomir|sponge|KD|knock-?down))?$",
    re.IGNORECASE,
)


class Done(NamedTuple):
    """A gene that a label names, and whether it was lowered (-1) or raised (+1); ('', 0) where it names none."""

    gene: str
    sign: int


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def plain(label: object) -> str:
    """A label as it is compared: without case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_\-]+", "", str(label)).casefold()


def is_control(label: object, declared: Iterable[str] = ()) -> bool:
    """Whether a label says that nothing was done (or only what the control needs: siNC, empty vector).

    >>> [is_control(x) for x in ("DMSO", "siNC", "si-Ctrl", "siAKR1B1", "sorafenib", "0 µM sorafenib")]
    [True, True, True, False, False, True]
    """
    text = plain(label)
    if text in {plain(d) for d in declared} or text in CONTROLS:
        return True
    if re.match(r"^0(?:\.0+)?(?:[pnuµμm]?m|[pnuµμm]?g/ml|gy|h|%)", text):
        return True
    found = re.fullmatch(_CONTROL_OF_KIND, text)
    return bool(found)


def parts(label: str, declared: Iterable[str] = ()) -> frozenset[str]:
    """What was done to a group: its parts without those that are controls; empty for a control.

    >>> sorted(parts("sorafenib + siAKR1B1")), sorted(parts("vehicle + siNC")), sorted(parts("IL6+"))
    (['siAKR1B1', 'sorafenib'], [], ['IL6+'])
    """
    declared = tuple(declared)
    if is_control(label, declared):
        return frozenset()
    pieces = re.split(
        r"\s+\+\s*|\s*\+\s+|\s+(?:and|plus|with)\s+|\s*&\s*|(?<=[A-Za-z0-9])\+(?=[A-Za-z])", label.strip()
    )
    return frozenset(p.strip() for p in pieces if p.strip() and not is_control(p, declared))


def added(group: str, control: str, declared: Iterable[str] = ()) -> str:
    """The one part that a group has beyond its control; '' where there is none or several.

    >>> added("sorafenib + siILF3", "sorafenib + siNC"), added("lefamulin", "vehicle"), added("A + B", "vehicle")
    ('siILF3', 'lefamulin', '')
    """
    extra = parts(group, declared) - parts(control, declared)
    return next(iter(extra)) if len(extra) == 1 else ""


def controls(groups: Mapping[str, int], declared: frozenset[str]) -> dict[str, int]:
    """The control groups among the groups (label -> number of values): those declared, else those that say so."""
    chosen = {g: n for g, n in groups.items() if g in declared}
    return chosen or {g: n for g, n in groups.items() if is_control(g)}


def control_of(group: str, controls: Mapping[str, int]) -> str:
    """The control (among several, with how many values each has) that a group is compared with.

    A knock-down has the control of its kind (siNC for siAKR1B1) where there is one; anything else the first control
    that is not of a kind; then whichever has most values.
    """
    kind = {c: _kind(c) for c in controls}
    mine = _kind(group)
    ranked = sorted(controls, key=lambda c: (kind[c] != mine, kind[c] != "", -controls[c], c))
    return ranked[0] if ranked else ""


def _kind(label: str) -> str:
    found = _KIND.match(label.strip())
    return found[1].lower() if found else ""


def done(label: str) -> Done:
    """The gene that a label lowers or raises.

    >>> done("siAKR1B1"), done("AKR1B1 OE"), done("AKR1B1-KO"), done("sorafenib")
    (Done(gene='AKR1B1', sign=-1), Done(gene='AKR1B1', sign=1), Done(gene='AKR1B1', sign=-1), Done(gene='', sign=0))
    >>> done("miR-7-5p mimic"), done("anti-miR-7")
    (Done(gene='miR-7-5p', sign=1), Done(gene='miR-7', sign=-1))
    """
    text = label.strip()
    if (found := _MIRNA.match(text)) and (found[1] or found[3]):
        lowered = bool(found[1]) or found[3].casefold() in ("inhibitor", "antagomir", "sponge", "kd")
        lowered |= (found[3] or "").casefold().startswith("knock")
        return Done(found[2], -1 if lowered else 1)
    if found := _RAISED.match(text):
        return Done(found[1] or found[2], 1)
    if found := _LOWERED.match(text):
        return Done(found[1] or found[2], -1)
    return Done("", 0)


def meaning(text: str) -> int | None:
    """What a rise means: +1 promotes resistance, -1 restores sensitivity, 0 nothing said; None: not understood.

    >>> [meaning(t) for t in ("rise = promotes resistance", "restores sensitivity", "", "fall promotes resistance")]
    [1, -1, 0, -1]
    """
    if text.strip() in ("+1", "1", "-1", "−1"):
        return -1 if text.strip()[0] in "-−" else 1
    said = plain(text).replace("=", "").replace(":", "")
    if not said or said in ("none", "nothing", "0", "unknown"):
        return 0
    turned = -1 if re.match(r"^(?:fall|drop|decrease|lower|less|down)", said) else 1
    if "sensi" in said and "resist" not in said:
        return -turned
    if "resist" in said and "sensi" not in said:
        return turned if not re.search(r"(?:overcome|revers|lower|reduc|against)", said) else -turned
    return None
