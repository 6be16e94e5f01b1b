"""Write a study folder from the raw plates of a published cytotoxicity experiment (HepG2 and HEK293T, MTT).

    python examples/hepg2_plates/make_study.py FOLDER_WITH_THE_RAW_FILES STUDY_FOLDER
    rechallenge run STUDY_FOLDER

The raw files are those of https://github.com/Lopatushka/IC50_Perkin (commit 3b6550e, folder 01.04.19_MTT_Perkin_data):
`HepG2_1-12.xls` and `Hek293T_1-12.xls` (exports of a PerkinElmer reader, 12 plates of 96 wells each, absorbance at
555 nm), `names_2_MTT.xlsx` (which compound is in which column) and `concentrations_2.xlsx` (stock concentrations). The
repository states no licence, so no data are kept here: the script copies the files that you have.

What is known, and what was decided
-----------------------------------
Plates
    Plates 1 to 3 are block A, 4 to 6 block B, 7 to 9 block C, 10 to 12 block D; the three plates of a block have the
    same content. A column holds one compound, rows A to H its dilutions, each a third of the row above. The highest
    dose is the stock diluted 200-fold: 1000 * C_mM / 200 micromolar.
Replicate
    Replicate 1, 2, 3 is the first, second, third plate of a block. They were read within minutes of one another in one
    run, and the files do not say whether cells and dilutions were prepared anew for each. Nothing else is known, so
    each plate is taken as one replicate; if the plates share cells and dilutions, they are technical replicates, n is
    one, and the intervals are too narrow. The lab's own analysis pools the three plates in the same way.
Vehicle
    Only block A has a DMSO column (column 1: the DMSO that the compounds were dissolved in, diluted like them). Blocks
    B, C and D have no vehicle wells; the lab divides every well by the DMSO wells of its row. Here plate 4, 7 and 10
    borrow the vehicle wells of plate 1, plate 5, 8 and 11 those of plate 2, and plate 6, 9 and 12 those of plate 3
    (`vehicle_plate` in the layout), row by row (`vehicle = "row"` in study.toml).
Columns called 'null'
    are left out of the map. They are not empty: their signals are those of living cells, and some fall with the dose
    (block C column 11, block D columns 3 to 5), so a compound was there that the lab did not name.
Doxorubicin
    (Dox, block D column 1) is the lab's positive control; it was diluted like the compounds and is kept as a drug.
Hours of exposure
    are in none of the files and are left open.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

from python_calamine import CalamineWorkbook

EXPORTS = {"HepG2": "HepG2_1-12.xls", "HEK293T": "Hek293T_1-12.xls"}
NAMES, STOCKS = "names_2_MTT.xlsx", "concentrations_2.xlsx"
ROWS = "ABCDEFGH"
REPLICATES = 3
DILUTED, STEP = 200.0, 3.0

STUDY = """\
[study]
title = "Cytotoxicity of 33 compounds and doxorubicin in HepG2 and HEK293T (MTT)"
description = "Raw plates of https://github.com/Lopatushka/IC50_Perkin (commit 3b6550e, 01.04.19_MTT_Perkin_data)."

[models]
HepG2   = { role = "other", cell_line = "Hep G2" }
HEK293T = { role = "other", cell_line = "HEK293T" }

[tables]
plates = { files = ["HepG2_1-12.xls", "Hek293T_1-12.xls"], map = "plate_map.csv", layout = "plates.csv" }

[options.dose_response]
vehicle = "row"       # the lab divides by the DMSO well of the same row
"""


def main(raw: Path, study: Path) -> None:
    """Write the study folder; stops with a sentence where a raw file is missing."""
    missing = [name for name in (*EXPORTS.values(), NAMES, STOCKS) if not (raw / name).is_file()]
    if missing:
        sys.exit(f"{raw} lacks {', '.join(missing)}.")
    study.mkdir(parents=True, exist_ok=True)
    for name in EXPORTS.values():
        shutil.copyfile(raw / name, study / name)
    columns, stock = compounds(raw / NAMES), stocks(raw / STOCKS)
    write(study / "plate_map.csv", ("map", "well", "drug", "dose_um", "well_type"), map_rows(columns, stock))
    write(
        study / "plates.csv",
        ("file", "plate", "map", "model", "replicate", "vehicle_plate"),
        layout_rows(list(columns)),
    )
    (study / "study.toml").write_text(STUDY, encoding="utf-8")


def table(path: Path) -> list[list[str]]:
    """The cells of the first sheet, as text without spaces around it."""
    rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    return [[str(cell).strip() for cell in row] for row in rows]


def compounds(path: Path) -> dict[str, list[str]]:
    """Block -> the compounds of its columns 1 to 12."""
    head, *rows = table(path)
    return {block: [row[k] for row in rows] for k, block in enumerate(head)}


def stocks(path: Path) -> dict[str, float]:
    """Compound -> concentration of its stock in mM."""
    return {row[0]: float(row[1]) for row in table(path)[1:]}


def map_rows(columns: dict[str, list[str]], stock: dict[str, float]) -> list[tuple[str, ...]]:
    """One row per well that holds something known: map, well, drug, dose_um, well_type."""
    out = []
    for block, names in columns.items():
        for column, drug in enumerate(names, start=1):
            if drug == "null":
                continue
            for step, row in enumerate(ROWS):
                well = f"{row}{column:02d}"
                if drug == "DMSO":
                    out.append((f"block {block}", well, drug, "0", "vehicle"))
                else:
                    dose = 1000.0 * stock[drug] / DILUTED / STEP**step
                    out.append((f"block {block}", well, drug, repr(dose), "sample"))
    return out


def layout_rows(blocks: list[str]) -> list[tuple[str, ...]]:
    """One row per plate: file, plate, map, model, replicate, vehicle_plate."""
    out = []
    for model, file in EXPORTS.items():
        for k, block in enumerate(blocks):
            for replicate in range(1, REPLICATES + 1):
                plate = k * REPLICATES + replicate
                lender = "" if k == 0 else str(replicate)
                out.append((file, str(plate), f"block {block}", model, str(replicate), lender))
    return out


def write(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([head, *rows])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
