"""The starter tables on drugs, liver safety and cell lines: their form, and the questions they must answer."""

from __future__ import annotations

import csv
import math
import re
from importlib.resources import files
from pathlib import Path

import pytest

DATA = files("rechallenge").joinpath("knowledge", "data")

COLUMNS = {
    "drugs": "drug synonyms salts inchikey cas drug_class atc status note source",
    "drug_targets": "drug target action potency_nm potency_type primary source licence_note",
    "approvals": "drug agency state year indication source",
    "exposure": "drug quantity state value unit dose regimen population source confidence note",
    "hepatic_safety": "drug dili_class severity label_note withdrawn_for_liver source",
    "administration": "drug use route source",
    "cell_lines": "name synonyms problem actual claimed register note source",
}
KEYS = {
    "drugs": ["drug"],
    "drug_targets": ["drug", "target"],
    "approvals": ["drug", "agency"],
    "exposure": ["drug", "quantity", "state", "dose", "regimen", "population", "source", "value"],
    "hepatic_safety": ["drug", "source"],
    "administration": ["drug"],
    "cell_lines": ["name"],
}
ALLOWED = {
    ("drugs", "status"): {"approved", "investigational", "withdrawn", "tool"},
    ("drug_targets", "action"): {"inhibitor", "agonist", "antagonist", "antibody", "modulator", "binder"},
    ("drug_targets", "potency_type"): {"IC50", "Ki", "Kd", "EC50", ""},
    ("drug_targets", "primary"): {"yes", "no"},
    ("approvals", "agency"): {"FDA", "EMA", "PMDA", "NMPA", "other"},
    ("approvals", "state"): {"approved", "withdrawn", "never", "unknown"},
    ("exposure", "state"): {"single_dose", "steady_state", "unknown"},
    ("exposure", "quantity"): {
        "cmax_total", "cmax_free", "cavg_ss", "ctrough_ss", "plasma_range_low", "plasma_range_high",
        "tissue_total", "fraction_unbound", "protein_bound_percent", "cl_f",
    },
    ("exposure", "confidence"): {
        "label", "primary", "review", "derived", "contested", "unknown",
        "secondary compilation, primary not named",
    },
    ("hepatic_safety", "dili_class"): {"most", "less", "no", "ambiguous", ""},
    ("hepatic_safety", "withdrawn_for_liver"): {"yes", "no", "unknown"},
    ("administration", "use"): {"human", "veterinary"},
    ("administration", "route"): {"oral", "intravenous", "oral|intravenous", "topical", ""},
    ("cell_lines", "problem"): {"misidentified", "contaminated", "wrong_tissue"},
}  # fmt: skip
UNIT_OF = {"fraction_unbound": "fraction", "protein_bound_percent": "percent", "cl_f": "L/h"}
PLASMA_TOTAL = {"cmax_total", "cavg_ss", "ctrough_ss", "plasma_range_low", "plasma_range_high"}
TESTED_LENVATINIB_UM = 43.32  # a dose that a published combination experiment called an IC30

# Every compound of the four studies that the program is modelled on, under the name that the study uses.
STUDY_NAMES = {
    "Lenvatinib": "lenvatinib", "Sorafenib": "sorafenib", "Regorafenib": "regorafenib",
    "Gefitinib": "gefitinib", "Lapatinib": "lapatinib", "5-Fluorouracil": "fluorouracil",
    "Irinotecan": "irinotecan", "Oxaliplatin": "oxaliplatin", "epalrestat": "epalrestat",
    "XAV939": "xav-939", "GW4869": "gw4869", "lefamulin": "lefamulin", "retapamulin": "retapamulin",
    "valnemulin": "valnemulin", "NAC": "acetylcysteine", "Ferrostatin-1": "ferrostatin-1",
    "Z-VAD-FMK": "z-vad-fmk", "necrosulfonamide": "necrosulfonamide", "MB-3": "mb-3",
    "PF-CBP1": "pf-cbp1", "BGB324": "bemcentinib", "BLU9931": "blu9931", "celastrol": "celastrol",
    "triptolide": "triptolide", "LY294002": "ly294002", "SC79": "sc79",
}  # fmt: skip


