"""Exports of real plate readers: each read with its values and rows, or refused with a named reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from plate_forms import values

from rechallenge.faults import InputFaults
from rechallenge.tables.exports import read_export
from rechallenge.tables.files import Content
from rechallenge.tables.wells import number, parse_well, row_letters, row_number

REFUSED = {
    "bmg_mars_file_with_no_delimiter_malformed.csv": "BMG Labtech MARS",
    "perkin_elmer_envision_example01_missing_header_error.csv": "lost its 'Plate information' line",
    "tecan_magellan_no_well_positions.xlsx": "Tecan Magellan",
}
#: file -> (plates, wells with a number, label or None where there are several)
READ = {
    "agilent_gen5_240411_172731_BNCH2345883_abs450_96well_non_numeric_values.txt": (1, 83, "absorbance 450 nm"),
    "agilent_gen5_endpoint_singleplate.txt": (1, 96, "luminescence"),
    "agilent_gen5_endpoint_stdcurve_singleplate.txt": (1, 96, "absorbance 630 nm"),
    "bmg_mars_16-02-29_14-34-46_Transcreener_ADP2_FI.csv": (1, 302, "fluorescence 580/620 nm"),
    "bmg_mars_16-03-03_13-25-45_472_QC_384_FI.csv": (1, 68, "fluorescence 485/520 nm"),
    "bmg_mars_16-03-03_16-54-03_472_ABS_384_QC.csv": (1, 99, "absorbance 484 nm"),
    "bmg_mars_24-10-16_15-09-52_Luminescence_1536.csv": (1, 288, "luminescence"),
    "bmg_mars_MARS_V3.40_V2_Output_Missing_line_end_separators.csv": (1, 302, "fluorescence 580/620 nm"),
    "moldev_softmax_pro_MD_SMP_absorbance_endpoint_example01.txt": (2, 192, "absorbance 450 nm"),
    "perkin_elmer_envision_PE_Envision_absorbance_A450_example.csv": (2, 192, "A450(1) - channel 1 (A)"),
    "perkin_elmer_envision_PE_Envision_absorbance_example01.csv": (2, 768, None),
    "perkin_elmer_envision_PE_Envision_extra_espaces.csv": (1, 96, None),
    "perkin_elmer_envision_PE_Envision_fluorescence_example01.csv": (1, 96, None),
    "perkin_elmer_envision_PE_Envision_fluorescence_example02.csv": (5, 416, "Alexa-488(1)"),
    "perkin_elmer_envision_PE_Envision_fluorescence_example03.csv": (1, 384, "GENE - HTS Screen 384 Plate(1)"),
    "perkin_elmer_envision_PE_Envision_fluorescence_example04.csv": (2, 768, None),
    "perkin_elmer_envision_PE_Envision_luminescence_example01.csv": (2, 192, "0_1 US LUM 384(1) - channel 0 (CPS)"),
    "perkin_elmer_envision_PE_Envision_missing_plate_maps.csv": (2, 768, "0_1 US LUM 384(1) - channel 0 (CPS)"),
    "revvity_kaleido_absorbance_endpoint_single_plate_example_01.csv": (1, 96, "absorbance 450 nm"),
    "revvity_kaleido_fluorescence_endpoint_single_plate_example_01.csv": (1, 384, "fluorescence 485/535 nm"),
    "revvity_kaleido_fluorescence_v3.5_pure_csv_format_example.csv": (1, 96, "fluorescence 550/580 nm"),
    "revvity_kaleido_luminescence_endpoint_single_plate_example_01.csv": (1, 96, "luminescence"),
    "revvity_kaleido_luminescence_v3.5_pure_csv_format_example.csv": (1, 96, "luminescence"),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_01.csv": (1, None, None),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_02.csv": (1, None, None),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_03.csv": (1, 144, None),
    "tecan_magellan_SLA01P01_ELISA.xlsx": (1, 768, None),
    "tecan_magellan_SLA01P01_OD.xlsx": (1, 96, "absorbance 595 nm"),
    "tecan_magellan_SLA01P01_assay.xlsx": (1, 768, None),
    "thermo_skanit_luciferase_assay_example.xlsx": (1, 96, "luminescence"),
    "thermo_skanit_multi-plate_example01.xlsx": (5, 268, None),
    "thermo_skanit_skanit_different_plate_pattern.xlsx": (2, 2, "absorbance 260 nm"),
}


def content(path: Path) -> Content:
    data = path.read_bytes()
    return Content(path.name, data, hashlib.sha256(data).hexdigest())


def raw_rows(path: Path) -> dict[str, list[list[str]]]:
    """The cells of a file, read without anything of this package: sheet -> rows of text."""
    if path.suffix in (".xlsx", ".xls"):
        from python_calamine import CalamineWorkbook

        book = CalamineWorkbook.from_path(path)
        return {
            s: [[str(x) for x in row] for row in book.get_sheet_by_name(s).to_python(skip_empty_area=False)]
            for s in book.sheet_names
        }
    data = path.read_bytes()
    text = data.decode("utf-16") if data[:2] == b"\xff\xfe" else data.decode("utf-8-sig")
    sep = "\t" if text.count("\t") > text.count(",") else ","
    return {"": [line.split(sep) for line in text.replace("\r\n", "\n").split("\n")]}


def as_numbers(row: list[str]) -> list[float]:
    out = []
    for x in row:
        try:
            out.append(float(x.strip().strip('"')))
        except ValueError:
            continue
    return out


def test_the_table_of_real_exports_names_every_file(shared: Path) -> None:
    folder = shared / "data" / "pharmacology" / "plate_readers"
    assert {p.name for p in folder.iterdir()} == set(READ) | set(REFUSED)


@pytest.mark.parametrize("name", READ)
def test_real_exports_are_read_and_traced_to_their_rows(shared: Path, name: str) -> None:
    path = shared / "data" / "pharmacology" / "plate_readers" / name
    got = read_export(content(path))
    plates, wells, label = READ[name]
    assert len({r.name for r in got.reads}) == plates
    raw = [r for r in got.reads if not r.calculated]
    filled = [(r, w, c, v) for r in raw for w, c in r.wells.items() if (v := number(c.text)) is not None]
    if wells is not None:
        assert len(filled) == wells
    if label is not None:
        assert {r.label for r in raw} == {label}
    rows = raw_rows(path)
    for r, w, c, v in filled:
        line = rows[r.sheet][c.row - 1]
        assert v in as_numbers(line), (name, r.label, w)
        letter = row_number(line[0])
        if letter is not None:  # a grid with row letters: the well must be the place that is written
            assert w[0] == letter + (26 if line[0].islower() else 0)
            assert float(line[w[1]]) == v


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_real_exports_are_refused_by_name(shared: Path, name: str) -> None:
    with pytest.raises(InputFaults, match=r"cannot be read|is damaged") as e:
        read_export(content(shared / "data" / "pharmacology" / "plate_readers" / name))
    assert REFUSED[name] in str(e.value)


def test_rows_of_a_1536_well_plate_in_small_letters_come_after_z(shared: Path) -> None:
    name = "bmg_mars_24-10-16_15-09-52_Luminescence_1536.csv"
    (read,) = read_export(content(shared / "data" / "pharmacology" / "plate_readers" / name)).reads
    assert sorted({w[0] for w in read.wells}) == [1, 7, 13, 19, 25, 31]  # A G M S Y e
    assert (read.wells[31, 1].text, read.wells[31, 1].row) == ("36809.0", 15)


ENVISION = [n for n in READ if n.startswith("perkin_elmer_envision_PE")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVISION)
def test_plate_sections_agree_with_allotropy(shared: Path, name: str) -> None:
    """Read by this package's own reader of plate sections; allotropy's values are the reference.

    One export holds the rows A, E, I and M only. allotropy 0.1.150 counts them as A, B, C and D; here the letters that
    are written hold, so for that file the rows are compared by their order.
    """
    import warnings

    path = shared / "data" / "pharmacology" / "plate_readers" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from allotropy.parser_factory import Vendor
        from allotropy.to_allotrope import allotrope_from_file

        model = allotrope_from_file(str(path), Vendor.PERKIN_ELMER_ENVISION)
    theirs = []
    for document in model["plate reader aggregate document"]["plate reader document"]:
        for m in document["measurement aggregate document"]["measurement document"]:
            value = next(m[k]["value"] for k in ("absorbance", "fluorescence", "luminescence") if k in m)
            theirs.append((parse_well(m["sample document"]["location identifier"]), value))
    ours = [
        (w, number(c.text))
        for r in read_export(content(path)).reads
        if not r.calculated
        for w, c in r.wells.items()
        if c.text
    ]
    if name.endswith("luminescence_example01.csv"):
        assert {w[0] for w, _ in ours} == {1, 5, 9, 13}
        ours = [((1 + (w[0] - 1) // 4, w[1]), v) for w, v in ours]
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("name", ["RawData_day0.xlsx", "RawData_day7.xlsx"])
def test_gdr_envision_workbooks_match_the_reference(shared: Path, name: str) -> None:
    import pandas as pd

    folder = shared / "data" / "pharmacology" / "gDRimport" / "data1"
    ref = pd.read_csv(folder / "ref_RawData_day0_day7_xlsx.csv", sep=";", dtype={"Barcode": str})
    wanted = {
        (b, row_number(r), c): v
        for b, r, c, v in ref[["Barcode", "WellRow", "WellColumn", "ReadoutValue"]].itertuples(index=False)
    }
    got = read_export(content(folder / name))
    assert len(got.reads) == 6
    for read in got.reads:
        barcode = read.names[1]
        assert len(read.wells) == 384
        for (r, c), cell in read.wells.items():
            assert number(cell.text) == wanted[barcode, r, c]


@pytest.mark.parametrize("name", ["HepG2_1-12.xls", "Hek293T_1-12.xls"])
def test_list_and_grids_of_one_workbook_agree(shared: Path, name: str) -> None:
    """The program wrote every plate twice: as a list, and as a grid under its number."""
    path = shared / "data" / "pharmacology" / "hcc_perkin_mtt" / name
    as_list, as_grid = read_export(content(path)), read_export(content(path), "grid")
    assert as_list.form != as_grid.form
    assert len(as_list.reads) == len(as_grid.reads) == 12
    for a, b in zip(as_list.reads, as_grid.reads, strict=True):
        assert (a.name, a.label) == (b.name, b.label)
        assert values(a) == values(b)
        assert len(a.wells) == 96


def test_gdr_tecan_workbook(shared: Path) -> None:
    path = shared / "data" / "pharmacology" / "gDRimport" / "data2" / "RawData_Tecan_96_well_plates.xlsx"
    got = read_export(content(path))
    assert {r.names[1] for r in got.reads} == {"H2122-2", "H358-2", "H358-1", "H2122-1"}
    rows = raw_rows(path)
    for read in got.reads:
        assert len(read.wells) == 60
        for (r, c), cell in read.wells.items():
            line = rows[read.sheet][cell.row - 1]
            assert line[0] == row_letters(r)
            assert float(line[c - 1]) == number(cell.text)


def test_gdr_envision_text_files_with_empty_edges(shared: Path) -> None:
    files = sorted((shared / "data" / "pharmacology" / "gDRimport" / "data4").glob("*.csv"))
    assert len(files) == 28
    for path in files:
        got = read_export(content(path))
        (read,) = got.reads
        assert read.name == path.stem
        grid = [line.split(",") for line in path.read_text().splitlines()[4:20]]
        assert values(read) == {
            (r, c): float(grid[r - 1][c - 1]) if grid[r - 1][c - 1] else None
            for r in range(1, 17)
            for c in range(1, 25)
        }


def test_gdr_long_list(shared: Path) -> None:
    import pandas as pd

    path = shared / "data" / "pharmacology" / "gDRimport" / "data5" / "RawData.tsv"
    ref = pd.read_csv(path, sep="\t")
    got = {r.names[1]: r for r in read_export(content(path)).reads}
    assert sum(len(r.wells) for r in got.values()) == len(ref)
    for plate, r, c, v in ref[["Barcode", "WellRow", "WellColumn", "ReadoutValue"]].itertuples(index=False):
        assert number(got[plate].wells[row_number(r), c].text) == v
