"""Seahorse: Wave workbooks, injections, parameters of wells and plates, contrasts, claims and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays.seahorse import comparisons, contract, figures, injections, parameters, wave
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export
from rechallenge.study import TableSource
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame(
    {"model": ["Line P", "Line R"], "role": ["parental", "resistant"], "parent": ["", "Line P"]}, dtype=object
)
#: planted rates: last basal, after oligomycin, after the uncoupler, after the inhibitors; and ECAR of the other test
OCR = {"Line P": (200.0, 80.0, 350.0, 40.0), "Line R": (120.0, 60.0, 110.0, 40.0)}
ECAR = {"Line P": (20.0, 30.0, 60.0, 10.0), "Line R": (20.0, 60.0, 70.0, 10.0)}


def run(seed: int = 0, plates: int = 4, noise: float = 1.0, mito: bool = True, glyco: bool = True) -> pd.DataFrame:
    """Tidy rates of both tests, three wells a group and plate, three measurements a phase."""
    rng = np.random.default_rng(seed)
    rows = []
    for p in range(plates):
        day = rng.normal(1, 0.05)
        for assay, table, on in (("mito", OCR, mito), ("glyco", ECAR, glyco)):
            kit = ("", *injections.STANDARD[assay])
            for model, rates in table.items() if on else ():
                for w in range(3):
                    for m in range(1, 13):
                        value = day * rates[(m - 1) // 3] + rng.normal(0, noise)
                        rows.append({"plate": f"run {p}", "well": f"{'AB'[assay == 'glyco']}{w + 1:02d}{model[-1]}",
                                     "group": f"{model} {assay.upper()}", "measurement": m, "minutes": 6.5 * m,
                                     "ocr": value if assay == "mito" else 50.0, "ecar": value,
                                     "injection": kit[(m - 1) // 3]})  # fmt: skip
    table = pd.DataFrame(rows).assign(_file="rates.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


@pytest.fixture(scope="module")
def rates() -> pd.DataFrame:
    return run()


@pytest.fixture(scope="module")
def wells(rates: pd.DataFrame) -> pd.DataFrame:
    return parameters.seahorse_wells(rates, MODELS)


@pytest.fixture(scope="module")
def plates(wells: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    return parameters.bioenergetics(wells, rates)


def real(shared: Path, *names: str, sheet: str = "") -> Any:
    source = TableSource(values=list(names), sheet=sheet)
    return wave.read_seahorse(source, shared / "data" / "metabolism" / "seahorse", contract.SEAHORSE)


# reading ------------------------------------------------------------------------------------------------------


def test_wave_workbooks_are_read_with_their_protocol(shared: Path) -> None:
    read = real(shared, "rep1.xlsx", "rep2.xlsx")
    assert len(read.frame) == 2304 and set(read.frame["plate"]) == {"rep1", "rep2"} and not read.faults
    by = read.frame.groupby("measurement")["injection"].first()
    assert by.loc[[3, 4, 7, 12]].tolist() == ["", "glucose / oligomycin", "monensin / FCCP", "2-DG / RotAnti"]
    assert (read.frame["flagged"] == "no").all()
    assert read.frame.loc[1, ["_sheet", "_row", "ocr"]].tolist() == ["Rate", 3, pytest.approx(305.24256180027)]


def test_unselected_wells_are_known_by_their_colour(shared: Path) -> None:
    """The nine wells that the test of the program seahtrue names for this workbook."""
    read = real(shared, "seahtrue_PBMC_donorA.xlsx")
    flagged = sorted(set(read.frame.loc[read.frame["flagged"] == "yes", "well"]))
    assert flagged == ["A05", "A06", "A07", "A08", "A12", "C08", "F03", "G12", "H09"]
    assert {"unselected", "normalised-there"} <= {f.code for f in read.faults}
    normal = real(shared, "seahtrue_PBMC_donorA.xlsx", sheet=wave.NORMALISED)
    assert normal.frame["ocr"].max() < read.frame["ocr"].max() and (normal.frame["_sheet"] == wave.NORMALISED).all()


def test_an_empty_sheet_is_a_fault_with_its_remedy(shared: Path) -> None:
    read = real(shared, "rep1.xlsx", sheet=wave.NORMALISED)
    fault = next(f for f in read.faults if f.code == "no-rates")
    assert "is empty" in fault.message and "sheet Rate" in fault.remedy and fault.file == "rep1.xlsx"


def test_tidy_tables_and_the_examples_keep_the_contract(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(contract.SEAHORSE.example, encoding="utf-8")
    read = wave.read_seahorse(TableSource(values=["s.csv"]), tmp_path, contract.SEAHORSE)
    assert not [f for f in read.faults if f.severity == "error"] and read.frame["ocr"].tolist() == [231, 92, 238, 95]
    (tmp_path / "i.csv").write_text(contract.INJECTIONS.example, encoding="utf-8")
    assert not [f for f in read_table(contract.INJECTIONS, "i.csv", folder=tmp_path).faults if f.severity == "error"]


@pytest.mark.parametrize(("value", "minutes"), [(1.5, 1.5), ("01:05:30", 65.5), ("", None), ("x", None)])
def test_times_of_wave(value: Any, minutes: float | None) -> None:
    got = wave._minutes(value)
    assert np.isnan(got) if minutes is None else got == minutes


# injections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "assay", "phase"),
    [("", "mito", "basal"), ("Oligomycin 1.5 uM", "mito", "oligomycin"), ("FCCP", "mito", "uncoupler"),
     ("BAM15", "mito", "uncoupler"), ("Rot/AA", "mito", "inhibitors"), ("rotenone + antimycin A", "mito", "inhibitors"),
     ("glucose / oligomycin", "glyco", "glucose"), ("glucose / oligomycin", "mito", "oligomycin"),
     ("oligomycin", "glyco", "capacity"), ("monensin / FCCP", "glyco", "capacity"), ("2-DG", "glyco", "2-DG"),
     ("Media", "mito", "")],
)  # fmt: skip
def test_phases(text: str, assay: str, phase: str) -> None:
    assert injections.phase_of(text, assay) == phase


def test_injections_come_from_the_table_else_the_rates_else_the_kit(rates: pd.DataFrame) -> None:
    bare = rates.assign(injection="")
    wanted = parameters.labelled(rates, MODELS)["phase"].tolist()
    assert parameters.labelled(bare, MODELS)["phase"].tolist() == wanted
    own = pd.DataFrame({"first_measurement": [4, 7, 10], "injection": ["FCCP", "oligomycin", "rot/AA"],
                        "assay": "mito"})  # fmt: skip
    mine = parameters.labelled(bare, MODELS, own)
    mito = mine[mine["assay"] == "mito"].groupby("measurement")["phase"].first()
    assert mito.loc[[3, 4, 7, 10]].tolist() == ["basal", "uncoupler", "oligomycin", "inhibitors"]


def test_groups_name_models_treatments_and_assays(rates: pd.DataFrame) -> None:
    table = parameters.labelled(rates.assign(group=rates["group"].str.replace("Line R", "line-r + drug")), MODELS)
    assert set(table["model"]) == {"Line P", "Line R"} and set(table["assay"]) == {"mito", "glyco"}
    assert set(table.loc[table["model"] == "Line R", "treatment"]) == {"drug"}


# parameters ---------------------------------------------------------------------------------------------------


def test_the_published_parameters_of_every_well(shared: Path) -> None:
    """184 wells; the reference leaves out the first measurement after each injection."""
    read = real(shared, "rep1.xlsx", "rep2.xlsx").frame
    got = parameters.seahorse_wells(read, MODELS, settle=1)
    file = shared / "data" / "metabolism" / "seahorse" / "lab_expected_agilent_parameters_per_well.tsv"
    wanted = pd.read_csv(file, sep="\t").melt(["replicate", "well", "group", "assay"], var_name="name").dropna()
    names = {"non_mito": "non_mitochondrial", "spare": "spare_capacity", "nonglycolytic": "non_glycolytic",
             "glyc_capacity": "glycolytic_capacity", "glyc_reserve": "glycolytic_reserve"}  # fmt: skip
    wanted["parameter"] = wanted["name"].replace(names)
    wanted["plate"] = "rep" + wanted["replicate"].astype(str)
    both = wanted.merge(got, on=["plate", "well", "parameter"], how="left", suffixes=("_want", ""))
    assert len(both) == 920 and np.abs(both["value"] - both["value_want"]).max() < 1e-9
    spare = got[(got["parameter"] == "spare_capacity") & (got["group"] == "Group_4") & got["used"]]
    assert (spare["value"] < 0).any(), "a negative spare capacity is kept, not hidden"
    assert set(got.loc[~got["used"], "reason"]) == {"background well"}


def test_rates_of_atp_production_follow_the_published_ones(shared: Path) -> None:
    """The means of the program ceas (measurements 3, 6, 8 and 12, pH 7.4, pKa 6.093, buffer 0.1)."""
    read = real(shared, "rep1.xlsx", "rep2.xlsx").frame
    rate = {(a, r): read[read["group"] == f"Group_1 {a}"].pivot_table(index=["plate", "well"], columns="measurement",
                                                                     values=r) for a in ("MITO", "GLYCO")
            for r in ("ocr", "ecar")}  # fmt: skip
    o = rate["MITO", "ocr"]
    respired = parameters.atp_from_respiration(o[3] - o[12], o[3] - o[6])  # type: ignore[arg-type]
    assert respired.mean() == pytest.approx(1100.04676, abs=1e-4)  # type: ignore[attr-defined]
    assert respired.std() == pytest.approx(72.259354, abs=1e-5)  # type: ignore[attr-defined]
    e = rate["GLYCO", "ecar"]
    with_glucose = rate["GLYCO", "ocr"][6] - o[12].mean()
    made = parameters.atp_from_glycolysis(e[6], with_glucose)
    assert made.mean() == pytest.approx(124.138116, abs=1e-5)
    assert made.std() == pytest.approx(24.0928005, abs=1e-6)


def test_planted_rates_are_told_back(plates: pd.DataFrame) -> None:
    whole = plates[plates["level"] == "all plates"].set_index(["group", "parameter"])["value"]
    for model, (basal, oligo, top, rest) in OCR.items():
        for name, value in (("basal", basal - rest), ("atp_linked", basal - oligo), ("maximal", top - rest),
                            ("spare_capacity", top - basal), ("proton_leak", oligo - rest)):  # fmt: skip
            assert whole[model, name] == pytest.approx(value, abs=0.06 * abs(top)), (model, name)
    assert whole["Line R", "spare_capacity"] < 0
    assert whole["Line P", "glycolysis"] == pytest.approx(10, abs=3)
    assert whole["Line R", "glycolytic_reserve"] == pytest.approx(10, abs=4)


def test_plates_are_the_replicates(plates: pd.DataFrame) -> None:
    one = plates[(plates["group"] == "Line P") & (plates["parameter"] == "basal")]
    per = one[one["level"] == "plate"]
    whole = one[one["level"] == "all plates"].iloc[0]
    assert (per["n"] == 3).all() and whole["n"] == 4 and whole["n_wells"] == 12 and whole["plate"] == "all"
    low, high = stats.t.interval(0.95, 3, per["value"].mean(), per["value"].std(ddof=1) / 2)
    assert (whole["ci_low"], whole["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert whole["source_rows"].startswith("rates.csv:2-")


def test_left_out_wells_are_listed_with_their_reason(rates: pd.DataFrame) -> None:
    table = rates.copy()
    table["flagged"] = np.where((table["plate"] == "run 0") & (table["well"] == "A01P"), "yes", "no")
    dead = (table["plate"] == "run 1") & (table["well"] == "A02P")
    table.loc[dead, "ocr"] = -3.0
    empty = table[table["well"] == "A03R"].assign(well="H12", group="Background")
    table = pd.concat([table, empty], ignore_index=True)
    got = parameters.seahorse_wells(table, MODELS)
    why = got[~got["used"]].groupby("reason")["well"].unique()
    assert list(why["unselected in the instrument's program"]) == ["A01P"]
    assert list(why["no respiration: the basal rate is not above 0"]) == ["A02P"]
    assert list(why["background well"]) == ["H12"]
    out = parameters.bioenergetics(got, table)
    one = out[(out["plate"] == "run 0") & (out["group"] == "Line P") & (out["parameter"] == "basal")].iloc[0]
    assert one["n_wells"] == 2 and one["n_left_out"] == 1 and "unselected" in one["reason"]
    assert "Background" not in set(out["group"])


def test_a_test_without_oligomycin_has_no_leak(rates: pd.DataFrame) -> None:
    mito = rates[rates["group"].str.contains("MITO") & ~rates["injection"].eq("oligomycin")]
    out = parameters.bioenergetics(parameters.seahorse_wells(mito, MODELS), mito)
    leak = out[(out["parameter"] == "proton_leak") & (out["level"] == "all plates")]
    assert (leak["status"] == "not_estimable").all() and leak["value"].isna().all()
    assert leak["reason"].str.contains("without oligomycin it is not determined").all()
    assert out.loc[out["parameter"] == "maximal", "value"].notna().all()


def test_normalisers_divide(rates: pd.DataFrame) -> None:
    twice = parameters.seahorse_wells(rates.assign(normaliser=2.0), MODELS)
    once = parameters.seahorse_wells(rates, MODELS)
    basal = once["parameter"] == "basal"
    assert np.allclose(2 * twice.loc[basal, "value"], once.loc[basal, "value"])


# contrasts ----------------------------------------------------------------------------------------------------


def test_groups_are_compared_across_plates(plates: pd.DataFrame) -> None:
    out = comparisons.bioenergetics_contrasts(plates, MODELS)
    row = out.set_index("parameter")
    assert row.loc["basal", "effect"] == pytest.approx(-80, abs=10) and row.loc["basal", "direction"] == -1
    assert row.loc["glycolysis", "direction"] == 1 and row.loc["basal", "n"] == 4
    assert (
        row.loc["basal", "design"].startswith("replicate as block")
        and row.loc["basal", "contrast"] == "Line R vs Line P"
    )
    assert row.loc["non_mitochondrial", "direction"] == 0
    claims = check(comparisons.bioenergetics_claims(out))
    glycolysis = claims[claims["entity"] == "glycolysis"].iloc[0]
    assert glycolysis["direction"] == 1 and "n = 4 plates, plate as block" in glycolysis["claim"]
    assert set(claims["entity_type"]) == {"pathway"}


def test_one_plate_is_not_tested(rates: pd.DataFrame) -> None:
    one = rates[rates["plate"] == "run 0"]
    out = parameters.bioenergetics(parameters.seahorse_wells(one, MODELS), one)
    compared = comparisons.bioenergetics_contrasts(out, MODELS)
    assert compared["p_value"].isna().all() and (compared["status"] == "not_testable").all()
    check(comparisons.bioenergetics_claims(compared))


def test_two_plates_say_how_little_they_tell(rates: pd.DataFrame) -> None:
    two = rates[rates["plate"].isin(["run 0", "run 1"])]
    out = parameters.bioenergetics(parameters.seahorse_wells(two, MODELS), two)
    compared = comparisons.bioenergetics_contrasts(out, MODELS)
    assert (compared["status"] == "estimated").all() and (compared["df"] == 1).all()
    assert (compared["reason"] == comparisons.TWO_PLATES).all()
    assert stats.t.ppf(0.975, [1, 2]).round(1).tolist() == [12.7, 4.3], "the numbers of the sentence"
    assert check(comparisons.bioenergetics_claims(compared))["claim"].str.contains("two plates leave one").all()


def perturbed(plates: int = 4, share: float = 0.5) -> pd.DataFrame:
    """The plates of `run`, with the resistant line once more under siNC, siAKR1B1, epalrestat; glycolysis of the
    knock-down and the drug lies between line and parent (share)."""
    table = run(plates=plates, mito=False)
    line = table[table["group"] == "Line R GLYCO"]
    parts = [table]
    for k, name in enumerate(("siNC", "siAKR1B1", "epalrestat")):
        part = line.assign(well=line["well"] + str(k), group=f"Line R {name} GLYCO")
        back = np.where(part["injection"] == "glucose", 40.0 * share, 0.0) if name != "siNC" else 0.0
        shift = np.random.default_rng(k).normal(0, 0.5, len(part))
        parts.append(part.assign(ecar=part["ecar"] - back + shift))
    out = pd.concat(parts, ignore_index=True)
    out["_row"] = range(2, len(out) + 2)
    return out


def test_a_lowered_gene_is_compared_with_its_control_and_claims_for_itself() -> None:
    table = perturbed()
    out = parameters.bioenergetics(parameters.seahorse_wells(table, MODELS), table)
    compared = comparisons.bioenergetics_contrasts(out, MODELS)
    row = compared[(compared["gene"] == "AKR1B1") & (compared["parameter"] == "glycolysis")]
    assert list(row["contrast"]) == ["Line R: siAKR1B1 vs siNC"] and row["sense"].iloc[0] == -1
    assert row["effect"].iloc[0] == pytest.approx(-20, abs=4) and row["gene_direction"].iloc[0] == 1
    claims = check(comparisons.bioenergetics_gene_claims(compared))
    assert set(claims["entity"]) == {"AKR1B1"} and set(claims["entity_type"]) == {"gene"}
    assert set(claims["level"]) == {"intervention"} and set(claims["stream"]) == {"bioenergetics"}
    glycolysis = claims[claims["claim"].str.contains("glycolysis ")].set_index("contrast")
    assert glycolysis.loc["Line R: siAKR1B1 vs siNC", "direction"] == 1
    assert "AKR1B1 lowered" in glycolysis.loc["Line R: siAKR1B1 vs siNC", "claim"]
    drug = glycolysis.loc["Line R: epalrestat vs vehicle"]
    assert drug["direction"] == 0 and "epalrestat is listed as its inhibitor" in drug["claim"]
    other = claims[claims["claim"].str.contains("glycolytic capacity")]
    assert (other["direction"] == 0).all() and other["claim"].str.contains("not shown").all()


def test_a_change_of_respiration_alone_names_no_gene(plates: pd.DataFrame) -> None:
    compared = comparisons.bioenergetics_contrasts(plates, MODELS)
    assert (compared["gene"] == "").all() and comparisons.bioenergetics_gene_claims(compared).empty


def test_a_reference_group_serves_where_no_model_is_named(rates: pd.DataFrame) -> None:
    none = MODELS.assign(model=["A", "B"], parent=["", "A"])
    out = parameters.bioenergetics(parameters.seahorse_wells(rates, none), rates)
    with pytest.raises(NotApplicable, match="reference group"):
        comparisons.bioenergetics_contrasts(out, none)
    compared = comparisons.bioenergetics_contrasts(out, none, reference="Line P")
    assert set(compared["contrast"]) == {"Line R vs Line P"} and (compared["direction"] == 0).all()


def test_rows_have_no_order(rates: pd.DataFrame, plates: pd.DataFrame) -> None:
    mixed = rates.sample(frac=1, random_state=4)
    again = parameters.bioenergetics(parameters.seahorse_wells(mixed, MODELS), mixed)
    pd.testing.assert_frame_equal(again, plates)


def test_figures(rates: pd.DataFrame, plates: pd.DataFrame) -> None:
    for chart in (figures.seahorse_traces(rates, MODELS), figures.bioenergetics_plates(plates),
                  figures.bioenergetics_forest(comparisons.bioenergetics_contrasts(plates, MODELS))):  # fmt: skip
        assert export("f", chart)["pdf"].startswith(b"%PDF")


@pytest.mark.slow
def test_nothing_is_called_where_nothing_differs() -> None:
    """Both groups alike, three plates: p < .05 within binomial error of 5 %."""
    p = []
    for seed in range(120):
        table = run(seed, plates=3, noise=6.0, glyco=False)
        table["group"] = np.where(table["well"].str[1:3] == "01", "Line P MITO", "Line R MITO")
        table = table[table["well"].str.endswith("P")]
        out = parameters.bioenergetics(parameters.seahorse_wells(table, MODELS), table)
        row = comparisons.bioenergetics_contrasts(out, MODELS).set_index("parameter")
        p.append(row.loc["basal", "p_value"])
    low, high = stats.binom.ppf([0.0005, 0.9995], len(p), 0.05)
    assert low <= np.less(p, 0.05).sum() <= high
