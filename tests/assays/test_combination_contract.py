"""What tables of combinations look like in the wild, and what is said of their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from combination_examples import FLAT, A, B, experiment, with_origin

from rechallenge.assays.combination import COMBINATION, combination_responses
from rechallenge.faults import Fault
from rechallenge.simulate.combinations import Agent
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["tumour", "OCUBM"], "role": ["resistant", "other"]})


def read(tmp_path: Path, text: str | pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    path = tmp_path / "c.csv"
    if isinstance(text, str):
        path.write_text(text, encoding="utf-8")
    else:
        text.drop(columns=[c for c in ("_file", "_sheet", "_row") if c in text]).to_csv(path, index=False)
    found = read_table(COMBINATION, "c.csv", folder=tmp_path, models=MODELS)
    return found.frame, list(found.faults)


def codes(faults: list[Fault], *severities: str) -> set[str]:
    return {f.code for f in faults if not severities or f.severity in severities}


def test_the_example_reads_without_an_error(tmp_path: Path) -> None:
    models = pd.DataFrame({"model": ["Huh-7 LR"], "role": ["resistant"]})
    (tmp_path / "c.csv").write_text(COMBINATION.example, encoding="utf-8")
    found = read_table(COMBINATION, "c.csv", folder=tmp_path, models=models)
    assert len(found.frame) == 4 and not codes(list(found.faults), "error")
    assert {"few-doses", "one-replicate"} <= codes(list(found.faults), "warning")


def test_a_simulated_study_has_nothing_to_mend(tmp_path: Path) -> None:
    frame, faults = read(tmp_path, experiment(noise=0.01))
    assert len(frame) == 3 * 2 * 36 and codes(faults, "error", "warning") == set()


def test_the_headings_of_other_programs_are_known(tmp_path: Path) -> None:
    text = (
        "drug_row,drug_col,cell_line_name,conc_r,conc_c,conc_r_unit,conc_c_unit,inhibition (%),rep\n"
        "MK-1775,Niraparib,OCUBM,0,0,nM,uM,-0.5,1\n"
        "MK-1775,Niraparib,OCUBM,500,0,nM,uM,40,1\n"
        "MK-1775,Niraparib,OCUBM,0,2,nM,uM,25,1\n"
        "MK-1775,Niraparib,OCUBM,500,2,nM,uM,90,1\n"
    )
    frame, faults = read(tmp_path, text)
    assert not codes(faults, "error")
    assert frame["dose_a_um"].tolist() == [0, 0.5, 0, 0.5] and frame["inhibition"].tolist() == [-0.005, 0.4, 0.25, 0.9]
    found = combination_responses(frame)
    assert found["inhibition"].tolist() == pytest.approx([-0.005, 0.25, 0.4, 0.9])


def test_per_cent_in_place_of_a_fraction_is_refused(tmp_path: Path) -> None:
    table = experiment(replicates=1)
    _, faults = read(tmp_path, table.assign(viability=100 * table["viability"]))
    assert codes(faults, "error"), "a per cent is not a fraction"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda t: t[~((t["dose_a_um"] == 2) & (t["dose_b_um"] == 0))], "no-single-agent", "alpha alone was not"),
        (lambda t: t[(t["dose_a_um"] > 0) | (t["dose_b_um"] > 0)], "no-vehicle", "cannot be seen whether vehicle is 1"),
        (lambda t: t.assign(viability=0.7 * t["viability"]), "vehicle-not-one", "used as given"),
        (lambda t: t[~((t["dose_a_um"] == 2) & (t["dose_b_um"] == 1))], "hole", "1 of 25 combinations are missing"),
        (lambda t: t[t["replicate"] == "1"], "one-replicate", "without interval or test"),
        (lambda t: t.assign(dose_a_um=t["dose_a_um"].replace(8, 80)), "wide-step", "jumps 20-fold from 4 to 80"),
        (lambda t: t[t["dose_b_um"].isin([0, 1, 2])], "few-doses", "beta at 2 doses"),
        (lambda t: t[(t["dose_a_um"] == 0) | (t["dose_b_um"] == 0)], "no-combination", "no well holds both drugs"),
        (lambda t: t.assign(dose_a_um=1e4 * t["dose_a_um"]), "dose-unit", "look like nM"),
    ],
)  # fmt: skip
def test_what_a_design_lacks_is_said(tmp_path: Path, change: Any, code: str, said: str) -> None:
    _, faults = read(tmp_path, change(experiment(noise=0.01)))
    found = [f for f in faults if f.code == code]
    assert found and said in found[0].message and found[0].severity in ("warning", "note") and found[0].file == "c.csv"
    assert not codes(faults, "error")


def test_a_drug_in_two_spellings_is_named(tmp_path: Path) -> None:
    table = experiment(noise=0.01)
    table.loc[table["replicate"] == "2", "drug_b"] = "Beta"
    _, faults = read(tmp_path, table)
    assert "drug-name" in codes(faults, "warning")


def test_a_dose_without_drug_and_a_drug_without_dose_are_errors(tmp_path: Path) -> None:
    table = experiment(replicates=1, wells=1, noise=0.01)
    bad = table.copy()
    both = (bad["dose_a_um"] > 0) & (bad["dose_b_um"] > 0)
    bad.loc[both.idxmax(), "drug_b"] = ""
    _, faults = read(tmp_path, bad)
    assert "dose-without-drug" in codes(faults, "error")
    bare = table.drop(columns="replicate")
    _, faults = read(tmp_path, bare)
    assert "missing-column" in codes(faults, "error")


def test_raw_plates_need_their_vehicle(tmp_path: Path) -> None:
    raw = experiment(raw=True, noise=0.01)
    frame, faults = read(tmp_path, raw)
    assert not codes(faults, "error") and combination_responses(frame)["excluded"].eq("").all()
    _, faults = read(tmp_path, raw[raw["well_type"] != "vehicle"])
    assert "no-vehicle" in codes(faults, "error")
    _, faults = read(tmp_path, raw[raw["well_type"] != "blank"])
    assert "no-blank" in codes(faults, "note")


def test_excluded_wells_are_left_out_and_listed(tmp_path: Path) -> None:
    table = experiment(noise=0.01)
    table["exclude"] = ""
    table.loc[table.index[5], "exclude"] = "bubble"
    frame, _ = read(tmp_path, table)
    found = combination_responses(frame)
    assert found["excluded"].eq("left out: bubble").sum() == 1
    kept = found[found["excluded"] == ""]
    assert kept["n_wells"].sum() == len(table) - 1


def test_wells_belong_to_the_pairs_that_hold_their_drugs() -> None:
    tables = [experiment(A, B, replicates=1, wells=1), experiment(A, FLAT, replicates=1, wells=1)]
    third = experiment(Agent("gamma", 1.0, doses=B.doses), B, replicates=1, wells=1)
    found = combination_responses(with_origin(pd.concat([*tables, third], ignore_index=True)))
    sizes = found.groupby(["drug_a", "drug_b"]).size()
    assert sizes.to_dict() == {("alpha", "beta"): 36, ("alpha", "inert"): 36, ("gamma", "beta"): 36}
    bare = with_origin(pd.concat(tables, ignore_index=True))
    alone = (bare["dose_a_um"] > 0) & (bare["dose_b_um"] == 0)
    shared = pd.concat([bare[~alone], bare[alone & (bare["drug_b"] == "beta")].assign(drug_b="vehicle")])
    sizes = combination_responses(shared).groupby(["drug_a", "drug_b"]).size()
    assert sizes.to_dict() == {("alpha", "beta"): 36, ("alpha", "inert"): 36}
