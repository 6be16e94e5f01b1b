"""What rises and falls along the course from parental to resistant cells, sample by sample.

Each sample gives one slope of every gene over pseudotime among its own cells, with the depth of the cells held fixed,
and the slopes of the samples are tested: a gene that follows the course in one sample alone is not called, whatever the
number of its cells.

Pseudotime is made from the same counts. A gene whose noise went into it would follow it in every sample and be called,
although nothing moves it. Genes are therefore cut into two halves, the course is told again from the principal
components of each half alone, and every gene is tested against the course as the other half tells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.questions.collections import PROGRAMMES
from rechallenge.knowledge.questions.collections import gene_sets as collections
from rechallenge.knowledge.questions.collections import regulons as known_regulons
from rechallenge.omics.cells import cycle, reading
from rechallenge.omics.cells.activity import PATHWAY, REGULATOR, permuted_scores
from rechallenge.omics.cells.course import alone, common, phases, sizes, told
from rechallenge.omics.cells.pseudobulk import counted
from rechallenge.stats import moderated, networks
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SMYTH = "doi:10.2202/1544-6115.1027"
BERGER = "doi:10.1080/00401706.1982.10487790"
GENE = "gene"
PATH = "path"
#: bins of a course that is drawn
BINS = 8
#: spread of pseudotime that a sample's cells need to have a slope, and share of cells that a gene needs
LEAST_SPREAD, LEAST_SEEN = 0.05, 0.02
TRENDS = (
    "dataset", "contrast", "contrast_kind", "parental", "resistant", "kind", "collection", "term", "size", "slope",
    "se", "ci_low", "ci_high", "statistic", "df", "p_samples", "z_permuted", "p_permuted", "p_value", "q_value", "n",
    "n_rising", "n_cells", "told", "direction", "status", "reason", "source_table",
)  # fmt: skip
SLOPES = ("dataset", "contrast", "kind", "term", "sample", "model", "n_cells", "slope", "used", "reason")
COURSES = ("dataset", "contrast", "kind", "term", "sample", "model", "pseudotime", "level", "n_cells")
#: terms whose slopes and courses are kept, by kind
KEPT = {GENE: 12, PATHWAY: 6, REGULATOR: 6}


def _methods(results: dict[str, pd.DataFrame], **_: Any) -> str:
    pseudotime_trends = results["pseudotime_trends"]
    if pseudotime_trends["p_value"].isna().all():
        return "Slopes along pseudotime are given by sample; too few samples had one for a test."
    return (
        "Slopes of log-normalised expression along pseudotime, with log depth and the scores of the cell cycle "
        f"({cycle.TIROSH}) held fixed, were estimated within every "
        f"sample and tested over samples by moderated t ({SMYTH}). Genes were cut into two halves and each was tested "
        "against pseudotime as told by the principal components of the other half without the genes of the cell "
        "cycle, so that no gene is tested against a course made from its own noise or from the cycle. "
        "Sets are means of their genes' standardised slopes; regulators were also "
        f"compared with permuted regulons, the larger p-value counting ({BERGER})."
    )


@analysis(
    title="Trends from parental to resistant cells, by sample",
    reference=(SMYTH, BERGER),
    gives=("pseudotime_trends", "pseudotime_slopes", "pseudotime_courses"),
    methods=_methods,
    formula=(
        "slope per sample of log(1 + cp10k) on pseudotime told by the other half of the genes, depth held "
        "fixed; moderated t over samples"
    ),
    oracle=(
        "No outside reference: still genes p < .05 in 4 to 6 % on planted pseudotime "
        "(tests/omics/test_cells_activity.py)"
    ),
    limits=(
        "On pseudotime found from the same cells 9 % of still genes are below .05 and 5.8 % are called. Small "
        "panels of which a fifth moves one way: up to 11 %."
    ),
)
def pseudotime_trends(
    cells: pd.DataFrame,
    pseudotime: pd.DataFrame,
    trajectory: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    regulons: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES, "hallmark"),
    least_cells: int = 50,
    most_cells: int = 20000,
    smallest: int = 10,
    smallest_regulon: int = 5,
    n_permutations: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`pseudotime_trends` (`TRENDS`), `pseudotime_slopes` (`SLOPES`) and `pseudotime_courses` (`COURSES`).

    `slope` is the change of log(1 + counts per 10,000) from the start to the end of the course, of sets in standard
    deviations of their genes; mean over samples with its interval. `n` samples, `n_rising` of them with a slope above
    0; `told` is the correlation of the course told by half of the genes with pseudotime. Fewer than three samples:
    `not_testable`. Trajectories that are no path have no trend. Raises NotApplicable where there is no path.
    """
    there = pseudotime[(pseudotime["status"] == PATH) & pseudotime["pseudotime"].notna()]
    if there.empty:
        raise NotApplicable("no path from parental to resistant cells was found: there is no course to follow")
    sets = collections(gene_sets, collections_used)
    known = known_regulons(regulons)
    tables: dict[str, list[pd.DataFrame]] = {"trends": [], "slopes": [], "courses": []}
    ours = set(counted(cells, there))
    ways = {(str(r.dataset), str(r.contrast)): (str(r.kind), str(r.parental), str(r.resistant))
            for r in trajectory.itertuples()}  # fmt: skip
    for (dataset, contrast), part in there.groupby(["dataset", "contrast"], sort=True):
        if dataset not in ours:
            continue
        kind, parental, resistant = ways[str(dataset), str(contrast)]
        way = {"contrast": str(contrast), "contrast_kind": kind, "parental": parental, "resistant": resistant}
        part = _thinned(part.sort_values("cell", kind="mergesort", ignore_index=True), most_cells)
        matrix = reading.counts(reading.kept(cells, part))
        made = trends(
            matrix.matrix, matrix.genes, part, sets, known, least_cells=least_cells, smallest=smallest,
            smallest_regulon=smallest_regulon, times=n_permutations, confidence=confidence, seed=seed,
        )  # fmt: skip
        for name, table in zip(tables, made, strict=True):
            if len(table):
                tables[name].append(table.assign(dataset=str(dataset), **way))
    out = {}
    for name, columns in (("trends", TRENDS), ("slopes", SLOPES), ("courses", COURSES)):
        found = tables[name]
        whole = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(columns))
        out[f"pseudotime_{name}"] = whole.assign(source_table="cells").reindex(columns=list(columns))
    return out


