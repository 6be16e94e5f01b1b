"""What the label of a medium and of a modifier says: donor, treatment, what was taken away or put in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FRESH = "fresh"
NOTHING = frozenset({"", "none", "no", "unmodified", "vehicle", "control", "dmso", "pbs", "mock"})
ISOTYPE = frozenset({"igg", "isotype", "isotypecontrol", "controligg", "iggcontrol", "controlantibody"})
FRESH_LABELS = frozenset({"", "fresh", "freshmedium", "unconditioned", "unconditionedmedium", "none", "normalmedium",
                    "controlmedium", "medium", "dmem", "rpmi", "rpmi1640"})  # fmt: skip
#: what a treatment of medium takes away: start of its plain label -> (entity, entity type)
REMOVALS: Mapping[str, tuple[str, str]] = {
    "freezethaw": ("freeze-labile secreted factors", "pathway"),
    "boil": ("heat-labile secreted factors", "pathway"),
    "heat": ("heat-labile secreted factors", "pathway"),
    "proteinasek": ("secreted proteins", "pathway"),
    "trypsin": ("secreted proteins", "pathway"),
    "exosomedeplet": ("exosomes", "pathway"),
    "exosomefree": ("exosomes", "pathway"),
    "exosomesremoved": ("exosomes", "pathway"),
    "noexosome": ("exosomes", "pathway"),
    "withoutexosome": ("exosomes", "pathway"),
    "evdeplet": ("exosomes", "pathway"),
    "evfree": ("exosomes", "pathway"),
    "ultracentrifug": ("exosomes", "pathway"),
    "gw4869": ("exosomes", "pathway"),
}
#: names of secreted proteins that are not the symbol of their gene (without spaces, hyphens; Greek letters in words)
SYMBOLS = {"IL8": "CXCL8", "TNFALPHA": "TNF", "TNFA": "TNF", "TGFBETA1": "TGFB1", "TGFBETA": "TGFB1", "VEGF": "VEGFA",
           "MCP1": "CCL2", "PDL1": "CD274", "IFNGAMMA": "IFNG", "IL1BETA": "IL1B", "IL1ALPHA": "IL1A"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One thing done to a medium: -1 takes the entity away, +1 puts it in, 0 is not understood."""

    label: str
    kind: str
    action: int
    entity: str = ""
    entity_type: str = ""


@dataclass(frozen=True)
class Medium:
    """A medium as understood: its donor (empty for fresh medium) and what the donor was treated with."""

    label: str
    donor: str
    treatment: str = ""


def plain(label: object) -> str:
    """A label as it is compared: without case, spaces, hyphens, strokes and brackets."""
    return re.sub(r"[\s_\-/()]+", "", str(label)).casefold()


def drugs_of(treatment: str) -> list[str]:
    """The drugs of a donor's treatment.

    >>> drugs_of("sorafenib 4 µM + celastrol 0.2 µM"), drugs_of("")
    (['sorafenib 4 µM', 'celastrol 0.2 µM'], [])
    """
    return [p for p in (t.strip() for t in re.split(r"\s*\+\s*|\s+and\s+|\s*,\s*", treatment)) if p]


def without_dose(label: str) -> str:
    """A drug's name without its dose.

    >>> without_dose("celastrol (0.2 µM)"), without_dose("GW4869")
    ('celastrol', 'GW4869')
    """
    dose = r"[\s,(@_-]+\d+(?:\.\d+)?\s*(?:[pnuµμm]?M|[pnuµμm]?g/m[lL])\)?$"
    return re.sub(dose, "", label.strip()).strip() or label


def factor(name: str) -> tuple[str, str]:
    """The secreted factor behind a name: entity and entity type.

    >>> factor("IL-6"), factor("TNF-α"), factor("exosomes")
    (('IL6', 'gene'), ('TNF', 'gene'), ('exosomes', 'pathway'))
    """
    text = name.strip()
    if plain(text) in ("exosome", "exosomes", "ev", "evs", "extracellularvesicles"):
        return "exosomes", "pathway"
    for greek, word in (("α", "alpha"), ("β", "beta"), ("γ", "gamma")):
        text = text.replace(greek, word)
    # IL-6, CCL 2, TNF-alpha are written with a hyphen; HLA-A, MT-CO1 keep theirs
    joined = re.sub(r"[\s\-]+(?=(?:\d+[A-Za-z]?|\d*(?:alpha|beta|gamma)\d*)$)", "", text)
    return SYMBOLS.get(re.sub(r"[\s\-]", "", text).upper(), joined), "gene"


def parse_modifier(label: object) -> tuple[Part, ...]:
    """What was done to a medium, in order; empty for nothing. Parts are joined by `+X`, `;`, `,` or `and`.

    >>> [(p.entity, p.action) for p in parse_modifier("anti-IL6")], [p.kind for p in parse_modifier("freeze-thaw +IL6")]
    ([('IL6', -1)], ['lost', 'added'])
    """
    text = str(label).strip()
    if plain(text) in NOTHING:
        return ()
    pieces = re.split(r"\s*[;,]\s*|\s+and\s+|\s+(?=\+)", text)
    return tuple(_part(p) for p in pieces if p and plain(p) not in NOTHING)


def _part(text: str) -> Part:
    name = plain(text)
    if name in ISOTYPE:
        return Part(text, "isotype", 0)
    for start, (entity, kind) in REMOVALS.items():
        if name.startswith(start):
            return Part(text, "lost", -1, entity, kind)
    dose = r"(?:[\s(@]+[\d.]+\s*(?:[pnuµμm]?g/m[lL]|[pnuµμ]M|U/m[lL])\)?)?"
    if found := re.fullmatch(rf"(?:\+|plus\s+|recombinant\s+|rh)\s*(.+?){dose}", text):
        bare = re.sub(r"^(?:recombinant\s+|rh)(?=\S)", "", found[1])
        return Part(text, "added", 1, *factor(bare))
    blocks = rf"(?:anti|α)[\s\-]*([A-Za-z].*?)(?:\s+antibody)?{dose}"
    if found := re.fullmatch(blocks, text, flags=re.IGNORECASE):
        return Part(text, "blocked", -1, *factor(found[1]))
    if found := re.fullmatch(rf"(\S+)\s+(?:neutrali[sz]ing\s+antibody|antibody|inhibitor|antagonist){dose}", text):
        return Part(text, "blocked", -1, *factor(found[1]))
    return Part(text, "changed", 0)


def parse_medium(label: object, donors: Iterable[str]) -> Medium:
    """The donor of a medium (the longest of the known names in the label) and its treatment.

    >>> parse_medium("CM of Huh-7 LR + sorafenib", ["Huh-7", "Huh-7 LR"])
    Medium(label='CM of Huh-7 LR + sorafenib', donor='Huh-7 LR', treatment='sorafenib')
    """
    text = str(label).strip()
    if plain(text) in FRESH_LABELS:
        return Medium(text, "")
    words = r"\b(?:conditioned(?:\s+medium)?|medium|media|CM|supernatant|of|from|by|cells?|treated|with)\b"
    for name in sorted(donors, key=lambda n: (-len(n), n)):
        found = re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text, flags=re.IGNORECASE)
        if found:
            rest = text[: found.start()] + " " + text[found.end() :]
            rest = " ".join(re.sub(words, " ", rest, flags=re.IGNORECASE).split()).strip(" +,;()-/")
            return Medium(text, name, "" if plain(rest) in NOTHING else rest)
    return Medium(text, text)
