"""Fatty acids and lipids: names, indices, contrasts, claims and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.omics.fatty_acids import comparisons, contract, findings, indices, species
from rechallenge.report.theme import export
from rechallenge.study import TableSource
from rechallenge.tables.matrix import read_matrix

MODELS = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]}, dtype=object)
PROFILE = {"C14:0": 4.0, "palmitate": 30.0, "16:1": 4.0, "stearic acid": 20.0, "C18:1n9": 20.0, "18:2 n-6": 10.0,
           "arachidonate": 8.0, "DHA": 3.0, "PC 34:1": 50.0, "PC(36:2)": 30.0, "PC 38:4": 20.0, "TAG 52:2": 40.0,
           "nonsense": 1.0}  # fmt: skip


def experiment(seed: int = 0, n: int = 5, noise: float = 0.05) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A profile of fatty acids and a few lipids; in R 18:1 is doubled at the cost of 18:0, and TG doubled."""
    rng = np.random.default_rng(seed)
    columns, rows = {}, []
    for m in "PR":
        for r in range(n):
            values = dict(PROFILE)
            if m == "R":
                values |= {"C18:1n9": 30.0, "stearic acid": 10.0, "TAG 52:2": 80.0}
            columns[f"{m}{r}"] = np.array(list(values.values())) * rng.lognormal(0, noise, len(values))
            rows.append({"sample": f"{m}{r}", "model": m, "treatment": "", "stage": "", "replicate": f"{m}{r}",
                         "batch": "", "unit": "area", "dataset": "d"})  # fmt: skip
    head = {"dataset": "d", "feature": list(PROFILE), "_file": "fa.csv", "_row": range(2, len(PROFILE) + 2)}
    return pd.concat([pd.DataFrame(head), pd.DataFrame(columns)], axis=1), pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return experiment()


