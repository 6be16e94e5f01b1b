"""What is planted in a whole study: its story, scenario, size, and the true effect of every gene.

The chain of a `Story` may be a real one; where it is placed, how strong each link is, and all noise are planted by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rechallenge.simulate.truth import huh7_ic50

Scenario = Literal["driver", "no_driver", "no_expression", "no_clinic", "contradicted"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
DRIVER, REGULATOR, EFFECTOR, PASSENGER, CONFOUNDER, PROLIFERATION, REGULATED, OTHER = (
    "driver", "regulator", "effector", "passenger", "confounder", "proliferation", "regulated", "none",
)  # fmt: skip
#: genes of the knock-down panel beside the chain
PANEL = 16


class Made(NamedTuple):
    """What a stream makes: file name -> its content (a table, text or an AnnData), and the lines of `[tables]` for
    it."""

    files: Mapping[str, Any]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """How much is measured: genes of the transcriptome, proteins of the proteome, patients of the survival cohort (two
    cohorts: a second of half the size), compounds of the screen, biological replicates of omics and of benches, drugs
    on the plates beside the sensitiser, animals per arm."""

    genes: int
    proteins: int
    patients: int
    library: int
    omics: int
    bench: int
    drugs: int
    animals: int


SIZES: Mapping[str, Size] = {
    "small": Size(genes=600, proteins=150, patients=160, library=60, omics=3, bench=3, drugs=2, animals=5),
    "full": Size(genes=2000, proteins=600, patients=320, library=300, omics=3, bench=4, drugs=8, animals=7),
}


@dataclass(frozen=True)
class Story:
    """Models, drugs and the chain drug -> driver -> regulator and effectors; log2 changes are resistant over
    parental.

    `resistant` maps a line to the drug that it was made resistant to (which is a therapy of the study). `ic50`
    gives µM of every drug in the parental line and in the resistant ones in that order; `knockdown` divides the
    IC50 of a resistant line when the driver is lowered, `also_lowered` those of other genes, `lowered_under` are
    drugs beside the selecting one under which the driver is lowered. `kd_um` is the binding constant of drug and
    driver, `variants` those of mutants (None: no binding), `target` the gene that the drug acts on (by default the
    driver), `also_engaged` how many other proteins the drug stabilises. `partners` names another sensitiser for a
    therapy, `treatment` (by default the drug) is what the transcriptome is treated with and `under_treatment` its
    log2 changes there, `rescue` the share of the killing that an inhibitor takes back, `arms` the labels of drugs
    in animals, `subgroup` a column of patients and its levels, the driver telling the prognosis in the first
    alone, `effector_clinic` the share of the driver's link with survival and response that the effectors have.
    `exposure` are the study's own plasma concentrations (µM), `questions` the genes whose regulators are asked for.
    """

    title: str
    about: str
    parental: str
    resistant: Mapping[str, str]
    normal: str
    driver: str
    regulator: str
    effectors: tuple[str, ...]
    drug: str
    ic50: Mapping[str, tuple[float, ...]]
    doses: tuple[float, ...]
    rna: tuple[float, ...]
    knockdown: float = 2.5
    regulator_rna: float = 1.1
    effector_rna: float = 0.7
    kd_um: float = 0.6
    metabolites: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    target: str = ""
    motif: str = "GGATGACTCAT"
    utr_site: str = "GTACTGTA"
    treatment: str = ""
    under_treatment: Mapping[str, float] = field(default_factory=dict)
    also_lowered: Mapping[str, float] = field(default_factory=dict)
    lowered_under: tuple[str, ...] = ()
    partners: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, float | None] = field(default_factory=lambda: {"Y48F": None})
    also_engaged: int = 1
    rescue: Mapping[str, float] = field(
        default_factory=lambda: {"NAC": 0.9, "Ferrostatin-1": 0.8, "Z-VAD-FMK": 0.1, "Necrosulfonamide": 0.0}
    )
    arms: Mapping[str, str] = field(default_factory=dict)
    subgroup: tuple[str, tuple[str, ...]] | None = None
    effector_clinic: float = 0.0
    questions: tuple[str, ...] = ()
    exposure: Mapping[str, float] = field(default_factory=dict)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.resistant)

    @property
    def therapies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.resistant.values()))

    @property
    def chain(self) -> tuple[str, ...]:
        """Driver, regulator (where it is a gene) and effectors."""
        return tuple(g for g in (self.driver, self.regulator, *self.effectors) if g)

    def partner(self, therapy: str) -> str:
        """The sensitiser that is combined with a therapy."""
        return self.partners.get(therapy, self.drug)


#: the default: a real chain, placed with effects of our own; IC50 values are S001-001 to S001-051
AKR1B1 = Story(
    title="Simulated: acquired lenvatinib and sorafenib resistance in Huh-7",
    about="Simulated; nothing here was measured. IC50 values without perturbation are those of a published study of "
    "these lines; every other effect, all noise, the passengers and the confounders are planted. The chain is real "
    "(epalrestat inhibits AKR1B1, the first enzyme of the polyol pathway); that it does what the tables say was made "
    "up for this study.",
    parental="Huh-7 P",
    resistant={"Huh-7 LR": "lenvatinib", "Huh-7 SR": "sorafenib"},
    normal="THLE-2",
    driver="AKR1B1",
    regulator="FOSL2",
    effectors=("SORD", "KHK", "DGAT1", "SLC7A11"),
    drug="epalrestat",
    ic50=huh7_ic50(),
    doses=(1.5, 3.0, 6.0, 12.0, 25.0),
    rna=(1.6, 1.3),
    metabolites={
        "sorbitol": 1.2, "fructose": 1.0, "fructose-1-phosphate": 0.8, "glycerol-3-phosphate": 0.6,
        "diacylglycerol": 0.5, "triacylglycerol": 0.8, "glucose": -0.3,
    },
    stages={"Huh-7 LR": (13.02, 19.15, 36.40, 50.61), "Huh-7 SR": (6.77, 9.46, 13.53, 19.46)},
)  # fmt: skip


def coded(gene: str) -> bool:
    """Whether a gene has a protein: not the long non-coding RNA whose symbols begin with SNHG or LINC."""
    return not gene.startswith(("SNHG", "LINC"))


@dataclass(frozen=True)
class Links:
    """Which links of the chain are planted: factors of the effect (0 = absent, -1 = with the wrong sign)."""

    expression: float = 1.0
    metabolism: float = 1.0
    intervention: float = 1.0
    engagement: float = 1.0
    clinic: float = 1.0
    patients: bool = True


LINKS: Mapping[Scenario, Links] = {
    "driver": Links(),
    "no_driver": Links(0.0, 0.0, 0.0, 0.0, 0.0),
    "no_expression": Links(expression=0.0),
    "no_clinic": Links(clinic=0.0, patients=False),
    "contradicted": Links(clinic=-1.0),
}


@dataclass(frozen=True)
class Plan:
    """One study to be made: `story`, `scenario`, `size`, `seed`."""

    story: Story = AKR1B1
    scenario: Scenario = "driver"
    size: Size = SIZES["full"]
    seed: int = 0

    @property
    def links(self) -> Links:
        return LINKS[self.scenario]

    def rng(self, stream: int) -> np.random.Generator:
        """A generator of its own for each stream, so that one stream does not move another."""
        return np.random.default_rng([self.seed, 20, stream])

    @property
    def panel(self) -> list[str]:
        """Genes that the laboratory followed up beside the chain, none of which drives anything: changed in the lines,
        some prognostic too."""
        role = self.genome["role"]
        few = [self.genome.loc[role == r, "gene"].head(PANEL // 2).tolist() for r in (PASSENGER, CONFOUNDER)]
        return [str(g) for g in few[0] + few[1]]

    @cached_property
    def genome(self) -> pd.DataFrame:
        """The planted truth, one row per gene: gene, role, level (log2 counts per million), sd (log2), one log2 change
        per resistant line (`change 0`, `change 1`), reversed (log2 change by the drug), hazard (log hazard ratio per
        SD), response (SD higher in non-responders)."""
        return _genome(self)


def _genome(plan: Plan) -> pd.DataFrame:
    story, links, rng = plan.story, plan.links, plan.rng(0)
    names, cycle = _names(story, plan.size.genes, rng)
    n = len(names)
    role = np.full(n, OTHER, dtype=object)
    at = {g: i for i, g in enumerate(names)}
    role[[at[g] for g in cycle]] = PROLIFERATION
    chain = dict.fromkeys(story.effectors, EFFECTOR) | {story.driver: DRIVER}
    if story.regulator:
        chain[story.regulator] = REGULATOR
    for gene, what in chain.items():
        role[at[gene]] = what
    targets = [at[g] for g in regulated(story, names)]
    role[targets] = REGULATED
    free = np.flatnonzero(role == OTHER)
    free = free[rng.permutation(len(free))]
    passengers, confounders = free[: int(0.08 * n)], free[int(0.08 * n) : int(0.11 * n)]
    role[passengers], role[confounders] = PASSENGER, CONFOUNDER

    lines = len(story.lines)
    # clonal drift: each line's own; passengers: shared by the lines, a consequence of resistance or of the clone
    change = 0.25 * rng.standard_normal((lines, n)) * (rng.random((lines, n)) < 0.5)
    change[:, passengers] += 1.2 * rng.standard_normal(len(passengers))
    hazard = np.where(rng.random(n) < 0.15, 0.12 * rng.standard_normal(n), 0.0)
    response = np.where(rng.random(n) < 0.05, 0.4 * rng.standard_normal(n), 0.0)
    sign = rng.choice([-1.0, 1.0], len(confounders))
    change[:, confounders] += sign * np.abs(rng.normal(0.8, 0.3, len(confounders)))
    hazard[confounders] = sign * np.abs(rng.normal(0.22, 0.08, len(confounders)))
    grows = role == PROLIFERATION
    change[:, grows] = -0.35 + 0.2 * rng.standard_normal(int(grows.sum()))  # resistant lines grow slowly
    hazard[grows] = response[grows] = 0.0  # by the shared factor of the cohort alone
    reversed_ = np.where(rng.random(n) < 0.05, 0.5 * rng.standard_normal(n), 0.0)

    for gene, what in chain.items():
        i = at[gene]
        hazard[i] = response[i] = reversed_[i] = 0.0
        sizes = {DRIVER: story.rna, REGULATOR: story.regulator_rna, EFFECTOR: story.effector_rna}
        own = np.broadcast_to(np.asarray(sizes[what], dtype=float), (lines,))
        change[:, i] = links.expression * own
        if what == EFFECTOR:
            change[:, i] = own * float(plan.scenario != "no_driver")
            reversed_[i] = -0.8 * story.effector_rna * links.engagement
    for gene, log2 in story.under_treatment.items():
        if gene in at:
            reversed_[at[gene]] = log2 * links.intervention
    change[:, targets] = 0.5 * float(plan.scenario != "no_driver") * links.expression
    for gene in story.effectors:
        share = story.effector_clinic * links.clinic
        hazard[at[gene]], response[at[gene]] = 0.55 * share, 1.1 * share
    d = at[story.driver]
    hazard[d], response[d] = 0.55 * links.clinic, 1.1 * links.clinic
    table = pd.DataFrame(
        {
            "gene": names, "role": role, "level": rng.normal(5.5, 1.6, n).clip(1.5, 11.0),
            "sd": np.sqrt(0.05 * 5 / rng.chisquare(6, n)), "reversed": reversed_, "hazard": hazard,
            "response": response,
        }
    )  # fmt: skip
    named = table["gene"].isin([*chain])
    table.loc[named, "level"] = table.loc[named, "level"].clip(lower=5.0)
    for k in range(lines):
        table[f"change {k}"] = change[k]
    return table


def _names(story: Story, n: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Symbols, the chain first, then enzymes and proliferation genes, then a draw of the others, then made-up ones;
    and which of them are of proliferation."""
    from rechallenge import knowledge

    sets = knowledge.table("gene_sets")
    cycle = sorted(set(sets.loc[sets["set"] == "proliferation", "gene"]))
    first = [*story.chain, *story.under_treatment, *story.also_lowered, *regulated(story, None)]
    first += [*knowledge.table("enzymes")["gene"], *cycle, *knowledge.table("regulators")["target"]]
    first = [g for g in dict.fromkeys(map(str, first)) if not g.startswith("hsa-")]
    others = sorted({*sets["gene"], *knowledge.table("target_genes")["symbol"], *knowledge.table("genes")["symbol"]})
    others = [str(g) for g in others if g not in set(first)]
    drawn = [others[i] for i in rng.permutation(len(others))]
    made = [f"SIM{i:05d}" for i in range(1, n + 1)]
    names = [*first, *drawn, *made][: max(n, len(first))]
    return names, [g for g in cycle if g not in {*story.chain, *story.under_treatment}]


def regulated(story: Story, names: list[str] | None) -> list[str]:
    """Other targets of the story's regulator: a dozen genes that the study's own regulon names."""
    own = ("MMP1", "MMP9", "PLAUR", "CCND1", "IL6", "VEGFA", "CD44", "ITGB4", "LIF", "TIMP1", "PLAU", "HMOX1")
    taken = {*story.chain, *story.under_treatment}
    if not story.regulator:
        return []
    return [g for g in own if g not in taken and (names is None or g in names)]
