"""CAV1 and resistance to many kinase inhibitors, and the inhibitors of AXL and FGFR4 downstream of it.

The work is known to us by its abstract (doi:10.1038/s41419-025-07887-4), which prints no numbers: every size and every
IC50 is planted, the directions are published. CAV1 is up in resistant lines (S002-135) and non-responders (S002-147);
lowering it restores sensitivity (S002-136), lowers E-cadherin, RAC1 and p21 (S002-144) and, against what one would
expect, raises markers of stemness (S002-145); miR-7-5p has its site in the 3' UTR (S002-137); bemcentinib (BGB324) adds
to sorafenib (S002-140, S002-142) and BLU9931 to lenvatinib (S002-141, S002-143); rare CAV1-positive cells go with
recurrence (S002-148); high CAV1 tells the prognosis in patients with hepatitis B alone (S002-149). The names of the
lines are ours.
"""

from __future__ import annotations

from dataclasses import replace

from rechallenge.simulate.plan import SIZES as WHOLE
from rechallenge.simulate.plan import Made, Plan, Story
from rechallenge.simulate.streams import animals, bench, cells, omics, patients, readouts
from rechallenge.simulate.whole import Streams

STORY = Story(
    title="Simulated: CAV1, AXL and FGFR4 in resistance to several kinase inhibitors",
    about="Simulated from the abstract of the study of CAV1 in hepatocellular carcinoma, which prints no numbers; "
    "nothing here was measured. Directions are published, every size is planted.",
    parental="HCC P",
    resistant={"HCC SR": "sorafenib", "HCC LR": "lenvatinib"},
    normal="THLE-2",
    driver="CAV1",
    regulator="",
    effectors=("AXL", "FGFR4"),
    drug="bemcentinib",
    target="AXL",
    partners={"lenvatinib": "blu9931"},
    ic50={
        "sorafenib": (5.0, 16.0, 12.0), "lenvatinib": (9.0, 22.0, 34.0), "regorafenib": (4.5, 12.0, 11.0),
        "bemcentinib": (9.0, 7.5, 8.0), "blu9931": (14.0, 12.0, 10.0),
    },
    doses=(0.3, 0.6, 1.2, 2.5, 5.0),
    rna=(2.4, 2.0),
    effector_rna=0.9,
    knockdown=2.6,
    questions=("CAV1", "AXL", "FGFR4"),
    treatment="siCAV1",
    under_treatment={
        "CAV1": -2.0, "CDH1": -0.9, "RAC1": -0.7, "CDKN1A": -0.8, "PROM1": 0.8, "CD44": 0.6, "SOX2": 0.7,
    },
    utr_site="GTCTTCCA",  # 8mer of hsa-miR-7-5p
    subgroup=("hbv", ("positive", "negative")),
)  # fmt: skip
SIZES = {"full": replace(WHOLE["full"], patients=400), "small": WHOLE["small"]}


def measurements(made: Plan) -> Made:
    """Death, movement and signals under the knock-down, and a panel of knock-downs."""
    rng, n = made.rng(320), made.size.bench
    low = "siCAV1"
    rows: list[tuple[object, ...]] = []
    for line, drug in STORY.resistant.items():
        arms = [
            ("Annexin V positive", "%", readouts.SENSITISES, {f"{drug} + siNC": 8.0, f"{drug} + {low}": 29.0}),
            ("Invaded cells", "per field", "", {"siNC": 130.0, low: 48.0}),
            ("p-STAT3", "ratio to STAT3", readouts.RESISTS, {"siNC": 1.0, low: 0.4}),
            ("p-P70S6K", "ratio to P70S6K", readouts.RESISTS, {"siNC": 1.0, low: 0.5}),
            ("AMPKα", "ratio to actin", "", {"siNC": 1.0, low: 0.55}),
        ]
        rows += readouts.groups_of(arms, line, "CAV1", n, rng)
    planted = {"CAV1": 0.38, "AXL": 0.5, "FGFR4": 0.52, **dict.fromkeys(made.panel, 0.8)}
    rows += readouts.panel_of(made, planted, rng)
    return Made({"measurements.csv": readouts.table_of(rows)}, ('measurements = "measurements.csv"',))


def utr(made: Plan) -> Made:
    """The 3' UTR of CAV1, made up but for one site of miR-7."""
    out = readouts.sequences(made)
    return Made({"utrs.fa": out.files["utrs.fa"]}, ('utrs = "utrs.fa"',))


STREAMS: Streams = (
    bench.viability, bench.combination, omics.expression, omics.proteins, measurements, utr, animals.tumours,
    patients.cohorts, cells.cells,
)  # fmt: skip
