"""The example of the bench tutorial: reader files, the study, its output as text and its pictures.

    python docs/generate_bench.py

writes `docs/examples/bench/` (six plates of a reader, map, layout, study.toml; simulated from published IC50 values, so
nothing was measured) and the pictures `docs/img/bench_*.png` of a run of it. The tutorial quotes the output, and tests
compare it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
STUDY = HERE / "examples" / "bench"
ROWS, COLUMNS = "ABCDEFGH", range(1, 13)
DOSES = [round(100 / 3**k, 3) for k in range(9)]  # µM, columns 3 to 11 from the left
#: published IC50 values in µM of lenvatinib and sorafenib (see `rechallenge.simulate.truth`): parental, resistant
IC50 = {"Huh-7 P": {"lenvatinib": 13.02, "sorafenib": 6.78}, "Huh-7 LR": {"lenvatinib": 50.61, "sorafenib": 21.06}}
DRUGS = {"B": "lenvatinib", "C": "lenvatinib", "D": "lenvatinib", "E": "sorafenib", "F": "sorafenib", "G": "sorafenib"}
STUDY_TOML = """[study]
title = "Lenvatinib resistance in Huh-7"
therapies = ["lenvatinib"]

[models]
"Huh-7 P"  = { role = "parental" }
"Huh-7 LR" = { role = "resistant", parent = "Huh-7 P", selected_with = "lenvatinib" }

[tables]
plates = { files = "reader/*.csv", map = "plate_map.csv", layout = "layout.csv" }
"""


def plate(model: str, rng: np.random.Generator) -> list[list[float]]:
    """Signals of one 96-well plate: columns 1 and 12 vehicle, 2 blank; rows B to G drugs, A and H empty medium."""
    shift = {drug: rng.normal(0, 0.03) for drug in ("lenvatinib", "sorafenib")}
    gain = rng.normal(48000, 2000)
    made = []
    for row in ROWS:
        line = []
        for column in COLUMNS:
            if row not in DRUGS or column == 2:
                value = rng.normal(1500, 60)
            elif column in (1, 12):
                value = 1500 + gain * rng.normal(1, 0.04)
            else:
                drug = DRUGS[row]
                ratio = DOSES[column - 3] / (IC50[model][drug] * 10 ** shift[drug])
                value = 1500 + gain * (1 / (1 + ratio**1.3) + rng.normal(0, 0.03))
            line.append(round(float(value)))
        made.append(line)
    return made


def write(folder: Path) -> None:
    """The study as a laboratory has it."""
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "reader").mkdir(parents=True)
    rng = np.random.default_rng(7)
    layout = ["plate,map,model,replicate"]
    for replicate in (1, 2, 3):
        for model, short in (("Huh-7 P", "P"), ("Huh-7 LR", "LR")):
            name = f"{short}_experiment_{replicate}"
            head = "," + ",".join(str(c) for c in COLUMNS)
            lines = [f"{r}," + ",".join(str(v) for v in line) for r, line in zip(ROWS, plate(model, rng), strict=True)]
            (folder / "reader" / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n", "utf-8")
            layout.append(f"{name},plate_map,{model},{replicate}")
    (folder / "layout.csv").write_text("\n".join(layout) + "\n", "utf-8")
    wells = ["well,drug,dose_um,well_type"]
    for row, drug in DRUGS.items():
        for column in COLUMNS:
            kind = {1: "vehicle", 12: "vehicle", 2: "blank"}.get(column, "sample")
            told = f"{drug},{DOSES[column - 3]:g}" if kind == "sample" else ","
            wells.append(f"{row}{column:02d},{told},{kind}")
    (folder / "plate_map.csv").write_text("\n".join(wells) + "\n", "utf-8")
    (folder / "study.toml").write_text(STUDY_TOML, "utf-8")


def pictures(folder: Path, to: Path) -> None:
    """Figures of a run, as the dossier shows them."""
    from PIL import Image

    import rechallenge
    from rechallenge import outputs

    outputs.write(rechallenge.run(folder, folder / "results"))
    for figure in ("dose_response", "resistance_index", "plates"):
        drawn = Image.open(folder / "results" / "figures" / f"{figure}.png").convert("RGB")
        size = (min(drawn.width, 1200), round(drawn.height * min(1.0, 1200 / drawn.width)))
        small = drawn.resize(size, Image.Resampling.LANCZOS).quantize(64)
        small.save(to / f"bench_{figure}.png", optimize=True)


def main() -> None:
    write(STUDY)
    with tempfile.TemporaryDirectory() as place:
        study = Path(place) / "study"
        shutil.copytree(STUDY, study)
        pictures(study, HERE / "img")


if __name__ == "__main__":
    main()
