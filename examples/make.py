"""Write the four example studies: `make examples`.

    python examples/make.py                 # the tables, as they are kept here, the same bytes each time
    python examples/make.py --answers       # run each too, and write what the program says into its README.md

The tables are those of `rechallenge demo --study NAME --size small`, made smaller and written as text throughout: fewer
genes, patients and cells, values of the cohorts with two decimals, abundances in thousands, single cells as a table of
genes x cells with a sheet.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from rechallenge.simulate import studies
from rechallenge.simulate.whole import save

HERE = Path(__file__).resolve().parent
NAMES = tuple(studies.ABOUT)
SEED = 0
#: cells of each sample, and what else is smaller
CELLS = 45
SIZES = {
    "akr1b1": {"genes": 300, "proteins": 100, "patients": 90},
    # twenty-seven proteins melt higher, and the others have to be the many
    "ilf3": {"genes": 300, "proteins": 180, "patients": 80},
    "cav1": {"genes": 300, "proteins": 100, "patients": 90},
}
#: what is answered here stands between these lines of README.md
OPEN, CLOSE = "<!-- answer -->\n```text\n", "\n```\n<!-- end of answer -->"


def write(name: str, folder: Path) -> Path:
    """The tables of an example in `folder`; other files there are left as they are."""
    if name in SIZES:
        studies.write(name, folder, seed=SEED, size=replace(studies.SIZES[name]["small"], **SIZES[name]))
    else:
        studies.write(name, folder, seed=SEED)  # small as it is
    for path in sorted(folder.glob("cohort_*.csv")):
        save(path, pd.read_csv(path).round(2))
    if (folder / "thermal_shift.csv").is_file():
        melts = pd.read_csv(folder / "thermal_shift.csv")
        melts["abundance"] = (melts["abundance"] / 1000).round().clip(lower=1).astype(int)
        save(folder / "thermal_shift.csv", melts)
    if name in SIZES:
        save(folder / "planted.csv", pd.read_csv(folder / "planted.csv").round(3))
    if (folder / "cells.h5ad").is_file():
        _cells_as_text(folder)
    return folder


def _cells_as_text(folder: Path) -> None:
    """Counts of genes x cells and a sheet of the cells in place of the AnnData."""
    import anndata

    data = anndata.read_h5ad(folder / "cells.h5ad")
    data = data[data.obs.groupby("sample", observed=True).cumcount().to_numpy() < CELLS]
    counts = pd.DataFrame(data.X.toarray().T.astype(int), columns=data.obs_names)
    counts.insert(0, "gene", data.var_names.to_numpy())
    save(folder / "cells.csv", counts)
    sheet = data.obs.rename_axis("cell").reset_index().drop(columns="planted_time").astype(str)
    save(folder / "cells_samples.csv", sheet)
    (folder / "cells.h5ad").unlink()
    file = folder / "study.toml"
    text = file.read_text(encoding="utf-8")
    line = 'cells = { values = "cells.csv", samples = "cells_samples.csv" }'
    save(file, text.replace('cells = "cells.h5ad"', line))


def answer(folder: Path) -> str:
    """What the program says of an example, beside what was planted: the words of `rechallenge demo`."""
    from rechallenge import demonstration, pipeline

    record = pipeline.run(folder)
    if record.failed:
        raise SystemExit("\n".join(f"{s.name}: {s.reason}" for s in record.failed))
    return demonstration.compare(record)


def kept(folder: Path) -> str:
    """The answer that stands in the README of an example; '' where none does."""
    found = re.search(re.escape(OPEN) + "(.*?)" + re.escape(CLOSE), (folder / "README.md").read_text("utf-8"), re.S)
    return found[1] if found else ""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("names", nargs="*", default=list(NAMES), metavar="NAME", help=f"of {', '.join(NAMES)}")
    ask.add_argument("--answers", action="store_true", help="run the studies and write the answers too (minutes)")
    given = ask.parse_args()
    for name in given.names:
        folder = write(name, HERE / name)
        print(f"wrote {folder}")
        if given.answers:
            with tempfile.TemporaryDirectory() as away:
                said = answer(write(name, Path(away) / name))
            file = folder / "README.md"
            text = file.read_text(encoding="utf-8")
            before, after = text.split(OPEN)[0], text.split(CLOSE)[1]
            save(file, before + OPEN + said + CLOSE + after)


if __name__ == "__main__":
    main()
