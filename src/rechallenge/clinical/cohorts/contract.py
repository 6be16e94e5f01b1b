"""Tables of patients, in the words of a clinical data manager."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.clinical.cohorts.words import event_of, response_of
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place


def readable_outcomes(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Events that are neither yes nor no, events without a time, responses that no rule knows, treatment after the
    end."""
    for at, value in frame["event"].items():
        text = str(value).strip()
        if text and event_of(text) is None:
            yield Fault(
                "event", "this says neither that the event happened nor that it did not.",
                "Write 1 for the event (death, progression), 0 for none by the end of follow-up.",
                column="event", value=text[:60], **place(frame, at),
            )  # fmt: skip
    timed = frame["time"].notna()
    lone = frame.index[(frame["event"].astype(str).str.strip() != "") & ~timed]
    if len(lone):
        yield Fault(
            "event-without-time", "an event without its time cannot be used for survival.", "Fill in the time.",
            column="time", severity="warning", count=len(lone), **place(frame, lone[0]),
        )  # fmt: skip
    odd = [i for i, v in enumerate(frame["response"].astype(str)) if v.strip() and response_of(v) is None]
    if odd:
        yield Fault(
            "response", "this response is neither CR/PR (or responder) nor SD/PD (or non-responder); it counts as not "
            "known.", "Write CR, PR, SD, PD, responder or non-responder.", column="response",
            value=str(frame["response"].iloc[odd[0]])[:60], severity="warning", count=len(odd),
            **place(frame, frame.index[odd[0]]),
        )  # fmt: skip
    late = frame.index[timed & (frame["treatment_start"] >= frame["time"])]
    if len(late):
        yield Fault(
            "treatment-after-end", "treatment begins when follow-up has ended; the patient counts as never treated.",
            "Check both times: they must have one unit and one start.", column="treatment_start", severity="warning",
            count=len(late), **place(frame, late[0]),
        )  # fmt: skip


def one_row_each(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A patient has one row per endpoint; two would count twice."""
    keys = ["cohort", "patient", "endpoint"]
    twice = [i for i, again in enumerate(frame.duplicated(keys)) if again]
    for i in twice[:20]:
        yield Fault(
            "patient-twice", "this patient has another row for the same endpoint.",
            "Keep one row per patient and endpoint.", column="patient", value=str(frame["patient"].iloc[i]),
            **place(frame, frame.index[i]),
        )  # fmt: skip


PATIENTS = Contract(
    name="patients",
    about="Patients with follow-up, response and treatment: one row per patient (and endpoint, where there are "
    "several). Further columns are covariates. Several endpoints may instead stand side by side as OS and OS.time "
    "(TCGA) or OS_STATUS and OS_MONTHS (cBioPortal).",
    columns=(
        Column("patient", "name of the patient, as in the expression table", required=True,
               also=("patient id", "case id", "subject", "subject id", "bcr patient barcode", "submitter id")),
        Column("cohort", "study or hospital the patient is from", required=True,
               also=("dataset", "study", "study id", "cancer study")),
        Column("endpoint", "OS, DSS, DFS, PFS, ...", default="OS"),
        Column("time", "time from time zero to the event or the end of follow-up", "number", low=0.0,
               also=("survival time", "futime", "follow up")),
        Column("event", "1 = the event happened, 0 = not by then (a column of censoring is the other way round)",
               also=("status", "vital status", "fustat")),
        Column("time_unit", "days, weeks, months or years", choices=("", "days", "weeks", "months", "years"),
               default=""),
        Column("time_zero", "what the time counts from: diagnosis, surgery, start of treatment", default=""),
        Column("response", "best response: CR, PR, SD, PD, or responder, non-responder",
               also=("best response", "best overall response", "treatment outcome")),
        Column("best_change", "largest change of the tumour's diameters (per cent; negative = smaller)", "number",
               also=("best change percent", "best percent change", "best change from baseline")),
        Column("treatment", "drug given, or placebo; empty = none recorded", also=("arm", "drug", "therapy")),
        Column("treatment_start", "when that treatment began, in the unit of time, from the same time zero", "number",
               also=("start of treatment",)),
    ),
    rules=(readable_outcomes, one_row_each),
    example=(
        "patient,cohort,endpoint,time,event,time_unit,time_zero,age,stage\n"
        "P01,own,OS,24.3,1,months,surgery,61,II\n"
        "P02,own,OS,51.0,0,months,surgery,55,I\n"
    ),
)  # fmt: skip

PATIENT_EXPRESSION = Contract(
    name="patient_expression",
    about="Genes x patients, one data set per cohort; the sheet of samples says which patient and tissue a sample is.",
    reader="matrix",
    columns=(
        Column("feature", "gene symbol", required=True, refers="gene",
               also=("gene", "genes", "gene symbol", "symbol", "gene name", "gene id", "id", "hugo symbol", "ensembl",
                     "ensembl id", "index", "id ref", "probe")),
        Column("sample", "name of the sample, as in the matrix", required=True, also=("sample id", "geo accession")),
        Column("patient", "name of the patient, as in the table of patients; empty = the sample's name", default="",
               also=("patient id", "case id", "subject")),
        Column("tissue", "tumour or normal; empty = tumour (TCGA barcodes are understood)", default="",
               also=("sample type", "tissue type")),
        Column("batch", "run, centre or plate that samples share", default=""),
    ),
)  # fmt: skip

BIOMARKERS = Contract(
    name="biomarkers",
    about="A serum or tissue marker measured in cases and controls: one row per subject and marker.",
    columns=(
        Column("subject", "person measured", required=True, also=("patient", "patient id", "sample")),
        Column("cohort", "study or hospital", default="", also=("dataset", "study")),
        Column("group", "case or control, by any names", required=True, also=("diagnosis", "status", "class")),
        Column("marker", "name of the marker", required=True, also=("analyte", "protein")),
        Column("value", "its value", "number", required=True, measured=True, also=("concentration", "level")),
        Column("unit", "unit of the value", default=""),
    ),
    key=("subject", "cohort", "marker"),
    example="subject,group,marker,value,unit\nS1,HCC,AFP,230,ng/mL\nS2,cirrhosis,AFP,12,ng/mL\n",
)  # fmt: skip

PATIENT_CELLS = Contract(
    name="patient_cells",
    about="Single-cell counts per patient: how many of a patient's cells carry a marker or are in a state.",
    columns=(
        Column("patient", "name of the patient", required=True, also=("patient id", "donor", "subject")),
        Column("group", "what patients are compared on: recurrence, response", required=True,
               also=("outcome", "recurrence")),
        Column("marker", "gene, or state of cells", required=True, also=("gene", "state", "cluster")),
        Column("positive", "cells with it", "number", required=True, low=0.0, also=("positive cells",)),
        Column("cells", "cells looked at", "number", required=True, low=0.0, low_open=True, also=("total cells",)),
    ),
    key=("patient", "marker"),
    example="patient,group,marker,positive,cells\nP1,recurred,AKR1B1,21,1804\nP2,not recurred,AKR1B1,4,2230\n",
)  # fmt: skip
