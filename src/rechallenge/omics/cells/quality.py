"""Which cells are cells: depth, genes, mitochondrial share and doublets, judged sample by sample.

Limits are medians and median absolute deviations of the sample itself (McCarthy et al. 2017,
doi:10.1093/bioinformatics/btw777; Germain et al. 2020, doi:10.1186/s13059-020-02136-7), because lines, kits and tumours
differ; doublets are found beside doublets made of the sample's own cells (Wolock et al. 2019,
doi:10.1016/j.cels.2018.11.005). No cell is dropped without a word: every one has a row, and why it was left out.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import Split, analysis
from rechallenge.omics.cells.reading import chunks, counts, genes

Floats = NDArray[np.float64]
SCATER = "doi:10.1093/bioinformatics/btw777"
PIPECOMP = "doi:10.1186/s13059-020-02136-7"
SCRUBLET = "doi:10.1016/j.cels.2018.11.005"
COLUMNS = (
    "dataset", "cell", "sample", "n_counts", "n_genes", "mito_fraction", "doublet_score", "doublet", "kept", "why",
    "status", "reason",
)  # fmt: skip
#: the 13 protein genes of the mitochondrial genome by Ensembl identifier, for files that name no symbols
MITOCHONDRIAL = frozenset(
    f"ENSG00000{n}"
    for n in (
        "198888", "198763", "198804", "198712", "228253", "198899", "198938", "198840", "212907", "198886", "198786",
        "198695", "198727",
    )
)  # fmt: skip
#: fewer cells of a sample give no limits of its own, and doublets are not sought among fewer
FEW, FEW_FOR_DOUBLETS = 20, 500
#: a found threshold that calls more than so many times the expected share of doublets is not believed
TRUST = 3.0


def _methods(cell_quality: pd.DataFrame, min_genes: int, mads: float, mito_mads: float, mito_least: float,
             doublets: bool, doublet_rate: float, **_: object) -> str:  # fmt: skip
    n, left = len(cell_quality), int((~cell_quality["kept"]).sum())
    sought = doublets and cell_quality["doublet_score"].notna().any()
    return (
        f"Of {n:,} barcodes, {left:,} were left out: those with fewer than {min_genes} genes, with counts or genes "
        f"further than {mads:g} median absolute deviations from the median of their sample on a log scale, or with a "
        f"mitochondrial share more than {mito_mads:g} above it and above {100 * mito_least:g} % ({SCATER}; {PIPECOMP})"
        + (
            f", and doublets found by Scrublet within each lane of at least {FEW_FOR_DOUBLETS} cells at an expected "
            f"rate of {100 * doublet_rate:g} % ({SCRUBLET})."
            if sought
            else "; doublets were not sought."
        )
    )


@analysis(
    title="Quality of single cells",
    reference=(SCATER, PIPECOMP, SCRUBLET),
    methods=_methods,
    split=Split("cells", ("dataset", "sample"), groups=4),
    formula=(
        "left out: beyond median +- k MAD of its sample in depth, genes or mitochondrial share; doublets: share"
        " of made doublets among neighbours"
    ),
    oracle="No outside reference: planted bad cells and doublets (tests/omics/cells/test_cells_states.py)",
    limits=(
        "Doublets of one kind of cell cannot be seen. Limits come from the sample itself, so a sample that is "
        "bad throughout passes."
    ),
)
def cell_quality(
    cells: pd.DataFrame,
    *,
    min_genes: int = 200,
    mads: float = 5.0,
    mito_mads: float = 3.0,
    mito_least: float = 0.1,
    doublets: bool = True,
    doublet_rate: float = 0.06,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per barcode, in the order of `cells`: `COLUMNS`.

    `mito_fraction` is the share of counts in mitochondrial genes (NaN where the file has none), `doublet_score` the
    share of made doublets among the neighbours (NaN where doublets were not sought), `kept` whether the cell enters
    what follows and `why` a sentence where it does not. Values that are no counts cannot be judged: such cells are kept
    with status `not_testable`. The limits of a sample come from its barcodes with at least `min_genes` genes, so that
    empty droplets do not set them.
    """
    frame = cells.reset_index(drop=True)
    out = frame[["dataset", "cell", "sample", "n_counts", "n_genes"]].copy()
    out["mito_fraction"] = _mitochondrial(frame)
    out["doublet_score"], out["doublet"] = np.nan, False
    why = np.full(len(out), "", dtype=object)
    counted = (frame["values"] == "counts").to_numpy()
    for rows in frame.groupby(["dataset", "sample"], sort=False).indices.values():
        mine = np.asarray(rows)[counted[rows]]
        if len(mine):
            sample = str(frame["sample"].iloc[int(mine[0])])
            why[mine] = _limits(out.take(mine), sample, min_genes, mads, mito_mads, mito_least)
    reason = np.where(counted, "", "the values are not counts: depth and doublets cannot be judged").astype(object)
    if doublets:
        lanes = frame.groupby(["dataset", "sample", "batch", "_file"], sort=False).indices.values()
        for rows in lanes:
            mine = rows[counted[rows] & (why[rows] == "")]
            mine = mine[np.argsort(frame["_row"].to_numpy()[mine], kind="stable")]
            if len(mine) < FEW_FOR_DOUBLETS:
                continue
            score, called, odd = _doublets(frame.iloc[mine], doublet_rate, seed)
            out.loc[mine, "doublet_score"], out.loc[mine, "doublet"] = score, called
            why[mine[called]] = "looks like two cells: its neighbours are doublets made of this sample's cells"
            reason[mine] = odd
    out["why"], out["kept"] = why, why == ""
    out["status"] = np.where(counted, "estimated", "not_testable")
    out["reason"] = reason
    return out[list(COLUMNS)]