def table(name: str) -> list[dict[str, str]]:
    """Rows of one table, in file order."""
    return list(csv.DictReader(DATA.joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines()))


def of(name: str, drug: str) -> list[dict[str, str]]:
    return [row for row in table(name) if row["drug"] == drug]


def fold(text: str) -> str:
    """Name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def names_of(row: dict[str, str], columns: tuple[str, ...]) -> list[str]:
    return [part for column in columns for part in row[column].split("|") if part]


def targets(drug: str, primary: str = "yes") -> set[str]:
    return {row["target"] for row in of("drug_targets", drug) if row["primary"] == primary}


@pytest.mark.parametrize("name", COLUMNS)
def test_form(name: str) -> None:
    raw = DATA.joinpath(f"{name}.csv").read_bytes()
    assert b"\r" not in raw and raw.endswith(b"\n") and not raw.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(raw.decode("utf-8").splitlines()))
    assert lines[0] == COLUMNS[name].split()
    assert {len(line) for line in lines} == {len(lines[0])}
    rows = table(name)
    keys = [tuple(row[column] for column in KEYS[name]) for row in rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row["source"].strip()
        assert row[KEYS[name][0]].strip()
        for value in row.values():
            assert value == value.strip()
            assert value.lower() not in {"nan", "none", "null", "na"}
            assert not value.startswith(("/", "~", "file:"))


@pytest.mark.parametrize(("name", "column"), list(ALLOWED))
def test_vocabulary(name: str, column: str) -> None:
    assert {row[column] for row in table(name)} <= ALLOWED[(name, column)]


def test_enough_drugs() -> None:
    assert len(table("drugs")) >= 150


@pytest.mark.parametrize("name", ["drug_targets", "approvals", "exposure", "hepatic_safety", "administration"])
def test_every_drug_is_listed(name: str) -> None:
    assert {row["drug"] for row in table(name)} <= {row["drug"] for row in table("drugs")}


def test_identifiers_are_well_formed() -> None:
    keys = []
    for row in table("drugs"):
        assert row["drug"] == row["drug"].lower()
        assert not row["atc"] or re.fullmatch(r"[A-Z]\d\d[A-Z]{2}\d\d", row["atc"])
        if row["inchikey"]:
            assert re.fullmatch(r"[A-Z]{14}-[A-Z]{10}-[A-Z]", row["inchikey"])
            keys.append(row["inchikey"])
        if row["cas"]:
            body, check = row["cas"].replace("-", "")[:-1], row["cas"][-1]
            weighted = sum(place * int(digit) for place, digit in enumerate(reversed(body), start=1))
            assert str(weighted % 10) == check, row["drug"]
    assert len(set(keys)) == len(keys)


def test_a_name_points_to_one_drug() -> None:
    owner: dict[str, str] = {}
    for row in table("drugs"):
        for name in [row["drug"], *names_of(row, ("synonyms", "salts"))]:
            assert owner.setdefault(fold(name), row["drug"]) == row["drug"], name


@pytest.mark.parametrize(("written", "drug"), STUDY_NAMES.items())
def test_names_used_in_the_studies_resolve(written: str, drug: str) -> None:
    found = {
        row["drug"]
        for row in table("drugs")
        if written.lower() in {n.lower() for n in [row["drug"], *names_of(row, ("synonyms", "salts"))]}
    }
    assert found == {drug}


def test_every_compound_of_the_reference_facts_is_listed(shared: Path) -> None:
    with (shared / "data" / "seed_facts.csv").open(encoding="utf-8", newline="") as handle:
        text = " ".join(f"{r['claim']} {r['subject']} {r['object']}" for r in csv.DictReader(handle)).lower()
    known = {fold(n) for row in table("drugs") for n in [row["drug"], *names_of(row, ("synonyms", "salts"))]}
    suffixed = r"\b[a-z\-]{3,}(?:nib|restat|mulin|platin|uracil|tecan|statin-1|strol|tolide)\b"
    written = set(re.findall(suffixed, text))
    assert {"lenvatinib", "epalrestat", "valnemulin", "oxaliplatin", "celastrol"} <= written
    assert {name for name in written if fold(name) not in known} <= {"fluorouracil"}


def test_salts_and_codes_of_the_first_line_drugs() -> None:
    drugs = {row["drug"]: row for row in table("drugs")}
    assert "lenvatinib mesylate" in drugs["lenvatinib"]["salts"].split("|")
    assert "E7080" in drugs["lenvatinib"]["synonyms"].split("|")
    assert "sorafenib tosylate" in drugs["sorafenib"]["salts"].split("|")
    assert "BAY 43-9006" in drugs["sorafenib"]["synonyms"].split("|")
    assert "Keytruda" not in drugs["bemcentinib"]["synonyms"].split("|")
    assert "Keytruda" in drugs["pembrolizumab"]["synonyms"].split("|")
    assert drugs["celastrol"]["inchikey"] != drugs["triptolide"]["inchikey"]


def test_targets_are_symbols_with_plausible_potency() -> None:
    for row in table("drug_targets"):
        assert re.fullmatch(r"[A-Z][A-Z0-9\-]*|C\d+orf\d+", row["target"]), row
        assert bool(row["potency_nm"]) == bool(row["potency_type"])
        if row["potency_nm"]:
            assert 1e-4 < float(row["potency_nm"]) < 1e6
        assert row["licence_note"]


def test_approved_kinase_inhibitors_have_a_mechanism() -> None:
    approved = {r["drug"] for r in table("drugs") if r["status"] == "approved" and r["atc"].startswith("L01E")}
    assert len(approved) >= 60
    assert {drug for drug in approved if not targets(drug)} == set()


def test_which_drugs_inhibit_akr1b1() -> None:
    status = {row["drug"]: row["status"] for row in table("drugs")}
    inhibitors = {
        row["drug"]
        for row in table("drug_targets")
        if row["target"] == "AKR1B1" and row["action"] == "inhibitor" and row["primary"] == "yes"
    }
    assert {d for d in inhibitors if status[d] == "approved"} == {"epalrestat"}
    assert {d for d in inhibitors if status[d] == "withdrawn"} == {"tolrestat"}
    assert {"ranirestat", "zopolrestat", "sorbinil", "fidarestat", "ponalrestat"} <= inhibitors
    japan = [row for row in of("approvals", "epalrestat") if row["agency"] == "PMDA"]
    assert [(row["state"], row["year"]) for row in japan] == [("approved", "1992")]
    assert {row["withdrawn_for_liver"] for row in of("hepatic_safety", "tolrestat")} == {"yes"}
    assert "most" in {row["dili_class"] for row in of("hepatic_safety", "tolrestat")}
    assert any("hepatic necrosis" in row["label_note"] for row in of("hepatic_safety", "tolrestat"))
    assert "withdrawn" in {row["state"] for row in of("approvals", "tolrestat")}


@pytest.mark.parametrize(
    ("drug", "expected"),
    [
        ("lenvatinib", {"FLT1", "KDR", "FLT4", "FGFR1", "FGFR2", "FGFR3", "FGFR4", "PDGFRA", "KIT", "RET"}),
        ("sorafenib", {"BRAF", "RAF1", "KDR", "FLT1", "FLT4", "PDGFRB", "KIT", "FLT3", "RET"}),
        ("regorafenib", {"RET", "FLT1", "KDR", "FLT4", "KIT", "PDGFRA", "PDGFRB", "FGFR1", "TEK", "RAF1", "BRAF"}),
        ("cabozantinib", {"MET", "KDR", "RET", "KIT", "FLT3"}),
        ("bemcentinib", {"AXL"}),
        ("blu9931", {"FGFR4"}),
        ("fisogatinib", {"FGFR4"}),
        ("epalrestat", {"AKR1B1"}),
        ("tolrestat", {"AKR1B1"}),
        ("rsl3", {"GPX4"}),
    ],
)
def test_targets_of(drug: str, expected: set[str]) -> None:
    assert expected <= targets(drug)


def test_selective_tools_have_one_mechanism_and_the_reported_ilf3_binding_is_not_one() -> None:
    assert targets("bemcentinib") == {"AXL"}
    assert targets("blu9931") == {"FGFR4"}
    ilf3 = [row for row in of("drug_targets", "lefamulin") if row["target"] == "ILF3"]
    assert [(r["action"], r["potency_nm"], r["primary"]) for r in ilf3] == [("binder", "25020", "no")]


def test_potency_agrees_with_the_source_on_the_aldose_reductase_inhibitors() -> None:
    # DrugCentral gives -log10 M: 7.6778 for epalrestat, 8.5086 for tolrestat.
    for drug, pic50 in (("epalrestat", 7.6778), ("tolrestat", 8.5086)):
        row = next(r for r in of("drug_targets", drug) if r["target"] == "AKR1B1")
        assert float(row["potency_nm"]) == pytest.approx(10 ** (9 - pic50), rel=5e-3)


def test_approved_means_that_some_agency_approved() -> None:
    human = [r for r in table("approvals") if "veterinary" not in r["indication"]]
    by_agency = {r["drug"] for r in human if r["state"] == "approved"}
    status = {r["drug"]: r["status"] for r in table("drugs")}
    assert {drug for drug, state in status.items() if state == "approved"} == by_agency
    for row in table("approvals"):
        assert not row["year"] or 1938 <= int(row["year"]) <= 2025
        assert len(row["indication"]) <= 200


def test_approval_of_the_antibiotic() -> None:
    fda = [row for row in of("approvals", "lefamulin") if row["agency"] == "FDA"]
    assert [(row["state"], row["year"]) for row in fda] == [("approved", "2019")]


def test_exposure_values_units_and_unknowns() -> None:
    for row in table("exposure"):
        assert row["unit"] == UNIT_OF.get(row["quantity"], "uM")
        assert (row["confidence"] == "unknown") == (row["value"] == ""), row
        if row["confidence"] == "derived":
            assert "derived" in row["source"]
        if row["value"]:
            value = float(row["value"])
            assert math.isfinite(value) and value > 0
            if row["unit"] == "fraction":
                assert value <= 1
            if row["unit"] == "percent":
                assert value <= 100
            if row["unit"] == "uM":
                assert value < 2000


def test_free_is_never_above_total() -> None:
    for drug in {row["drug"] for row in table("exposure")}:
        rows = [row for row in of("exposure", drug) if row["value"]]
        free = [float(r["value"]) for r in rows if r["quantity"] == "cmax_free"]
        total = [float(r["value"]) for r in rows if r["quantity"] == "cmax_total"]
        if free and total:
            assert max(free) <= max(total) * 1.001, drug


def test_lenvatinib_at_43_um_is_out_of_reach_by_two_orders() -> None:
    rows = [r for r in of("exposure", "lenvatinib") if r["quantity"] in PLASMA_TOTAL and r["value"]]
    highest = max(float(row["value"]) for row in rows)
    assert round(math.log10(TESTED_LENVATINIB_UM / highest)) == 2
    liver_dose = [float(r["value"]) for r in rows if r["dose"] in {"4 mg", "12 mg"}]
    assert TESTED_LENVATINIB_UM / max(liver_dose) > 100
    average = [float(r["value"]) for r in rows if r["quantity"] == "cavg_ss" and "6.56" in r["source"]]
    # dose / (CL/F x 24 h) at 12 mg, 6.56 L/h and 426.85 g/mol
    assert min(average) == pytest.approx(12 / (6.56 * 24) / 426.85 * 1e3, rel=1e-3)
    assert "unknown" in {r["confidence"] for r in of("exposure", "lenvatinib")}


def test_sorafenib_keeps_the_numbers_that_disagree() -> None:
    rows = [r for r in of("exposure", "sorafenib") if r["unit"] == "uM"]
    child_pugh_a = [r for r in rows if "Child-Pugh A" in r["population"] and r["quantity"] == "cmax_total"]
    assert [round(float(r["value"]), 1) for r in child_pugh_a] == [7.9]
    troughs = sorted(float(r["value"]) for r in rows if r["quantity"] == "ctrough_ss")
    assert troughs == pytest.approx([6.26, 6.92], abs=0.01)
    contested = sorted(float(r["value"]) for r in rows if r["confidence"] == "contested")
    assert contested == [0.8, 4.0]
    free = [float(r["value"]) for r in rows if r["quantity"] == "cmax_free"]
    assert free and max(free) < 0.1


def test_exposure_of_celastrol_is_unknown() -> None:
    rows = of("exposure", "celastrol")
    unknown = [r for r in rows if r["confidence"] == "unknown"]
    assert {"cmax_total", "fraction_unbound"} <= {r["quantity"] for r in unknown}
    assert any("unknown" in r["note"] for r in unknown)
    # What one study quotes as a plasma range is kept, but never as an established value.
    assert {r["confidence"] for r in rows if r["value"]} == {"contested"}
    assert {r["withdrawn_for_liver"] for r in of("hepatic_safety", "celastrol")} == {"unknown"}


@pytest.mark.parametrize("drug", sorted(set(STUDY_NAMES.values()) - {
    "xav-939", "gw4869", "ferrostatin-1", "z-vad-fmk", "necrosulfonamide", "mb-3", "pf-cbp1", "ly294002", "sc79",
}))  # fmt: skip
def test_exposure_is_stated_or_called_unknown_for_the_studied_drugs(drug: str) -> None:
    assert of("exposure", drug)


def test_hepatic_label_of_lefamulin() -> None:
    (row,) = of("hepatic_safety", "lefamulin")
    for part in ("Child-Pugh C", "150 mg every 24 h", "not recommended for moderate or severe", "Child-Pugh B or C"):
        assert part in row["label_note"]
    assert "Xenleta" in row["source"]
    assert row["withdrawn_for_liver"] == "no"


def test_hepatic_severity() -> None:
    for row in table("hepatic_safety"):
        assert bool(row["dili_class"]) == bool(row["severity"]) == row["source"].startswith("FDA DILIrank")
        assert not row["severity"] or 0 <= int(row["severity"]) <= 8
    assert {(r["dili_class"], r["severity"]) for r in of("hepatic_safety", "sorafenib")} == {("most", "8")}
    assert any("fatal hepatotoxicity" in r["label_note"] for r in of("hepatic_safety", "regorafenib"))


def line(name: str) -> dict[str, str]:
    found = [row for row in table("cell_lines") if name in [row["name"], *row["synonyms"].split("|")]]
    assert len(found) == 1, name
    return found[0]


@pytest.mark.parametrize(
    ("name", "accession"),
    [
        ("L02", "CVCL_6926"), ("L-02", "CVCL_6926"), ("LO2", "CVCL_6926"), ("HL-7702", "CVCL_6926"),
        ("WRL68", "CVCL_0581"), ("WRL 68", "CVCL_0581"), ("Chang liver", "CVCL_0238"),
        ("BEL-7402", "CVCL_5492"), ("BEL-7404", "CVCL_6568"), ("SMMC-7721", "CVCL_0534"),
        ("QGY-7703", "CVCL_6715"), ("QGY-7701", "CVCL_6859"),
    ],
)  # fmt: skip
def test_lines_that_are_hela(name: str, accession: str) -> None:
    row = line(name)
    assert row["actual"] == "HeLa" and row["problem"] == "contaminated"
    assert accession in row["register"]
    assert "HeLa" in row["note"] and "not evidence about hepatocytes" in row["note"]


def test_lines_of_the_wrong_kind() -> None:
    endothelial = line("SK-HEP-1")
    assert endothelial["problem"] == "wrong_tissue" and "endothelial" in endothelial["actual"]
    assert "not contaminated" in endothelial["note"]
    hepatoblastoma = line("HepG2")
    assert hepatoblastoma["problem"] == "misidentified" and "hepatoblastoma" in hepatoblastoma["actual"]
    # Registers have nothing against Huh-7: it must not be listed.
    assert not [r for r in table("cell_lines") if "huh" in r["name"].lower()]


def test_line_names_point_to_one_line() -> None:
    owner: dict[str, str] = {}
    for row in table("cell_lines"):
        assert re.search(r"CVCL_[A-Z0-9]{4}", row["register"])
        for name in [row["name"], *row["synonyms"].split("|")]:
            assert owner.setdefault(fold(name), row["name"]) == row["name"]


def test_readme_describes_every_file() -> None:
    text = DATA.joinpath("README.md").read_text(encoding="utf-8")
    for name, columns in COLUMNS.items():
        assert f"`{name}.csv`" in text
        assert all(f"`{c}`" in text for c in columns.split() if c not in {"drug", "name", "synonyms"}), name
