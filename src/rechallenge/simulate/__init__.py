"""Studies with a known answer: planted parameters in, tables as a lab would bring them out.

>>> from rechallenge import simulate
>>> folder = simulate.write_study("my_demo", seed=1)          # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rechallenge.simulate import combinations, plates, truth
from rechallenge.simulate.mess import FORGIVEN, REFUSED, table_bytes
from rechallenge.simulate.plan import SCENARIOS
from rechallenge.simulate.whole import free, write_whole

__all__ = [
    "FORGIVEN",
    "REFUSED",
    "SCENARIOS",
    "combinations",
    "planted",
    "plates",
    "table_bytes",
    "truth",
    "write_study",
    "write_whole",
]

_STUDY_TOML = """\
# A simulated study: the published IC50 values of eight drugs in three Huh-7 lines, as raw plates with noise.
# What was planted is in planted.csv; nothing here was measured.
[study]
title = "Simulated: acquired lenvatinib and sorafenib resistance in Huh-7"
therapies = ["lenvatinib", "sorafenib"]      # the drugs whose resistance is in question
seed = {seed}

[models]                                      # role: parental, resistant, normal, patient or other
"Huh-7 P"  = {{ role = "parental" }}
"Huh-7 LR" = {{ role = "resistant", parent = "Huh-7 P", selected_with = "lenvatinib" }}
"Huh-7 SR" = {{ role = "resistant", parent = "Huh-7 P", selected_with = "sorafenib" }}

[tables]                                      # table kind = file, glob, or a list of them
viability = "viability.csv"
"""


def planted() -> pd.DataFrame:
    """The parameters planted by `write_study` (columns of `rechallenge.simulate.truth.huh7`)."""
    return truth.huh7()


def write_study(
    folder: str | Path,
    *,
    seed: int = 0,
    replicates: int = 3,
    raw: bool = True,
    mess: Iterable[str] = (),
    noise: float = 0.04,
) -> Path:
    """Write a simulated study into `folder` and return it.

    Files: `study.toml`, `viability.csv` (raw wells, or fractions of vehicle with `raw=False`, with the asked-for mess)
    and `planted.csv` (the truth). Raises InputFaults where the folder already holds a study that this function did not
    write: it never overwrites a user's file.
    """
    folder = Path(folder)
    ours = folder / "planted.csv"
    free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parameters = planted()
    wells = plates.wells(parameters, seed=seed, replicates=replicates, noise=noise)
    table = wells if raw else plates.fractions(wells)
    parameters.to_csv(ours, index=False, lineterminator="\n")
    (folder / "viability.csv").write_bytes(table_bytes(table, mess, seed))
    (folder / "study.toml").write_text(_STUDY_TOML.format(seed=seed), encoding="utf-8", newline="\n")
    return folder
