"""What an arm of an animal experiment was given, read from its label, and which arms make a contrast.

vehicle | control | untreated          nothing (a control)
lenvatinib 10 mg/kg                    one drug
lenvatinib + epalrestat, A and B, A/B  a combination
combination                            of the two single arms, where there are exactly two
shAKR1B1 + lenvatinib, AKR1B1 KO       a gene knocked down (out, over-expressed), alone or with a drug
shNC + lenvatinib                      its control: lenvatinib
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

#: labels (as compared by `plain`) of arms and parts of arms that were given nothing that matters
CONTROLS = frozenset(
    ("vehicle", "vehiclecontrol", "control", "controls", "ctrl", "ctl", "con", "veh", "untreated", "none", "nodrug",
     "notreatment", "dmso", "pbs", "saline", "nacl", "placebo", "mock", "sham", "model", "negativecontrol", "nc", "igg",
     "isotype", "isotypecontrol", "iggcontrol", "cornoil", "cmc", "cmcna")
)  # fmt: skip
#: what a knock-down or over-expression carries where it carries no gene
_GENE_CONTROL = re.compile(
    r"(?i)(?:(?:sh|si|sg|lv|oe|ad|aav)[\s_-]*(?:nc|ntc?|ctrl|ctl|con|control|scr(?:ambled?)?|luc|gfp|lacz|mock|vec(?:tor)?)"
    r"|(?:empty[\s_-]*)?vector|ev|scrambled?|non[\s_-]*targeting|wt|wild[\s_-]*type)"
)
_COMBINATION = frozenset(("combination", "combo", "comb", "combi", "combined", "combinationtherapy", "both"))
_DOSE = re.compile(
    r"(?i)[\s,(@_-]*(\d+(?:[.,]\d+)?)\s*(mg|µg|μg|ug|g|mpk|µmol|nmol|iu|u|ml|mm|µm)\b"
    r"((?:\s*(?:/|per)\s*(?:kg|mouse|animal|day|d|m2|week|wk|dose)\b)*)"
    r"((?:[\s,]*(?:q\d?d|qw|qd|bid|tid|q\d+d|po|p\.o\.|i\.?p\.?|i\.?v\.?|s\.?c\.?|daily|weekly)(?![A-Za-z]))*)\)?"
)
_JOINT = re.compile(r"\s*(?:\+|&|/|;|\s(?:and|plus|with)\s)\s*", re.IGNORECASE)
_KNOCKED = re.compile(
    r"(?:(?:sh|si|sg|cr)(?:RNA)?[\s_-]?(?P<a>[A-Z][A-Za-z0-9]*?)(?:[#_-]\d+)?"
    r"|(?P<b>[A-Z][A-Z0-9]+)[\s_-]*(?:-/-|(?i:ko|kd|knock[\s-]?(?:out|down)|null)))"
)
_RAISED = re.compile(
    r"(?:(?:OE|oe|LV|lv)[\s_-](?P<a>[A-Z][A-Za-z0-9]*)|(?P<b>[A-Z][A-Z0-9]+)[\s_-]*(?i:oe|over[\s-]?expression))"
)


@dataclass(frozen=True, order=True)
class Part:
    """One thing an arm was given: a drug (`action` 0), or a gene lowered (-1) or raised (+1)."""

    name: str
    dose: str = ""
    action: int = 0
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class Arm:
    """An arm as understood; no parts: a control. `gene_control` marks the control of a gene perturbation."""

    label: str
    parts: tuple[Part, ...]
    gene_control: bool = False

    @property
    def genes(self) -> tuple[Part, ...]:
        return tuple(p for p in self.parts if p.action)


@dataclass(frozen=True)
class Combination:
    """An arm of several parts and the arms of its parts alone ('' where there is none), with the control arm."""

    arm: str
    parts: tuple[Part, ...]
    singles: tuple[str, ...]
    control: str


def plain(label: object) -> str:
    """A label as it is compared: without case, spaces, hyphens and brackets."""
    return re.sub(r"[\s_\-().]+", "", str(label)).casefold()


def parse_arm(label: str) -> Arm:
    """What an arm was given, by its label alone.

    >>> [p.name for p in parse_arm("Lenvatinib 5 mg/kg/d + epalrestat (50 mg/kg)").parts], parse_arm("Vehicle").parts
    (['Lenvatinib', 'epalrestat'], ())
    """
    text = label.strip()
    doses: list[str] = []

    def keep(found: re.Match[str]) -> str:
        doses.append(" ".join(found[0].strip(" ,(@_-)").split()))
        return f"\x00{len(doses) - 1}\x00"

    parts: list[Part] = []
    gene_control = False
    for piece in _JOINT.split(_DOSE.sub(keep, text)):
        found = re.search(r"\x00(\d+)\x00", piece)
        dose = doses[int(found[1])] if found else ""
        name = re.sub(r"\x00\d+\x00", " ", piece).strip(" ,()")
        if not name:
            continue
        if _GENE_CONTROL.fullmatch(name):
            gene_control = True
        elif plain(name) not in CONTROLS:
            parts.append(_part(name, dose))
    return Arm(text, tuple(sorted(set(parts))), gene_control)


def _part(name: str, dose: str) -> Part:
    for pattern, action in ((_RAISED, 1), (_KNOCKED, -1)):
        found = pattern.fullmatch(name)
        if found:
            return Part(found["a"] or found["b"], dose, action, name)
    return Part(name, dose, 0, f"{name} {dose}".strip())


def parse_arms(labels: Sequence[str]) -> dict[str, Arm]:
    """All arms of one model: as `parse_arm`, and a bare `combination` is that of the two single arms."""
    arms = {label: parse_arm(label) for label in sorted(set(labels))}
    singles = [a for a in arms.values() if len(a.parts) == 1 and plain(a.parts[0].name) not in _COMBINATION]
    for label, arm in arms.items():
        if len(arm.parts) == 1 and plain(arm.parts[0].name) in _COMBINATION and len(singles) == 2:
            arms[label] = replace(arm, parts=tuple(sorted(p for s in singles for p in s.parts)))
    return arms


def unread_combination(arm: Arm) -> bool:
    """Whether the label says combination and not of what."""
    return len(arm.parts) == 1 and plain(arm.parts[0].name) in _COMBINATION


def _same(a: Part, b: Part, dose: bool) -> bool:
    return plain(a.name) == plain(b.name) and a.action == b.action and (plain(a.dose) == plain(b.dose) or not dose)


def _matching(parts: Sequence[Part], arms: dict[str, Arm], beside_gene: bool) -> str:
    """The arm that was given exactly these parts: at the same doses, else the only one where one side has no dose.

    Beside a gene perturbation, an arm with its control (shNC + drug) goes before the bare drug.
    """
    sized = [a for a in arms.values() if len(a.parts) == len(parts)]
    if beside_gene and not any(p.action for p in parts):
        sized = [a for a in sized if a.gene_control] or sized
    else:
        sized = [a for a in sized if not a.gene_control] or sized
    for dose in (True, False):
        hits = [
            a
            for a in sized
            if all(any(_same(p, o, dose) and (dose or not (p.dose and o.dose)) for o in a.parts) for p in parts)
        ]
        if len(hits) == 1:
            return hits[0].label
    return ""


def control_of(arm: Arm, arms: dict[str, Arm]) -> str:
    """The control arm that an arm is compared with ('' for none): that of the perturbation where a gene was touched."""
    controls = [a for a in arms.values() if not a.parts and a.label != arm.label]
    genes = [a for a in controls if a.gene_control]
    if (arm.genes or arm.gene_control) and genes:
        return genes[0].label
    usual = [a for a in controls if not a.gene_control]
    return (usual or genes)[0].label if controls else ""


def combinations(arms: dict[str, Arm]) -> Iterator[Combination]:
    """Every arm of two or more parts, with the arms of its parts alone."""
    for arm in arms.values():
        if len(arm.parts) > 1:
            singles = tuple(_matching([p], arms, bool(arm.genes)) for p in arm.parts)
            yield Combination(arm.label, arm.parts, singles, control_of(arm, arms))


def entity_of(parts: Sequence[Part]) -> tuple[str, str, int]:
    """What a claim on an arm of these parts is about: entity, its type, and for a gene -1 (lowered) or +1 (raised).

    A gene with a drug is about the gene; several drugs are a pair. Empty for a control.

    >>> entity_of(parse_arm("B 5 mg/kg + A").parts), entity_of(parse_arm("shAKR1B1 + A").parts)
    (('A + B', 'pair', 0), ('AKR1B1', 'gene', -1))
    """
    genes = [p for p in parts if p.action]
    if genes:
        return (genes[0].name, "gene", genes[0].action) if len(genes) == 1 else ("", "", 0)
    names = sorted({p.name for p in parts}, key=str.casefold)
    return " + ".join(names), "" if not names else "drug" if len(names) == 1 else "pair", 0


def arm_order(arms: Sequence[str]) -> list[str]:
    """Labels in the order of a figure: controls, single arms, combinations; by name within."""
    parsed = parse_arms(arms)
    return sorted(set(arms), key=lambda a: (len(parsed[a].parts), bool(parsed[a].genes), a.casefold(), a))
