"""Indices of a lipid profile per sample: chain length, unsaturation, product-to-substrate ratios, classes.

Shares are of the amounts measured in a pool: free or total fatty acids ("fatty acids"), or the resolved chains of
complex lipids ("acyl chains"), each chain counted with the amount of its lipid. A ratio of product to substrate stands
for the activity of a desaturase or an elongase only as far as uptake and use do not differ (Attie et al. 2002,
doi:10.1194/jlr.m200189-jlr200).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable

Floats = NDArray[np.float64]
ATTIE = "doi:10.1194/jlr.m200189-jlr200"
FREE, ACYL = "fatty acids", "acyl chains"
#: name -> (product, substrate, what it stands for); a chain is (carbons, double bonds, series or '')
RATIOS: dict[str, tuple[tuple[int, int, str], tuple[int, int, str], str]] = {
    "18:1/18:0": ((18, 1, ""), (18, 0, ""), "stearoyl-CoA desaturation"),
    "16:1/16:0": ((16, 1, ""), (16, 0, ""), "stearoyl-CoA desaturation"),
    "18:0/16:0": ((18, 0, ""), (16, 0, ""), "elongation of palmitate"),
    "18:1/16:1": ((18, 1, ""), (16, 1, ""), "elongation of palmitoleate"),
    "20:4n6/20:3n6": ((20, 4, "n6"), (20, 3, "n6"), "delta-5 desaturation"),
    "18:3n6/18:2n6": ((18, 3, "n6"), (18, 2, "n6"), "delta-6 desaturation"),
    "22:4n6/20:4n6": ((22, 4, "n6"), (20, 4, "n6"), "elongation of arachidonate"),
    "22:6n3/22:5n3": ((22, 6, "n3"), (22, 5, "n3"), "synthesis of docosahexaenoate"),
    "16:0/18:2n6": ((16, 0, ""), (18, 2, "n6"), "de novo lipogenesis"),
}
COLUMNS = ("dataset", "sample", "model", "treatment", "stage", "replicate", "batch", "pool", "index", "kind", "value",
           "unit", "pathway", "n_species", "status", "reason")  # fmt: skip
UNITS = {"mean chain length": "carbons", "unsaturation index": "double bonds per chain", "saturated": "share",
         "monounsaturated": "share", "polyunsaturated": "share"}  # fmt: skip


def amounts(values: Floats, unit: str) -> Floats:
    """Amounts in linear units of a matrix in `unit`; what is missing or not above 0 is 0."""
    linear = 2.0**values if unit == "log2" else values
    return np.where(np.isfinite(linear) & (linear > 0), linear, 0.0)


def chain_table(species: pd.DataFrame) -> pd.DataFrame:
    """One row per chain of a resolved species: feature, pool, carbons, double_bonds, series."""
    rows = []
    for row in species[species["resolved"].astype(bool)].itertuples():
        pool = FREE if row.lipid_class == "FA" else ACYL
        for chain in str(row.chains).split("/"):
            c, _, d = chain.partition(":")
            rows.append((row.feature, pool, int(c), int(d), row.series if pool == FREE else ""))
    return pd.DataFrame(rows, columns=["feature", "pool", "carbons", "double_bonds", "series"])


def _of_pool(chains: pd.DataFrame, amount: Floats) -> Iterator[tuple[str, str, str, Floats, str, int]]:
    """(index, kind, unit, values per sample, pathway, species) of one pool; `amount` [chains, samples]."""
    total = amount.sum(axis=0)
    carbons, bonds = (chains[c].to_numpy(dtype=float) for c in ("carbons", "double_bonds"))
    n = chains["feature"].nunique()

    def share(weight: Floats) -> Floats:
        return np.asarray(np.divide(weight @ amount, total, out=np.full(total.shape, np.nan), where=total > 0))

    if n >= 3:
        yield "mean chain length", "mean", "carbons", share(carbons), "", n
        yield "unsaturation index", "mean", UNITS["unsaturation index"], share(bonds), "", n
        for name, mask in (("saturated", bonds == 0), ("monounsaturated", bonds == 1), ("polyunsaturated", bonds > 1)):
            yield name, "mean", "share", share(mask.astype(float)), "", n
    for name, (product, substrate, pathway) in RATIOS.items():
        top, bottom = (_sum(chains, amount, one) for one in (product, substrate))
        if top is None or bottom is None:
            continue
        good = (top > 0) & (bottom > 0)
        ratio = np.where(good, np.divide(top, bottom, out=np.full(top.shape, np.nan), where=good), np.nan)
        yield name, "ratio", "ratio", ratio, pathway, 2


def _sum(chains: pd.DataFrame, amount: Floats, one: tuple[int, int, str]) -> Floats | None:
    """Amounts [samples] of one fatty acid; None where it was not measured. A series asked for must be told, except
    that 18:2 and 20:4 without a series are taken as n6, which they nearly always are in mammals."""
    carbons, bonds, series = one
    mine = (chains["carbons"] == carbons) & (chains["double_bonds"] == bonds)
    if series:
        usual = (carbons, bonds) in ((18, 2), (20, 4)) and series == "n6"
        mine &= (chains["series"] == series) | ((chains["series"] == "") & usual)
    return amount[mine.to_numpy()].sum(axis=0) if mine.any() else None


def _of_classes(species: pd.DataFrame, amount: Floats) -> Iterator[tuple[str, str, str, Floats, str, int]]:
    """Total of every class, its share, and per molecule its mean number of carbons and double bonds."""
    whole = amount.sum(axis=0)
    for name, rows in species.groupby("lipid_class", sort=True):
        part = amount[rows.index]
        total = part.sum(axis=0)
        good = total > 0
        yield f"{name} total", "total", "amount", np.where(good, total, np.nan), "", len(rows)
        if len(set(species["lipid_class"])) > 1:
            yield f"{name} share", "mean", "share of all lipids", np.where(whole > 0, total / np.where(
                whole > 0, whole, 1), np.nan), "", len(rows)  # fmt: skip
        if len(rows) >= 3 and name != "FA":
            for column, word in (("carbons", "carbons"), ("double_bonds", "double bonds")):
                weight = rows[column].to_numpy(dtype=float)
                mean = np.divide(weight @ part, total, out=np.full(total.shape, np.nan), where=good)
                yield f"{name} mean {word}", "mean", f"{word} per molecule", mean, "", len(rows)


def _methods(fatty_acid_indices: pd.DataFrame, **_: Any) -> str:
    return (
        "Mean chain length, unsaturation index (double bonds per chain), shares of saturated, mono- and "
        f"polyunsaturated chains, ratios of product to substrate of desaturases and elongases ({ATTIE}) and totals of "
        "lipid classes were computed for every sample from the species whose names could be read; a ratio "
        "needs both of its fatty acids."
    )


@analysis(
    title="Indices of fatty acids and lipids",
    reference=ATTIE,
    methods=_methods,
    formula=(
        "chain length = sum p_i c_i; unsaturation = sum p_i d_i; desaturase ratio 18:1 / 18:0, elongase 18:0 / 16:0"
    ),
    oracle="No outside reference: indices of a profile by hand (tests/omics/test_fatty_acids.py)",
    limits=(
        "A ratio of product to substrate stands for an enzyme only where uptake and use do not differ. Shares "
        "are of what was measured."
    ),
)
def fatty_acid_indices(
    fatty_acids: pd.DataFrame, fatty_acids_samples: pd.DataFrame, lipid_species: pd.DataFrame
) -> pd.DataFrame:
    """One row per sample and index: `COLUMNS`.

    `pool` is "fatty acids" (free or total fatty acids), "acyl chains" (chains of complex lipids that names resolve) or
    "classes". `kind` is "mean" (compared as a difference), "ratio" or "total" (compared as log2). "not_estimable" where
    a sample lacks what the index needs. Raises NotApplicable where no name could be read.
    """
    known = lipid_species[lipid_species["status"] == "estimated"]
    parts = []
    for dataset, sheet in fatty_acids_samples.groupby("dataset", sort=True):
        mine = fatty_acids[fatty_acids["dataset"] == dataset].sort_values("feature", kind="mergesort")
        species = mine[["feature"]].merge(known, on="feature", how="inner")
        if species.empty:
            continue
        sheet = sheet.sort_values("sample", kind="mergesort")
        unit = str(sheet["unit"].iloc[0]) if "unit" in sheet else ""
        by = mine.set_index("feature")[sheet["sample"].tolist()]
        amount = amounts(by.loc[species["feature"]].to_numpy(dtype=float), unit)
        at = {f: i for i, f in enumerate(species["feature"])}
        found: list[tuple[str, tuple[str, str, str, Floats, str, int]]] = []
        for pool, chains in chain_table(species).groupby("pool", sort=True):
            found += [(str(pool), one) for one in _of_pool(chains, amount[[at[f] for f in chains["feature"]]])]
        found += [("classes", one) for one in _of_classes(species, amount)]
        head = [c for c in ("sample", "model", "treatment", "stage", "replicate", "batch") if c in sheet]
        for pool, (index, kind, unit_of, values, pathway, n) in found:
            part = sheet[head].copy()
            part["value"], part["dataset"], part["pool"], part["index"] = values, dataset, pool, index
            part["kind"], part["unit"], part["pathway"], part["n_species"] = kind, unit_of, pathway, n
            parts.append(part)
    if not parts:
        raise NotApplicable("no feature of the table has a name of a fatty acid or lipid")
    out = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    out["status"] = np.where(out["value"].notna(), "estimated", "not_estimable")
    out["reason"] = np.where(
        out["value"].notna(), "", "a fatty acid or class that it needs was not found in the sample"
    )
    for c in ("stage", "batch", "treatment"):
        out[c] = out[c].fillna("")
    return out.sort_values(["dataset", "pool", "index", "sample"], kind="mergesort").reset_index(drop=True)
