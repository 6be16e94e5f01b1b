"""The first real plates: HepG2 and HEK293T, from the raw instrument files through the example's map and layout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from rechallenge.study import Study
from rechallenge.tables.plates import PLATES
from rechallenge.tables.reading import read_study


def example() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "examples" / "hepg2_plates" / "make_study.py"
    spec = importlib.util.spec_from_file_location("make_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hepg2(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("hepg2")
    example().main(shared / "data" / "pharmacology" / "hcc_perkin_mtt", folder)
    return Study.load(folder)


def test_hepg2_and_hek293t_from_the_raw_files(shared: Path, hepg2: Study) -> None:
    """12 plates of 96 wells of each line; columns and dilutions as the files beside them say.

    Data: https://github.com/Lopatushka/IC50_Perkin, commit 3b6550e, 01.04.19_MTT_Perkin_data.
    """
    raw = shared / "data" / "pharmacology" / "hcc_perkin_mtt"
    read = read_study(hepg2, {"plates": PLATES})
    assert [str(f) for f in read.faults if f.severity != "note"] == []
    wells = read.tables["plates"]
    forms = [f.message for f in read.faults if f.code == "plate-form"]
    assert len(forms) == 2
    assert all("12 plates of 96 wells, 1152 wells with a signal; reads: abs555 (A)" in m for m in forms)
    left = next(f.count for f in read.faults if f.code == "well-not-in-map")
    assert len(wells) + left == 2 * 12 * 96
    names = pd.read_excel(raw / "names_2_MTT.xlsx", keep_default_na=False, engine="calamine")
    stock = pd.read_excel(raw / "concentrations_2.xlsx", keep_default_na=False, engine="calamine")
    stocks = dict(zip(stock["Drug"].str.strip(), stock["C_mM"], strict=True))
    checked = 0
    for model, file in (("HepG2", "HepG2_1-12.xls"), ("HEK293T", "Hek293T_1-12.xls")):
        cells = pd.read_excel(raw / file, engine="calamine")
        ours = wells[wells["model"] == model].set_index(["plate", "well"])
        for n, (plate, well, value) in enumerate(
            cells[["Plate", "Well", cells.columns[5]]].itertuples(index=False, name=None)
        ):
            drug = str(names.iloc[int(well[1:]) - 1, (plate - 1) // 3]).strip()
            key = (f"{file.removesuffix('.xls')}:{plate}", well)
            if drug == "null":
                assert key not in ours.index
                continue
            row = ours.loc[key]
            assert row["signal"] == value
            assert row["_row"] == n + 2
            assert row["drug"] == drug
            assert row["replicate"] == str((plate - 1) % 3 + 1)
            if drug == "DMSO":
                assert (row["well_type"], row["dose_um"]) == ("vehicle", 0.0)
            else:
                top = 1000 * stocks[drug] / 200
                assert row["dose_um"] == pytest.approx(top / 3 ** "ABCDEFGH".index(well[0]), rel=1e-12)
                assert row["well_type"] == "sample"
            checked += 1
    assert checked == len(wells) == 2 * 12 * 70


def test_hepg2_plates_without_vehicle_wells_borrow_them(hepg2: Study) -> None:
    wells = read_study(hepg2, {"plates": PLATES}).tables["plates"]
    lender = wells.groupby("plate")["vehicle_plate"].first()
    vehicle = set(wells.loc[wells["well_type"] == "vehicle", "plate"])
    assert vehicle == {f"{s}_1-12:{k}" for s in ("HepG2", "Hek293T") for k in (1, 2, 3)}
    for plate, borrowed in lender.items():
        assert (borrowed == "") == (plate in vehicle)
        assert borrowed in {"", *vehicle}
    # doxorubicin, 0.5 mM stock: 2.5 µM at the top, eight three-fold dilutions
    dox = wells[(wells["drug"] == "Dox") & (wells["model"] == "HepG2")]
    assert sorted(dox["dose_um"].unique(), reverse=True)[:2] == pytest.approx([2.5, 2.5 / 3])
    assert len(dox) == 24


def test_the_example_says_which_raw_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"lacks HepG2_1-12\.xls, Hek293T_1-12\.xls"):
        example().main(tmp_path, tmp_path / "study")
