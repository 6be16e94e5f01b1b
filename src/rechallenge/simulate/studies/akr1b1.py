"""AKR1B1 and epalrestat in Huh-7 cells resistant to lenvatinib (LR) and sorafenib (SR).

Published and planted: every IC50 of Table 1 and Fig. S45 (S001-001 to S001-051), the stages (S001-041 to S001-048), the
IC30 doses of the combination (S001-052 to S001-054), two RNA replicates a group (S001-082), vesicles of 89 nm and
2.5e11 particles (S001-081), xenografts of five animals an arm at 50 and 5 mg/kg (S001-088), ALDOB below detection
(S001-086), the site CAGTGACTCAT in the promoter (S001-060), the prognosis in one of three subtypes alone (S001-080).
Directions are published, sizes planted: what the knock-down changes (S001-069 to S001-077), the medium (S001-081), the
synergy (S001-055, S001-056). Irinotecan in LR is no cross-resistance, as Table 1 says and the text does not (S001-089).
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from rechallenge.simulate import combinations, plan
from rechallenge.simulate.plan import Made, Plan, Size
from rechallenge.simulate.streams import animals, bench, cells, omics, patients, readouts
from rechallenge.simulate.whole import Streams

EIGHT = ("lenvatinib", "sorafenib", "regorafenib", "gefitinib", "lapatinib", "5-fluorouracil", "irinotecan",
         "oxaliplatin")  # fmt: skip
STORY = replace(
    plan.AKR1B1,
    title="Simulated: AKR1B1 and epalrestat in lenvatinib- and sorafenib-resistant Huh-7",
    about="Simulated from the published design and numbers of the study of AKR1B1 in drug-resistant Huh-7 cells; "
    "nothing here was measured. IC50 values are those that it prints; sizes of effects that it does not print are "
    "planted.",
    motif="CAGTGACTCAT",
    questions=("AKR1B1",),
    lowered_under=EIGHT,  # S001-076
    arms={"lenvatinib": "lenvatinib 5 mg/kg", "epalrestat": "epalrestat 50 mg/kg"},
    subgroup=("icluster", ("iCluster_3", "iCluster_1", "iCluster_2")),
)
SIZES = {
    "full": Size(genes=2000, proteins=300, patients=360, library=0, omics=2, bench=3, drugs=8, animals=5),
    "small": Size(genes=600, proteins=150, patients=150, library=0, omics=2, bench=3, drugs=2, animals=5),
}
#: µM: doses that inhibit by about 30 % (S001-052 to S001-054), and fractions of them that were combined
IC30 = {"epalrestat": 27.5, "lenvatinib": 43.32, "sorafenib": 8.89}
SHARES = (0.125, 0.25, 0.5, 1.0)


def combination(made: Plan) -> Made:
    """Fractions of the IC30 of both drugs in their resistant lines; synergy is published, its size planted."""
    parts = []
    for k, (line, therapy) in enumerate(STORY.resistant.items(), start=1):
        own, other = (
            combinations.Agent(d, STORY.ic50[d][k], 1.6, 1.0, tuple(round(s * IC30[d], 3) for s in SHARES))
            for d in (therapy, "epalrestat")
        )
        parts.append(combinations.matrix(own, other, model=line, interaction=2.0, replicates=made.size.bench,
                                         wells=1, hours=48, seed=100 * made.seed + k))  # fmt: skip
    return Made({"combination.csv": pd.concat(parts, ignore_index=True)}, ('combination = "combination.csv"',))


def measurements(made: Plan) -> Made:
    """What the knock-down changes in both lines (S001-069 to S001-075), and vessels of parental tumours (S001-083)."""
    rng, n = made.rng(120), made.size.bench
    low, resists, restores = "siAKR1B1", readouts.RESISTS, readouts.SENSITISES
    rows: list[tuple[object, ...]] = []
    for line, drug in STORY.resistant.items():
        arms = [
            ("Lipid droplets per cell", "droplets", "", {"siNC": 30.0, low: 15.0}),
            ("Triglyceride", "nmol/mg", "", {"siNC": 88.0, low: 47.0}),
            ("Fatty-acid oxidation", "pmol/min", "", {"siNC": 52.0, low: 33.0}),
            ("p-STAT3", "ratio to STAT3", resists, {"siNC": 1.0, low: 0.45}),
            ("SLC7A11 western", "ratio to actin", resists, {"siNC": 1.0, low: 0.5}),
            ("GSH", "nmol/mg", resists, {"siNC": 40.0, low: 24.0}),
            ("ROS", "fold of untreated", restores, {f"{drug} + siNC": 1.3, f"{drug} + {low}": 2.4}),
        ]
        rows += readouts.groups_of(arms, line, "AKR1B1", n, rng)
    rows += readouts.groups_of(  # lenvatinib 5 mg/kg, five tumours: 78.87 % fewer vessels
        [("Microvessel density", "per field", "", {"vehicle": 42.0, "lenvatinib": 42.0 * (1 - 0.7887)})],
        STORY.parental, "AKR1B1", 5, rng,
    )  # fmt: skip
    return Made({"measurements.csv": readouts.table_of(rows)}, ('measurements = "measurements.csv"',))


def expression(made: Plan) -> Made:
    """The lines, with ALDOB below detection (S001-086)."""
    out = omics.expression(made)
    rng = made.rng(121)
    for name in ("expression.csv", "escalation.csv"):
        table = out.files.get(name)
        if isinstance(table, pd.DataFrame):
            at = table["gene"] == "ALDOB"
            table.loc[at, table.columns[1:]] = rng.poisson(0.4, (int(at.sum()), table.shape[1] - 1))
    return out


def transfer(made: Plan) -> Made:
    """Medium of SR cells protects parental ones, no longer without exosomes or with GW4869 (S001-081)."""
    rng = made.rng(123)
    medium = {
        ("Huh-7 P", "none"): 0.36, ("Huh-7 SR", "none"): 0.66, ("Huh-7 SR", "exosome-depleted"): 0.40,
        ("Huh-7 SR", "GW4869"): 0.42,
    }  # fmt: skip
    table = bench.conditions(
        {(*k, "sorafenib", d): v if d else 1.0 for k, v in medium.items() for d in (0.0, 6.78)},
        ("medium", "modifier", "drug", "dose_um"), made.size.bench + 1, rng,
    ).assign(recipient="Huh-7 P")  # fmt: skip
    return Made({"transfer.csv": table}, ('transfer = "transfer.csv"',))


STREAMS: Streams = (
    bench.viability, combination, expression, omics.proteins, omics.metabolites, omics.fatty_acids, omics.beside,
    measurements, transfer, readouts.qpcr, readouts.elisa, readouts.sizes, readouts.reporter, readouts.sequences,
    animals.tumours, patients.cohorts, cells.cells,
)  # fmt: skip
