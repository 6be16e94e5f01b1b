"""Lefamulin, ILF3 and MRPL12 in HepG2 cells resistant to sorafenib (SR).

Published and planted: the library of 1,430 compounds with lefamulin, retapamulin and valnemulin as hits (S000-122,
S000-123), binding constants of 25.02 µM, 20.16 µM (V575A) and none (A99E) (S000-092 to S000-094), 27 engaged proteins
(S000-095), docking scores (S000-096), the site CTGTT at -435 to -431 of the promoter of MRPL12, -500 to +200
(S000-099), 21 responders and 46 others (S000-111, S000-115), what inhibitors take back (S000-126 to S000-129), six
animals an arm at 25 and 30 mg/kg (S000-125). Directions are published, sizes planted: ILF3 and MRPL12 up in resistant
cells (S000-114, S000-118), knock-downs of MRPL12, ILF3, GCN5 and CBP sensitise (S000-113, S000-117, S000-130,
S000-131), lefamulin lowers MRPL12 (S000-100) and the acetylation of ILF3 (S000-097) and not ILF3 itself (S000-098),
SNHG19, NTHL1, MRPL10 or MRPL11 (S000-102 to S000-105), MRPL12 and ILF3 high where survival is short and response absent
(S000-106 to S000-111, S000-115). IC50 values are not printed: planted.

"L02" is a problematic line (a derivative of HeLa); the program says so.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from rechallenge.simulate.plan import SIZES as WHOLE
from rechallenge.simulate.plan import Made, Plan, Story
from rechallenge.simulate.streams import animals, bench, omics, patients, readouts, target
from rechallenge.simulate.whole import Streams

STORY = Story(
    title="Simulated: lefamulin, ILF3 and MRPL12 in sorafenib-resistant HepG2",
    about="Simulated from the published design and numbers of the study of lefamulin and ILF3 in hepatocellular "
    "carcinoma; nothing here was measured. IC50 values and sizes of effects that it does not print are planted.",
    parental="HepG2",
    resistant={"HepG2 SR": "sorafenib"},
    normal="L02",
    driver="ILF3",
    regulator="KAT2A",
    effectors=("MRPL12",),
    drug="lefamulin",
    ic50={"sorafenib": (5.5, 14.0), "regorafenib": (5.0, 11.0), "lefamulin": (90.0, 80.0)},
    doses=(2.5, 5.0, 10.0, 20.0),  # S000-120: 10 to 20 µM
    rna=(0.8,),  # S000-118
    regulator_rna=0.0,
    effector_rna=1.0,
    effector_clinic=0.8,
    questions=("ILF3", "MRPL12"),
    knockdown=2.2,
    kd_um=25.02,
    variants={"V575A": 20.16, "A99E": None},
    also_engaged=26,
    also_lowered={"MRPL12": 2.0, "KAT2A": 1.8, "CREBBP": 1.7},
    under_treatment={"MRPL12": -0.9, "SNHG19": 0.0, "NTHL1": 0.0, "MRPL10": 0.0, "MRPL11": 0.0},
    rescue={"NAC": 0.95, "Ferrostatin-1": 0.45, "Z-VAD-FMK": 0.45, "Necrosulfonamide": 0.0},
    arms={"sorafenib": "sorafenib 30 mg/kg", "lefamulin": "lefamulin 25 mg/kg"},
)
SIZES = {
    "full": replace(WHOLE["full"], library=1430, animals=6),
    "small": replace(WHOLE["small"], animals=6),
}


def qpcr(made: Plan) -> Made:
    """Lefamulin lowers MRPL12 and leaves ILF3, SNHG19, NTHL1, MRPL10 and MRPL11 as they are."""
    still = dict.fromkeys(("SNHG19", "NTHL1", "MRPL10", "MRPL11"), 0.0)
    arms = {
        ("HepG2", "vehicle"): {"ILF3": 0.0, "MRPL12": 0.0, **still},
        ("HepG2 SR", "vehicle"): {"ILF3": 0.8, "MRPL12": 1.0, **still},
        ("HepG2 SR", "lefamulin"): {"ILF3": 0.8, "MRPL12": 0.1, **still},
        ("HepG2 SR", "siNC"): {"ILF3": 0.8, "MRPL12": 1.0},
        ("HepG2 SR", "siILF3"): {"ILF3": -1.2, "MRPL12": 0.0},
    }
    return Made({"qpcr.csv": readouts.cycles(arms, made.size.bench, made.rng(220))}, ('qpcr = "qpcr.csv"',))


def measurements(made: Plan) -> Made:
    """Acetylation and proteins under lefamulin, oxidative stress, and a panel of knock-downs."""
    rng, n, line = made.rng(221), made.size.bench, "HepG2 SR"
    arms = [
        ("ILF3 K100 acetylation", "ratio to ILF3", "", {"vehicle": 1.0, "lefamulin": 0.35}),
        ("ILF3 western", "ratio to actin", "", {"vehicle": 1.0, "lefamulin": 1.0}),
        ("MRPL12 western", "ratio to actin", "", {"vehicle": 1.0, "lefamulin": 0.45}),
        ("ROS", "fold of untreated", readouts.SENSITISES, {"sorafenib + siNC": 1.2, "sorafenib + siILF3": 2.1}),
        ("Annexin V positive", "%", readouts.SENSITISES, {"sorafenib + siNC": 10.0, "sorafenib + siILF3": 27.0}),
    ]
    rows = readouts.groups_of(arms, line, "ILF3", n, rng)
    planted = {"ILF3": 0.42, "MRPL12": 0.46, "KAT2A": 0.5, "CREBBP": 0.52, **dict.fromkeys(made.panel, 0.8)}
    rows += readouts.panel_of(made, planted, rng)
    return Made({"measurements.csv": readouts.table_of(rows)}, ('measurements = "measurements.csv"',))


def promoter(made: Plan) -> Made:
    """The promoter of MRPL12 answers to ILF3 through the site CTGTT at -435."""
    arms = {("-500/+200", ""): 2.8, ("-400/+200", ""): 1.05, ("-500/+200 mut", "-435 CTGTT"): 1.1}
    table = readouts.constructs(made, "MRPL12", "ILF3 OE", arms, made.rng(222))
    drawn = list(made.rng(223).choice(list("ACGT"), 700))
    drawn[65:70] = list("CTGTT")
    text = "".join(drawn)
    fasta = ">MRPL12 -500..+200 made up but for the site\n"
    fasta += "\n".join(text[i : i + 70] for i in range(0, 700, 70)) + "\n"
    files: dict[str, pd.DataFrame | str] = {"reporter.csv": table, "promoters.fa": fasta}
    return Made(files, ('reporter = "reporter.csv"', 'promoters = "promoters.fa"'))


def binding(made: Plan) -> Made:
    """Sensorgrams of the wild type and both mutants; the published scores of two structures."""
    out = target.binding(made)
    poses = pd.DataFrame(
        [("ILF3", "lefamulin", -7.0, 1, "unknown", "2L33"), ("ILF3", "lefamulin", -5.074, 1, "unknown",
                                                             "AF-Q12906-F1")],
        columns=["protein", "ligand", "score_kcal_mol", "pose", "program", "structure"],
    )  # fmt: skip
    return Made({**out.files, "docking.csv": poses}, out.tables)


STREAMS: Streams = (
    bench.viability, bench.combination, bench.screen, bench.sequences, omics.expression, omics.proteins, measurements,
    qpcr, promoter, target.thermal_shift, binding, animals.tumours, patients.cohorts,
)  # fmt: skip
