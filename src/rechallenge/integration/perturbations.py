"""What to do to a gene so that the result can change its case: which way, in which line, with which controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rechallenge.evidence import AMOUNT
from rechallenge.integration import links
from rechallenge.integration.network import is_mirna, of, perturbed

LOWER, RAISE = -1, 1
NECESSITY, SUFFICIENCY = "necessity", "sufficiency"
#: what a gene is to the bench -> (lower it, raise it): verb, noun, controls that the field expects
GENE, SECRETED, MIRNA = "gene", "secreted", "microRNA"
MEANS: Mapping[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    GENE: (
        ("Knock down or inhibit", "knock-down",
         "non-targeting siRNA or guide; two independent siRNAs or guides; level of {gene} by western blot; rescue by a "
         "form that the siRNA does not reach"),
        ("Over-express", "over-expression",
         "empty vector; level no higher than in cells that have it naturally, by western blot; an inactive mutant; "
         "knock-down or an inhibitor on top takes the effect back"),
    ),
    SECRETED: (
        ("Neutralise or knock down", "neutralisation",
         "isotype antibody or non-targeting siRNA; concentration of {gene} in the medium by ELISA; the protein added "
         "back (rescue); two independent antibodies or siRNAs"),
        ("Add recombinant", "addition",
         "carrier alone; heated protein; a dose within what the cells secrete, by ELISA; a neutralising antibody on "
         "top takes the effect back"),
    ),
    MIRNA: (
        ("Inhibit", "inhibitor",
         "control inhibitor of scrambled sequence; level of {gene} and of its target by qPCR; reporter with the "
         "target's region and with its site mutated; the target knocked down on top takes the effect back"),
        ("Give a mimic of", "mimic",
         "control mimic of scrambled sequence; level of {gene} and of its target by qPCR; reporter with the target's "
         "region and with its site mutated; the target without its site takes the effect back (rescue)"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Perturbation:
    """``sign`` -1 lowers, +1 raises; ``level`` is that of the gene in resistant cells (+1 high, -1 low, 0 not known);
    ``done`` which ways it was moved before."""

    kind: str
    sign: int
    line: str
    level: int
    done: frozenset[int] = frozenset()

    @property
    def tests(self) -> str:
        """Whether the resistance needs the change (resistant line) or the change is enough (parental line)."""
        return NECESSITY if self.line == "resistant" else SUFFICIENCY

    def words(self, gene: str) -> dict[str, str]:
        """What the sentences of an experiment need."""
        change, changed, guards = MEANS[self.kind][self.sign > 0]
        if self.sign > 0 and self.line == "resistant" and self.kind == GENE:
            change = "Give back (re-express)"
        # animals and tracers carry the resistant line: what is wanted there is the way back from resistance
        back = MEANS[self.kind][(self.sign if self.line == "resistant" else -self.sign) > 0][1]
        other = "parental" if self.line == "resistant" else "resistant"
        line = self.line if len(self.done) < 2 else f"second, independently derived {self.line}"
        return {"gene": gene, "change": change, "changed": changed, "guards": guards.format(gene=gene), "line": line,
                "other": other, "lowered": back}  # fmt: skip

    def expects(self, gene: str, direction: int) -> str:
        """Which result speaks for the case (high or low drives, `direction`), and which against it."""
        rises = self.sign * direction > 0
        said = f"for the case: resistance {'rises' if rises else 'falls'}; against it: it stays as it is"
        if self.level and self.level != direction:
            high = "high" if self.level > 0 else "low"
            said += (
                f"; resistant cells have {gene} {high}, which the case does not expect: were resistance to "
                f"{'fall' if rises else 'rise'}, {high} {gene} would drive it"
            )
        return said


def perturbation(evidence: pd.DataFrame, gene: str, direction: int) -> Perturbation:
    """What to do next to a gene whose high (+1) or low (-1) level is held to drive resistance.

    The level in resistant cells decides, where claims show it: lowering what is low, or raising what is high already,
    could not change the case. Where that was done and shown, the other line is next: whether the change is enough.
    """
    level = level_of(evidence, gene)
    back = -(level or direction)  # from the resistant state
    done = _done(evidence, gene)
    shown = links.function(evidence, gene, direction).state == links.HERE
    enough = shown and back in done and -back not in done
    return Perturbation(kind_of(gene), -back if enough else back, "parental" if enough else "resistant", level, done)


def level_of(evidence: pd.DataFrame, gene: str) -> int:
    """+1 where resistant cells are shown to have more of it, -1 less, 0 where neither is shown or both are."""
    states = {sign: links.change(evidence, gene, sign).state for sign in (1, -1)}
    return 1 if states[1] == links.HERE else -1 if states[-1] == links.HERE else 0


def kind_of(gene: str) -> str:
    """Whether it is a microRNA, a protein that acts outside the cell, or another gene."""
    from rechallenge.knowledge import tables

    if is_mirna(gene):
        return MIRNA
    secreted = tables.starter_text("secreted")
    return SECRETED if gene in set(secreted.loc[secreted["class"] == "secreted", "gene"]) else GENE


def _done(evidence: pd.DataFrame, gene: str) -> frozenset[int]:
    """Which ways the gene was moved in experiments on the response: -1 lowered, +1 raised."""
    rows = evidence[of(evidence["entity"], gene) & evidence["level"].isin(["intervention", "transmission"])]
    rows = rows[~rows["stream"].isin(["reporter", "reversal"]) & ~rows["effect_unit"].str.startswith(AMOUNT)]
    rows = rows[rows["status"].isin(["estimated", "censored"])]
    return frozenset({perturbed(str(c), gene) for c in rows["contrast"]} - {0})
