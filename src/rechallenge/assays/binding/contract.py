"""What a table of binding measurements or docking scores must hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

WILD = frozenset({"", "wt", "wildtype", "wild type", "wild-type", "native", "none", "reference"})


def is_wild(label: object) -> bool:
    """Whether a variant label says the unchanged protein."""
    return str(label).strip().casefold() in WILD


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def phases_known(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A sensorgram must say when the ligand flows."""
    timed = frame["seconds"].notna()
    told = frame["phase"].fillna("").astype(str).str.strip().ne("") | frame["association_start"].notna()
    bad = frame.index[timed & ~told]
    if len(bad):
        yield Fault(
            "no-phase",
            "a sensorgram row that does not say whether ligand flows cannot be fitted.",
            "Add a column phase (baseline, association, dissociation), or association_start and association_end in "
            "seconds, as columns or in study.toml.",
            column="phase",
            count=len(bad),
            severity="warning",
            **place(frame, bad[0]),
        )


BINDING = Contract(
    name="binding",
    about="Binding of a ligand to a protein: sensorgrams (BLI, SPR) with one row per time, or responses at equilibrium "
    "with one row per concentration. Exports are read as they are: Octet `.frd`, Biacore Insight workbooks, and tables "
    "with a time column and one column per concentration (`50 nM`).",
    columns=(
        Column("protein", "gene symbol of the protein on the sensor", required=True, refers="gene",
               also=("target", "receptor", "immobilised", "immobilized")),
        Column("variant", "mutant, as V47A; wild type where empty", default="wild type", also=("mutant", "mutation")),
        Column("ligand", "what binds: drug or partner", required=True, also=("analyte", "drug", "compound")),
        Column("concentration_um", "of the ligand; 0 = blank", "number", required=True, unit="µM", low=0.0,
               also=("conc", "concentration", "analyte_concentration")),
        Column("seconds", "time in the cycle; empty for responses at equilibrium", "number", unit="s",
               also=("time", "time_s", "t")),
        Column("response", "signal (nm, RU, fluorescence)", "number", required=True, measured=True,
               also=("signal", "ru", "req", "shift")),
        Column("phase", "baseline, association or dissociation", also=("step", "step type")),
        Column("association_start", "when the ligand begins to flow, where phase is not given", "number", unit="s"),
        Column("association_end", "when it ceases to", "number", unit="s"),
        Column("cycle", "sensor, channel or injection cycle", also=("sensor", "channel", "curve")),
        Column("replicate", "independent experiment", default="1", also=("experiment", "run")),
        Column("method", "bli, spr, mst, ...", also=("technique", "instrument")),
    ),
    rules=(phases_known,),
    reader="rechallenge.assays.binding.reading:read",
    example=(
        "protein,variant,ligand,concentration_um,seconds,response,phase,replicate\n"
        "AKR1B1,wild type,epalrestat,10,0,0.00,baseline,1\n"
        "AKR1B1,wild type,epalrestat,10,30,0.21,association,1\n"
        "AKR1B1,wild type,epalrestat,10,90,0.12,dissociation,1\n"
    ),
)  # fmt: skip

DOCKING = Contract(
    name="docking",
    about="Scores of docked poses (AutoDock Vina and the like): one row per pose, or `.pdbqt` results as they are.",
    columns=(
        Column("protein", "gene symbol of the receptor", required=True, refers="gene", also=("target", "receptor")),
        Column("ligand", "what was docked", required=True, also=("drug", "compound")),
        Column("score_kcal_mol", "score of the pose; more negative is better", "number", required=True, measured=True,
               unit="kcal/mol", low=-50.0, high=100.0, also=("affinity", "score", "binding_energy")),
        Column("pose", "mode", also=("mode", "model number")),
        Column("program", "docking program and version", also=("software",)),
        Column("structure", "PDB entry or model of the receptor", also=("pdb",)),
    ),
    reader="rechallenge.assays.binding.docking:read",
    example=(
        "protein,ligand,score_kcal_mol,pose,program,structure\n"
        "AKR1B1,epalrestat,-9.4,1,AutoDock Vina 1.2,4JIR\n"
        "AKR1B1,epalrestat,-8.9,2,AutoDock Vina 1.2,4JIR\n"
    ),
)  # fmt: skip