def mitochondrial(names: list[str]) -> NDArray[np.bool_]:
    """Which genes are of the mitochondrial genome."""
    return np.array([n.upper().startswith("MT-") or n in MITOCHONDRIAL for n in names], dtype=bool)


def _mitochondrial(cells: pd.DataFrame) -> Floats:
    names = genes(cells)
    mine = [n for n, m in zip(names, mitochondrial(names), strict=True) if m]
    out = np.full(len(cells), np.nan)
    if not mine:
        return out
    total = cells["n_counts"].to_numpy(dtype=float)
    for part in chunks(cells, names=mine):
        share = part.matrix.sum(axis=1)
        out[part.rows] = np.divide(share, total[part.rows], out=np.full(len(share), np.nan), where=total[part.rows] > 0)
    out[(cells["values"] != "counts").to_numpy()] = np.nan
    return out


def _limits(
    some: pd.DataFrame, sample: str, min_genes: int, mads: float, mito_mads: float, mito_least: float
) -> NDArray[np.object_]:
    """Why each barcode of a sample is left out ('' where it is not); the first reason that holds."""
    why = np.full(len(some), "", dtype=object)
    n_genes = some["n_genes"].to_numpy(dtype=float)
    few = n_genes < min_genes
    why[few] = [f"{int(n)} genes, fewer than {min_genes}" for n in n_genes[few]]
    rest = ~few
    if rest.sum() < FEW:
        return why
    for column, noun in (("n_counts", "counts"), ("n_genes", "genes")):
        values = some[column].to_numpy(dtype=float)
        logs = np.log1p(values)
        middle, mad = _spread(logs[rest])
        if mad <= 0:
            continue
        for bad, word, edge in (
            (logs < middle - mads * mad, "below", middle - mads * mad),
            (logs > middle + mads * mad, "above", middle + mads * mad),
        ):
            hit = bad & (why == "")
            limit = f"{word} {np.expm1(edge):.0f} ({mads:g} median absolute deviations from the median of {sample})"
            why[hit] = [f"{v:.0f} {noun}, {limit}" for v in values[hit]]
    mito = some["mito_fraction"].to_numpy(dtype=float)
    if np.isfinite(mito[rest]).any():
        middle, mad = _spread(mito[rest & np.isfinite(mito)])
        edge = max(middle + mito_mads * mad, mito_least)
        hit = (mito > edge) & (why == "")
        limit = f"above {100 * edge:.1f} % (limit of {sample})"
        why[hit] = [f"{100 * v:.1f} % of its counts are mitochondrial, {limit}" for v in mito[hit]]
    return why


def _spread(values: Floats) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _doublets(cells: pd.DataFrame, rate: float, seed: int) -> tuple[Floats, NDArray[np.bool_], str]:
    """Scrublet's score of each cell, which are called, and what is odd about the threshold ('' where nothing is)."""
    held = counts(cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        import scanpy
        from scipy import sparse

        data = anndata.AnnData(sparse.csr_matrix(held.matrix))
        try:
            scanpy.pp.scrublet(data, expected_doublet_rate=rate, random_state=seed, verbose=False)
        except (ValueError, RuntimeError, ZeroDivisionError, np.linalg.LinAlgError) as e:
            none = np.zeros(len(cells), dtype=bool)
            return np.full(len(cells), np.nan), none, f"doublets could not be sought ({str(e)[:80]})"
    score = data.obs["doublet_score"].to_numpy(dtype=float)
    if "predicted_doublet" not in data.obs:
        return score, np.zeros(len(cells), dtype=bool), "no threshold parts doublets from single cells: none was called"
    called = data.obs["predicted_doublet"].to_numpy(dtype=bool)
    if called.mean() > TRUST * rate:
        odd = (
            f"the threshold would call {100 * called.mean():.0f} % of the cells doublets where {100 * rate:g} % are "
            "expected; none was called"
        )
        return score, np.zeros(len(cells), dtype=bool), odd
    return score, called, ""