@pytest.fixture(scope="module")
def read(tables: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    # without the one name that asks the grammars, which take seconds to load
    return species.lipid_species(tables[0][tables[0]["feature"] != "nonsense"])


@pytest.fixture(scope="module")
def per_sample(tables: tuple[pd.DataFrame, pd.DataFrame], read: pd.DataFrame) -> pd.DataFrame:
    return indices.fatty_acid_indices(*tables, read)


@pytest.mark.parametrize(
    ("name", "shorthand", "chains"),
    [("C18:1n9c", "FA 18:1", ((18, 1),)), ("18:1(9Z)", "FA 18:1", ((18, 1),)), ("FFA 16:0", "FA 16:0", ((16, 0),)),
     ("Oleic acid", "FA 18:1", ((18, 1),)), ("gamma-Linolenic acid", "FA 18:3", ((18, 3),)),
     ("CE(18:2)", "CE 18:2", ((18, 2),)), ("lysoPC a C18:0", "LPC 18:0", ((18, 0),)), ("PC_34:1", "PC 34:1", ()),
     ("PC aa C36:2", "PC 36:2", ()), ("TAG 52:2", "TG 52:2", ())],
)  # fmt: skip
def test_spellings(name: str, shorthand: str, chains: tuple[tuple[int, int], ...]) -> None:
    one = species.parse(name)
    assert (one.lipid, one.chains) == (shorthand, chains)


def test_series_and_refusals() -> None:
    assert species.parse("18:3 n-3").series == "n3" and species.parse("arachidonic acid").series == "n6"
    for name in ("15:0-18:1(d7) PE", "FA 99:1", "FA 10:9"):
        with pytest.raises(ValueError, match=r"labelled|no fatty acid"):
            species.parse(name)


@pytest.mark.slow
def test_complex_names_are_read_by_the_grammars() -> None:
    for name, head, carbons, bonds, chains in (
        ("DG 14:0/18:1/0:0", "DG", 32, 1, ((14, 0), (18, 1))), ("PE(P-16:0/18:1)", "PE-P", 34, 2, ((16, 0), (18, 1))),
        ("Cer d18:1/16:0", "Cer", 34, 1, ((16, 0),)), ("TG 16:0_18:1_18:2", "TG", 52, 3, ((16, 0), (18, 1), (18, 2))),
        ("plasmenylPC 16:0/14:0", "PC-P", 30, 1, ((16, 0), (14, 0))), ("SM C16:0", "SM", 34, 1, ()),
        ("So1P d 18:1", "SPBP", 18, 1, ()),
    ):  # fmt: skip
        one = species.parse(name)
        assert (one.lipid_class, one.carbons, one.double_bonds, one.chains) == (head, carbons, bonds, chains), name
    with pytest.raises(ValueError, match="Goslin"):
        species.parse("glucose")


@pytest.mark.slow
def test_the_lipids_of_two_published_tables_are_read(shared: Path) -> None:
    folder = shared / "data" / "metabolism" / "lipid"
    tumours = pd.read_csv(folder / "brca_matrix.csv")["lipids"]
    skyline = pd.read_csv(folder / "A1_data.csv")["Peptide"].drop_duplicates()
    first, second = (species.lipid_species(pd.DataFrame({"feature": f})) for f in (tumours, skyline))
    assert len(first) == 413 and (first["status"] == "estimated").all() and first["resolved"].all()
    assert set(second.loc[second["status"] != "estimated", "reason"]) == {"a labelled internal standard"}
    assert (second["status"] == "estimated").sum() == 98


def test_indices_are_those_of_the_profile() -> None:
    matrix, sheet = experiment(n=1, noise=0.0)
    known = species.lipid_species(matrix[matrix["feature"] != "nonsense"])
    out = indices.fatty_acid_indices(matrix, sheet, known)
    p = out[(out["sample"] == "P0")].set_index(["pool", "index"])["value"]
    assert p[indices.FREE, "18:1/18:0"] == pytest.approx(1.0) and p[indices.FREE, "16:1/16:0"] == pytest.approx(4 / 30)
    assert p[indices.FREE, "18:0/16:0"] == pytest.approx(2 / 3) and p[indices.FREE, "16:0/18:2n6"] == pytest.approx(3.0)
    amounts = np.array([4, 30, 4, 20, 20, 10, 8, 3])
    chain, bonds = np.array([14, 16, 16, 18, 18, 18, 20, 22]), np.array([0, 0, 1, 0, 1, 2, 4, 6])
    assert p[indices.FREE, "mean chain length"] == pytest.approx(chain @ amounts / amounts.sum())
    assert p[indices.FREE, "unsaturation index"] == pytest.approx(bonds @ amounts / amounts.sum())
    assert p["classes", "PC total"] == pytest.approx(100) and p["classes", "TG total"] == pytest.approx(40)
    assert p["classes", "PC mean double bonds"] == pytest.approx((50 + 60 + 80) / 100)
    shares = [p[indices.FREE, k] for k in ("saturated", "monounsaturated", "polyunsaturated")]
    assert sum(shares) == pytest.approx(1)


def test_log2_tables_and_absent_acids(read: pd.DataFrame) -> None:
    matrix, sheet = experiment(n=2)
    names = sheet["sample"].tolist()
    logs = matrix.copy()
    logs[names] = np.log2(matrix[names])
    a = indices.fatty_acid_indices(matrix, sheet, read)
    b = indices.fatty_acid_indices(logs, sheet.assign(unit="log2"), read)
    assert np.allclose(a["value"], b["value"])
    matrix.loc[matrix["feature"] == "stearic acid", "P0"] = 0.0
    out = indices.fatty_acid_indices(matrix, sheet, read)
    row = out[(out["sample"] == "P0") & (out["index"] == "18:1/18:0")].iloc[0]
    assert row["status"] == "not_estimable" and np.isnan(row["value"]) and "not found" in row["reason"]


def test_the_planted_desaturation_is_found(
    per_sample: pd.DataFrame, tables: tuple[pd.DataFrame, pd.DataFrame], read: pd.DataFrame
) -> None:
    out = comparisons.fatty_acid_contrasts(per_sample, tables[0], MODELS)
    row = out.set_index("index")
    assert row.loc["18:1/18:0", "ci_low"] < np.log2(3) < row.loc["18:1/18:0", "ci_high"]
    assert row.loc["18:1/18:0", "direction"] == 1 and row.loc["TG total", "direction"] == 1
    assert row.loc["PC total", "direction"] == 0 and row.loc["16:1/16:0", "direction"] == 0
    assert row.loc["18:0/16:0", "direction"] == -1
    claims = check(findings.fatty_acid_claims(out))
    scd = claims[claims["claim"].str.contains("18:1/18:0")].iloc[0]
    assert scd["entity"] == "stearoyl-CoA desaturation" and scd["direction"] == 1
    assert not (claims["entity_type"] == "gene").any()
    lipids = comparisons.lipid_differential(*tables, read, MODELS)
    tg = lipids[lipids["feature"] == "TAG 52:2"].iloc[0]
    assert tg["log2fc"] > 0.6 and tg["q_value"] < 0.01 and (tg["carbons"], tg["double_bonds"]) == (52, 2)
    charts = findings.lipid_map(lipids)
    for chart in (*charts.values(), findings.fatty_acid_dots(per_sample), findings.fatty_acid_forest(out)):
        assert export("f", chart)["pdf"].startswith(b"%PDF")


def test_rows_have_no_order(
    per_sample: pd.DataFrame, read: pd.DataFrame, tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    matrix, sheet = (t.sample(frac=1, random_state=5) for t in tables)
    pd.testing.assert_frame_equal(indices.fatty_acid_indices(matrix, sheet, read), per_sample)


def test_nothing_to_read_or_to_compare(tables: tuple[pd.DataFrame, pd.DataFrame], per_sample: pd.DataFrame) -> None:
    with pytest.raises(NotApplicable):
        species.lipid_species(pd.DataFrame({"feature": ["15:0(d7)"]}))
    with pytest.raises(NotApplicable):
        comparisons.fatty_acid_contrasts(per_sample[per_sample["model"] == "P"], tables[0], MODELS)
    one = per_sample[per_sample["replicate"].isin(["P0", "R0"])]
    assert comparisons.fatty_acid_contrasts(one, tables[0], MODELS)["p_value"].isna().all()


def test_the_example_sheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(contract.FATTY_ACIDS.example, encoding="utf-8")
    (tmp_path / "a.csv").write_text("lipid,P_1,R_1\n18:1,5,6\n16:0,7,9\n", encoding="utf-8")
    source = TableSource(values=["a.csv"], samples="s.csv", unit="area")
    out = read_matrix(source, tmp_path, contract.FATTY_ACIDS, None)
    assert not [f for f in out.faults if f.severity == "error"] and len(out.frame) == 2