def _thinned(part: pd.DataFrame, most: int) -> pd.DataFrame:
    """Every so many-th cell of each sample, so that at most ``most`` remain."""
    step = int(np.ceil(len(part) / most))
    if step <= 1:
        return part
    return part[part.groupby("sample").cumcount() % step == 0].reset_index(drop=True)


def trends(
    counts: Any,
    genes: Sequence[str],
    of: pd.DataFrame,
    sets: Mapping[str, Mapping[str, Sequence[str]]],
    known: pd.DataFrame,
    *,
    least_cells: int = 50,
    smallest: int = 10,
    smallest_regulon: int = 5,
    times: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Trends, slopes by sample and courses of one trajectory; ``counts`` [cells, genes] sparse in the order of ``of``
    (columns sample, model, pseudotime)."""
    import scipy.sparse as sp

    x = sp.csr_array(counts)
    # a dividing cell gives part of its counts to the genes of the cycle: depth is what the others have
    resting = np.ones(len(genes), dtype=bool)
    resting[np.concatenate(list(cycle.members(genes).values()))] = False
    others = sp.csr_array(x[:, np.flatnonzero(resting)])
    depth = np.asarray(others.sum(axis=1)).ravel()
    time = of["pseudotime"].to_numpy(float)
    share = x.data.astype(np.float64) * 1e4 / np.repeat(sizes(others, depth, time), np.diff(x.indptr))
    logged = sp.csc_array(sp.csr_array((np.log1p(share), x.indices, x.indptr), shape=x.shape))
    seen = np.diff(logged.indptr) / x.shape[0]
    kept = np.flatnonzero(seen >= LEAST_SEEN)
    logged, names = sp.csc_array(logged[:, kept]), [str(genes[int(i)]) for i in kept]
    half = np.random.default_rng(seed).permutation(len(names)) % 2
    # genes in alphabetical order have their half whatever the order of the input
    half = half[np.argsort(np.argsort(np.array(names)))]
    # pseudotime follows the cell cycle in part: the course is told by the other genes, so that those of the cycle do
    # not follow it by themselves
    resting = resting[kept]
    halves = [told(logged[:, np.flatnonzero((half == h) & resting)], time, seed) for h in (0, 1)]
    phase = phases(logged, names)
    least_told = float(min(np.corrcoef(c, time)[0, 1] for c in halves))
    sample = of["sample"].astype(str).to_numpy()
    labels = sorted(set(sample))
    model = dict(zip(sample, of["model"].astype(str), strict=True))
    slope = np.full((len(names), len(labels)), np.nan)
    size = np.array([(sample == s).sum() for s in labels])
    why = []
    for j, s in enumerate(labels):
        mine = np.flatnonzero(sample == s)
        few = size[j] < least_cells
        flat = not few and time[mine].std() < LEAST_SPREAD
        why.append(f"fewer than {least_cells} cells" if few else "its cells do not spread along the course" if flat
                   else "")  # fmt: skip
        if few or flat:
            continue
        own = sp.csr_array(logged)[mine]
        deep = np.log(np.maximum(depth[mine], 1))[:, None]
        for h in (0, 1):  # genes of one half against the course of the other
            for of_cycle, fixed in ((False, np.column_stack([deep, phase[mine]])), (True, deep)):
                w = alone(halves[1 - h][mine], fixed)
                took = np.flatnonzero((half == h) & (resting != of_cycle))
                slope[took, j] = (np.asarray(own.T @ w).ravel() / (w @ w))[took]
    used = np.array([not w for w in why])
    mean = np.asarray(logged.sum(axis=0)).ravel() / len(of)
    sd = np.sqrt(np.maximum(np.asarray(logged.multiply(logged).sum(axis=0)).ravel() / len(of) - mean**2, 1e-12))
    slope -= common(slope, mean)
    blocks = [(GENE, "", names, slope, np.ones(len(names), dtype=int))]
    standard = slope / sd[:, None]
    at = {g: i for i, g in enumerate(names)}
    for collection, members in sets.items():
        inside = {t: [at[g] for g in sorted(set(m)) if g in at] for t, m in sorted(members.items())}
        inside = {t: i for t, i in inside.items() if len(i) >= smallest}
        if inside:
            rows = np.array([standard[i].mean(axis=0) for i in inside.values()])
            blocks.append((PATHWAY, collection, list(inside), rows, np.array([len(i) for i in inside.values()])))
    net = networks.network(known, pd.Index(names))
    many = np.bincount(net.factor, minlength=len(net.factors))
    chosen = np.flatnonzero(many >= smallest_regulon)
    if chosen.size:
        weight = sp.csr_array((net.weight, (net.factor, net.gene)), shape=(len(net.factors), len(names)))
        total = np.bincount(net.factor, np.abs(net.weight), len(net.factors))[chosen]
        rows = np.asarray(weight[chosen] @ np.nan_to_num(standard)) / total[:, None]
        rows[:, ~used] = np.nan
        blocks.append((REGULATOR, "regulons", [net.factors[i] for i in chosen], rows, many[chosen]))
    out = [
        _tested(kind, collection, terms, rows[:, used], sizes, confidence).assign(n_cells=int(size[used].sum()))
        for kind, collection, terms, rows, sizes in blocks
    ]
    table = pd.concat(out, ignore_index=True)
    table["told"] = least_told
    table = _called(table, known, smallest_regulon, times, seed)
    best = _best(table)
    held = {(k, t): r for k, _, terms, rows, _ in blocks for t, r in zip(terms, rows, strict=True) if (k, t) in best}
    slopes = [
        {"kind": k, "term": t, "sample": s, "model": model[s], "n_cells": int(size[j]), "slope": r[j],
         "used": bool(used[j]), "reason": why[j]}
        for (k, t), r in held.items() for j, s in enumerate(labels)
    ]  # fmt: skip
    courses = _courses(sp.csr_array(logged), names, sample, model, time, [t for k, t in held if k == GENE])
    return table, pd.DataFrame(slopes), courses


def _tested(
    kind: str, collection: str, terms: Sequence[str], slope: Floats, size: Ints, confidence: float
) -> pd.DataFrame:
    """Mean slope [terms] over samples (columns of ``slope``) by moderated t."""
    out = pd.DataFrame({"kind": kind, "collection": collection, "term": list(terms), "size": size})
    n = slope.shape[1]
    out["n"] = n
    out["n_rising"] = (slope > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        out["slope"] = slope.mean(axis=1) if n else np.nan
    for name in ("se", "ci_low", "ci_high", "statistic", "df", "p_samples"):
        out[name] = np.nan
    out["status"] = "not_testable" if n else "not_estimable"
    out["reason"] = f"{n} samples have a slope: three are needed for a test"
    if n >= 3 and len(terms):
        fitted = moderated.fit(slope, np.ones((n, 1)))
        try:
            made = moderated.moderate(fitted, np.ones((1, 1)), confidence=confidence)
        except ValueError as e:
            out["reason"] = str(e)
            return out
        for name in ("se", "ci_low", "ci_high", "statistic"):
            out[name] = getattr(made, name)[:, 0]
        out["df"], out["p_samples"] = made.df, made.p_value[:, 0]
        sure = np.isfinite(out["p_samples"].to_numpy())
        out["status"] = np.where(sure, "estimated", "not_testable")
        out["reason"] = np.where(sure, "", "its slopes do not scatter")
    return out


def _called(table: pd.DataFrame, known: pd.DataFrame, smallest: int, times: int, seed: int) -> pd.DataFrame:
    """p and q: of regulators the larger of that over samples and that against permuted regulons."""
    out = table.copy()
    out["z_permuted"], out["p_permuted"] = np.nan, np.nan
    genes = out[(out["kind"] == GENE) & out["statistic"].notna()]
    mine = out["kind"] == REGULATOR
    if len(genes) > 2 and mine.any():
        x = genes.set_index("term")["statistic"].clip(-30, 30).sort_index()
        found = permuted_scores(x, known, smallest=smallest, times=times, seed=seed)
        out.loc[mine, "z_permuted"] = out.loc[mine, "term"].map(found["z"])
        out.loc[mine, "p_permuted"] = out.loc[mine, "term"].map(found["p"])
    out["p_value"] = out["p_samples"]
    out.loc[mine, "p_value"] = np.maximum(out.loc[mine, "p_samples"], out.loc[mine, "p_permuted"])
    against = mine & (np.sign(out["slope"]) * np.sign(out["z_permuted"]) < 0) & out["p_value"].notna()
    out.loc[against, "p_value"] = 1.0
    alone = mine & out["p_samples"].notna() & out["p_permuted"].isna()
    out.loc[alone, "status"] = "not_testable"
    out.loc[alone, "reason"] = "too few regulons to be permuted: rechallenge knowledge fetch collectri"
    out["q_value"] = out.groupby("kind")["p_value"].transform(lambda v: bh(v.to_numpy()))
    out["direction"] = np.sign(out["slope"].fillna(0)).astype(int)
    return out


def _best(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Terms whose slopes are kept: of each kind those with the smallest p-value, else with the largest slope."""
    out: set[tuple[str, str]] = set()
    for kind, many in KEPT.items():
        part = table[table["kind"] == kind].assign(_s=lambda t: -t["slope"].abs())
        part = part.sort_values(["p_value", "_s", "term"], kind="mergesort").head(many)
        out |= {(kind, str(t)) for t in part["term"]}
    return out


def _courses(
    logged: Any, names: Sequence[str], sample: Any, model: Mapping[str, str], time: Floats, wanted: Sequence[str]
) -> pd.DataFrame:
    """Mean level of some genes by sample and bin of pseudotime."""
    place = np.minimum((time * BINS).astype(int), BINS - 1)
    at = {g: i for i, g in enumerate(names)}
    dense = np.asarray(logged[:, [at[g] for g in wanted]].todense())
    rows = []
    for s in sorted(set(sample)):
        for b in range(BINS):
            mine = (sample == s) & (place == b)
            if mine.sum() < 5:
                continue
            level = dense[mine].mean(axis=0)
            rows += [
                {"kind": GENE, "term": g, "sample": s, "model": model[s], "pseudotime": (b + 0.5) / BINS,
                 "level": float(v), "n_cells": int(mine.sum())}
                for g, v in zip(wanted, level, strict=True)
            ]  # fmt: skip
    return pd.DataFrame(rows)
