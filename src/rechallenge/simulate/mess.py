"""The mess that real tables come in, added on purpose so that reading can be checked against a known answer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

#: mess that reading must see through: the study still means the same
FORGIVEN = ("decimal_comma", "cp1252", "missing_wells", "headings", "nanomolar")
#: mess that reading must refuse, because the study would mean something else
REFUSED = ("per_cent", "text_in_numbers", "unknown_model", "negative_dose", "duplicated_well", "unit_in_cell")


def table_bytes(frame: pd.DataFrame, mess: Iterable[str] = (), seed: int = 0) -> bytes:
    """The table as the bytes of a CSV file with the named kinds of mess in it.

    Raises ValueError for a kind of mess that is neither in `FORGIVEN` nor in `REFUSED`.
    """
    kinds = tuple(mess)
    unknown = [k for k in kinds if k not in FORGIVEN + REFUSED]
    if unknown:
        raise ValueError(f"unknown mess {', '.join(unknown)}; known: {', '.join(FORGIVEN + REFUSED)}")
    rng = np.random.default_rng(seed)
    value = "viability" if "viability" in frame else "signal"
    out = frame.copy()
    sample = np.flatnonzero(out["dose_um"].to_numpy() > 0)
    pick = rng.choice(sample, size=min(6, len(sample)), replace=False)
    if "missing_wells" in kinds:
        out.loc[out.index[pick[:3]], value] = np.nan
    if "negative_dose" in kinds:
        out.loc[out.index[pick[3]], "dose_um"] *= -1
    if "unknown_model" in kinds:
        out.loc[out.index[pick[4]], "model"] = "HUH7"
    if "per_cent" in kinds and value == "viability":
        out[value] = (100 * out[value]).round(2)
    if "duplicated_well" in kinds:
        out = pd.concat([out, out.iloc[[pick[5]]]], ignore_index=True)
    if "nanomolar" in kinds:
        out["dose_um"] = (1000 * out["dose_um"]).round(3)
        out = out.rename(columns={"dose_um": "dose"}).assign(dose_unit="nM")
    dose = "dose" if "dose" in out else "dose_um"
    text = out.astype(object).where(out.notna(), "")
    if "text_in_numbers" in kinds:
        text.loc[text.index[pick[0]], value] = "n.d."
    if "unit_in_cell" in kinds:
        text.loc[text.index[pick[1]], dose] = f"{text.loc[text.index[pick[1]], dose]} uM"
    if "headings" in kinds:
        heading = "Dose" if "nanomolar" in kinds else "Dose (µM)"
        text = text.rename(columns={"model": "Cell line", "drug": "Compound", dose: heading, value: value.title()})
    separator = ","
    if "decimal_comma" in kinds:
        separator = ";"
        for column in text.columns:
            text[column] = [str(v).replace(".", ",") if isinstance(v, float) else v for v in text[column]]
    return text.to_csv(index=False, sep=separator, lineterminator="\n").encode(
        "cp1252" if "cp1252" in kinds else "utf-8"
    )
