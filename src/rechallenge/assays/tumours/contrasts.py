"""Which contrasts of growth rates the arms of an experiment allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rechallenge.assays.tumours.arms import Arm, Part, arm_order, combinations, control_of, entity_of

RATE, CONTROL, SINGLE = "growth rate", "against control", "against single"
BLISS, HSA, BETWEEN, ACROSS = "bliss", "hsa", "between models", "across models"


@dataclass(frozen=True)
class Plan:
    """A contrast: weights of the growth rates of arms; an empty name in `weights` is an arm that is not there."""

    kind: str
    arm: str
    weights: Mapping[str, float]
    reference: str
    contrast: str
    parts: tuple[Part, ...] = ()
    missing: str = ""

    def names(self) -> dict[str, Any]:
        """Columns that say what the contrast is of."""
        entity, kind, action = entity_of(self.parts)
        return {"contrast": self.contrast, "kind": self.kind, "arm": self.arm, "reference": self.reference,
                "parts": " + ".join(p.label for p in self.parts), "entity": entity, "entity_type": kind,
                "action": action, "weights": dict(self.weights)}  # fmt: skip


def plans(arms: Mapping[str, Arm]) -> Iterator[Plan]:
    """Every contrast that the arms of one model allow."""
    known = dict(arms)
    for label in arm_order(list(known)):
        yield Plan(RATE, label, {label: 1.0}, "", label, known[label].parts)
    for label in arm_order(list(known)):
        arm = known[label]
        control = control_of(arm, known)
        if arm.parts and control:
            yield Plan(CONTROL, label, {label: 1.0, control: -1.0}, control, f"{label} vs {control}", arm.parts)
    for c in combinations(known):
        lacking = [p.label for p, s in zip(c.parts, c.singles, strict=True) if not s]
        for single in c.singles:
            if single:
                yield Plan(SINGLE, c.arm, {c.arm: 1.0, single: -1.0}, single, f"{c.arm} vs {single}", c.parts)
        why = f"no arm of {' and '.join(lacking)} alone" if lacking else "" if c.control else "no control arm"
        weights = {c.arm: 1.0, **dict.fromkeys(filter(None, c.singles), -1.0)}
        if c.control:
            weights[c.control] = float(len(c.parts) - 1)
        yield Plan(BLISS, c.arm, weights, "", f"{c.arm}: interaction (Bliss)", c.parts, why)
        why = f"no arm of {' and '.join(lacking)} alone" if lacking else ""
        yield Plan(HSA, c.arm, weights, "", f"{c.arm}: better than each part (HSA)", c.parts, why)
